"""Labels that came with photos: answers of the labeller `import`, or truth for simulations."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from al_fashion.data.manifest import SourcePhoto, examples
from al_fashion.store.answers import close_answered
from al_fashion.store.database import now_ms
from al_fashion.store.labellers import labeller
from al_fashion.store.photos import in_chunks, label_ids, labels
from al_fashion.store.schema import Answer, Query, Truth
from al_fashion.types import Split


def unite_labels(
    by_image: Mapping[str, Sequence[SourcePhoto]], exclusive: bool, *, truth: bool = False
) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """(label names of every photo that came with some, remarks); duplicates' labels united.

    Labels that only follow from answers count as `truth` alone.
    """
    said, conflicts = {}, []
    for image_id in sorted(by_image):
        said_so = [photo for photo in by_image[image_id] if truth or photo.answers is None]
        names = {name for photo in said_so for name in photo.labels or ()}
        if exclusive and len(names) > 1:
            conflicts.append(f"{by_image[image_id][0].path} ({', '.join(sorted(names))})")
        elif names:
            said[image_id] = tuple(sorted(names))
    if not conflicts:
        return said, []
    return said, [
        f"{len(conflicts)} photos lie in the source several times with labels that exclude each "
        f"other, and came without: {examples(conflicts)}."
    ]


def add_labels(
    session: Session,
    said: Mapping[str, tuple[str, ...]],
    splits: Mapping[str, Split],
    labels_as: str,
) -> None:
    """Labels as answers of the labeller `import`, or as truth for all but held-out photos."""
    meaning = {names: label_ids(session, names) for names in set(said.values())}
    kept_back = {i for i in said if labels_as == "truth" and splits[i] != "heldout"}
    for part in in_chunks(sorted(kept_back)):
        session.execute(delete(Truth).where(Truth.image_id.in_(part)))
        rows = [{"image_id": image_id, "labels": meaning[said[image_id]]} for image_id in part]
        session.execute(insert(Truth), rows)
    answered = sorted(said.keys() - kept_back)
    if answered:
        _add_answers(session, {image_id: meaning[said[image_id]] for image_id in answered})


def _add_answers(session: Session, chosen: Mapping[str, list[int]]) -> None:
    """Add an answer where the source did not say the same at its last import.

    What `answers import` has said since is a correction, which a repeated import must not undo.
    """
    who = labeller(session, "import", "import").id
    said: dict[str, list[list[int]]] = defaultdict(list)
    newest: dict[str, int] = {}
    for image_id, answer_id, client_id, earlier in session.execute(
        select(Answer.image_id, Answer.id, Answer.client_id, Answer.labels)
        .where(Answer.labeller_id == who)
        .order_by(Answer.id)
    ):
        newest[image_id] = answer_id
        if client_id.startswith("import:"):
            said[image_id].append(earlier)
    shown = len(labels(session))
    rows = [
        {
            "image_id": image_id,
            "query_id": None,
            "labeller_id": who,
            "kind": "labels",
            "labels": ids,
            "client_id": f"import:{image_id}:{len(said[image_id])}",
            "supersedes": newest.get(image_id),
            "created_ms": now_ms(),
            "labels_shown": shown,
        }
        for image_id, ids in chosen.items()
        if not said[image_id] or said[image_id][-1] != ids
    ]
    if rows:
        session.execute(insert(Answer), rows)
    asked = set(session.scalars(select(Query.image_id).where(Query.state == "open")))
    close_answered(session, sorted(asked & {str(row["image_id"]) for row in rows}))
