"""The HTTP API is what docs/openapi.yaml says, whatever is sent."""

from pathlib import Path

import pytest
from page import queued_workspace
from sqlalchemy import select

from al_fashion.store.database import reading
from al_fashion.store.schema import Answer
from webui import create_app

schemathesis = pytest.importorskip("schemathesis")
from hypothesis import HealthCheck, Phase, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from schemathesis.specs.openapi import checks  # noqa: E402

DOCUMENT = Path(__file__).parent.parent / "docs" / "openapi.yaml"
EXAMPLES = 12
# What a schema cannot say: a token must be one that was given out, so that what fits the schema
# may still be refused.
EXCLUDED = [checks.positive_data_acceptance]


def test_every_route_is_described(tmp_path: Path) -> None:
    import yaml

    app = create_app(queued_workspace(tmp_path, ("dress", "shirt")), "ann")
    described = {
        (path, method.upper())
        for path, methods in yaml.safe_load(DOCUMENT.read_text())["paths"].items()
        for method in methods
    }
    served = {
        (str(rule), method)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) & {"GET", "POST"}
        if str(rule).startswith("/api/")
    }
    assert served == described


def test_schemathesis_finds_no_failure(tmp_path: Path) -> None:
    workspace = queued_workspace(tmp_path, ("dress", "shirt"))
    app = create_app(workspace, "ann")
    client = app.test_client()
    csrf = client.get("/api/session").json["csrf_token"]
    cookie = client.get_cookie(app.config["SESSION_COOKIE_NAME"])
    assert cookie is not None
    schema = schemathesis.openapi.from_path(DOCUMENT)
    schema.app = app
    sent = {
        "headers": {"X-CSRFToken": csrf, "Host": "localhost"},
        "cookies": {cookie.key: cookie.value},
    }
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == 16
    tried = [status for operation in operations for status in probe(operation, sent)]
    assert {200, 400, 404} <= set(tried) <= {200, 400, 404, 409}
    with reading(workspace.engine) as session:
        assert all(row.client_id for row in session.scalars(select(Answer)))


def probe(operation, sent: dict[str, dict[str, str]]) -> list[int]:  # type: ignore[no-untyped-def]
    """Send what fits the document and what does not; the statuses of the answers."""
    statuses = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )
    @given(st.data())
    def send(data) -> None:  # type: ignore[no-untyped-def]
        mode = data.draw(st.sampled_from(list(schemathesis.GenerationMode)))
        case = data.draw(operation.as_strategy(generation_mode=mode))
        response = case.call(**sent)
        statuses.append(response.status_code)
        case.validate_response(response, excluded_checks=EXCLUDED)

    send()
    return statuses
