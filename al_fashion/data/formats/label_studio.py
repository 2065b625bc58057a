"""Label Studio's JSON: a task a photo, an annotation an answer, a prediction what the model says.

Label Studio knows people by e-mail and takes annotations of its members only. So `completed_by` is
there for labellers who go by an e-mail address; every answer's own row, the labeller's name in it,
is in its result's `meta`, which Label Studio keeps.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qs, quote, urlsplit
from xml.sax.saxutils import quoteattr

from al_fashion.data.formats.rows import Export, Row, answer_row, photo_of, read_json, row_of
from al_fashion.data.formats.tables import shown_path
from al_fashion.data.manifest import SourcePhoto
from al_fashion.errors import SourceError
from al_fashion.types import GivenAnswer, PredictedLabels, Record

LOCAL_FILES = "/data/local-files/?d="
OWN_KEY = "al_fashion"
_OTHER_KINDS = ("none", "cannot_tell", "skip")
# Who answered, where Label Studio does not say.
NOBODY = "label studio"


def labelling_configuration(labels: Sequence[str], *, exclusive: bool) -> str:
    """The XML that a project of Label Studio needs to show what is written here."""

    def choices(name: str, choice: str, values: Sequence[str]) -> str:
        inside = "".join(f"    <Choice value={quoteattr(value)}/>\n" for value in values)
        return f'  <Choices name="{name}" toName="image" choice="{choice}">\n{inside}  </Choices>\n'

    return (
        '<View>\n  <Image name="image" value="$image"/>\n'
        + choices("labels", "single" if exclusive else "multiple", labels)
        + choices("kind", "single", _OTHER_KINDS)
        + "</View>\n"
    )


def write_labelstudio(file: IO[str], export: Export) -> None:
    """A list of tasks, one a line."""
    file.write("[")
    for number, record in enumerate(export.records()):
        file.write(",\n" if number else "\n")
        file.write(json.dumps(_task(record), ensure_ascii=False))
    file.write("\n]\n")


def read_labelstudio(path: Path) -> list[SourcePhoto]:
    """The photos of tasks as Label Studio exports them, ours among them. Raises SourceError."""
    tasks = read_json(path)
    if not isinstance(tasks, list):
        raise SourceError(f"{path} is no list of tasks. Export JSON from Label Studio.")
    photos = []
    for number, task in enumerate(tasks, start=1):
        where = f"{path}, task {number}"
        try:
            photos.append(photo_of(_row(task), where))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise SourceError(f"{where} is not as expected: {error!r}. Correct it.") from error
    return photos


def _task(record: Record) -> Row:
    path = shown_path(record.paths)
    own = row_of(record, path)
    del own["answers"]
    task: Row = {
        "data": {"image": LOCAL_FILES + quote(path.lstrip("/")), OWN_KEY: own},
        "annotations": [
            _annotation(answer, f"{record.id}/{place}")
            for place, answer in enumerate(record.answers)
        ],
    }
    if record.predicted is not None:
        task["predictions"] = [_prediction(record.predicted, record.id)]
    return task


def _annotation(answer: GivenAnswer, name: str) -> Row:
    result = _result(answer.kind, answer.labels, name)
    result["meta"] = {OWN_KEY: answer_row(answer)}
    annotation: Row = {
        "result": [result],
        "was_cancelled": answer.kind == "skip",
        "ground_truth": answer.verdict,
    }
    if answer.created_ms is not None:
        moment = datetime.fromtimestamp(answer.created_ms / 1000, UTC)
        annotation["created_at"] = moment.isoformat()
    if "@" in answer.labeller:
        annotation["completed_by"] = {"email": answer.labeller}
    return annotation


def _prediction(predicted: PredictedLabels, name: str) -> Row:
    kind = "labels" if predicted.labels else "none"
    return {
        "model_version": f"round {predicted.round}",
        "score": predicted.probability,
        "result": [_result(kind, predicted.labels, f"{name}/round {predicted.round}")],
    }


def _result(kind: str, labels: Sequence[str], name: str) -> Row:
    return {
        "id": hashlib.sha256(name.encode()).hexdigest()[:10],
        "from_name": "labels" if kind == "labels" else "kind",
        "to_name": "image",
        "type": "choices",
        "value": {"choices": list(labels) if kind == "labels" else [kind]},
    }


def _row(task: Mapping[str, Any]) -> Row:
    data = task["data"]
    own = data.get(OWN_KEY) or {}
    answers = [_given(annotation) for annotation in task.get("annotations", [])]
    return {
        "image": own.get("image") or _local_path(data["image"]),
        "split": own.get("split"),
        "group": own.get("group"),
        # Only what `--labels-as truth` reads; otherwise the answers say it.
        "labels": own.get("labels"),
        "answers": answers,
    }


def _local_path(image: str) -> str:
    """The file behind the address under which Label Studio serves local files."""
    found = parse_qs(urlsplit(image).query).get("d") if image.startswith("/data/local") else None
    return image if found is None else "/" + found[0].lstrip("/")


def _given(annotation: Mapping[str, Any]) -> Row:
    """An answer's row: its own, unless somebody has changed it in Label Studio since."""
    results = [one for one in annotation["result"] if one.get("type") == "choices"]
    chosen = {one["from_name"]: list(one["value"]["choices"]) for one in results}
    kind = "skip" if annotation.get("was_cancelled") else (chosen.get("kind") or [""])[0]
    labels = [name for control, names in chosen.items() if control != "kind" for name in names] * (
        kind not in _OTHER_KINDS
    )
    kind = kind if kind in _OTHER_KINDS else "labels" if labels else "none"
    own = next((one["meta"][OWN_KEY] for one in results if OWN_KEY in one.get("meta", {})), None)
    if own is not None and own["kind"] == kind and set(own.get("labels", [])) == set(labels):
        return dict(own)
    return {
        "labeller": _who(annotation.get("completed_by"), own),
        "kind": kind,
        "labels": labels,
        "created_ms": _milliseconds(annotation.get("updated_at") or annotation.get("created_at")),
        "verdict": bool(annotation.get("ground_truth")),
    }


def _who(completed_by: Any, own: Mapping[str, Any] | None) -> str:
    if isinstance(completed_by, dict) and completed_by.get("email"):
        return str(completed_by["email"])
    if isinstance(completed_by, int):
        return f"{NOBODY} {completed_by}"
    return str(own["labeller"]) if own else NOBODY


def _milliseconds(moment: str | None) -> int | None:
    if moment is None:
        return None
    return int(datetime.fromisoformat(moment).timestamp() * 1000)
