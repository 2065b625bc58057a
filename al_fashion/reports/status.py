"""Where a workspace stands, and what to do next."""

from typing import Any

from al_fashion.store.consensus import consensus
from al_fashion.store.database import reading
from al_fashion.store.photos import count_photos, quarantined
from al_fashion.store.queue import queue_counts
from al_fashion.store.rounds import headline, rounds
from al_fashion.workspace import Workspace


def workspace_status(workspace: Workspace) -> dict[str, Any]:
    """Counts of photos and queries, the newest round and its accuracy, the next step."""
    with reading(workspace.engine) as session:
        photos = count_photos(session)
        queue = queue_counts(session)
        done = rounds(session)
        return {
            "photos": photos,
            "queue": queue,
            "round": done[-1].id if done else 0,
            "accuracy": headline(done[-1]) if done else None,
            "heldout_answered": len(consensus(session, "heldout").ids),
            "quarantined": quarantined(session),
            "next": _next_step(workspace, photos, queue),
        }


def _next_step(workspace: Workspace, photos: dict[str, int], queue: dict[str, int]) -> str:
    command = f"al-fashion -w {workspace.folder}"
    if not photos["pool"] + photos["labelled"] + photos["heldout"]:
        return f"bring photos in with `{command} import SOURCE`"
    if queue["open"]:
        return f"answer {queue['open']} photos with `{command} serve`"
    if photos["pool"]:
        return f"train and queue a batch with `{command} round`"
    return f"nothing is left to ask; see `{command} report`"
