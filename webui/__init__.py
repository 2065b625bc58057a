"""The labelling page: a thin Flask application over the store."""

import secrets
from pathlib import Path

from flask import Flask, Response, request
from flask_wtf.csrf import CSRFProtect

from al_fashion.files import write_text
from al_fashion.workspace import Workspace
from webui.labelling import labelling

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
PAGE_POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def create_app(workspace: Workspace, labeller: str) -> Flask:
    """The page of one workspace; `labeller` is whoever has not given another name."""
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=_secret_key(workspace.folder / "secret_key"),
        SESSION_COOKIE_SAMESITE="Strict",
        MAX_CONTENT_LENGTH=256 * 1024,
        WTF_CSRF_TIME_LIMIT=None,
        WORKSPACE=workspace,
        LABELLER=labeller,
    )
    CSRFProtect(app)
    app.register_blueprint(labelling)
    app.before_request(_refuse_foreign_host)
    app.after_request(_add_headers)
    return app


def _secret_key(path: Path) -> str:
    """What signs the cookies: made once, kept in the workspace, read by its owner only."""
    if not path.exists():
        write_text(path, secrets.token_hex(32))
        path.chmod(0o600)
    return path.read_text(encoding="utf-8")


def _refuse_foreign_host() -> tuple[str, int] | None:
    """A foreign name that leads here is another site's page in disguise (DNS rebinding)."""
    host = request.host.rpartition(":")[0] if ":" in request.host else request.host
    if host in LOOPBACK:
        return None
    return f"Unknown host {request.host}. Open the page at the address that serve printed.", 400


def _add_headers(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", PAGE_POLICY)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    return response
