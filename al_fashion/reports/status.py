"""Where a workspace stands, and what to do next."""

from typing import Any

from al_fashion.reports.audit import audit_status
from al_fashion.store.consensus import consensus
from al_fashion.store.database import reading
from al_fashion.store.photos import count_photos, quarantined
from al_fashion.store.queue import count_open, queue_counts
from al_fashion.store.rounds import headline, rounds
from al_fashion.workspace import Workspace


def workspace_status(workspace: Workspace) -> dict[str, Any]:
    """Counts of photos and queries, the newest round and its accuracy, the audit, the next step."""
    audit = audit_status(workspace)
    with reading(workspace.engine) as session:
        photos = count_photos(session)
        queue = queue_counts(session) | {"open_audit": count_open(session)["audit"]}
        done = rounds(session)
        return {
            "photos": photos,
            "queue": queue,
            "round": done[-1].id if done else 0,
            "accuracy": headline(done[-1]) if done else None,
            "heldout_answered": len(consensus(session, "heldout").ids),
            "quarantined": quarantined(session),
            "audit": audit,
            "next": _next_step(workspace, photos, queue, audit),
        }


def _next_step(
    workspace: Workspace,
    photos: dict[str, int],
    queue: dict[str, int],
    audit: dict[str, Any] | None,
) -> str:
    command = f"al-fashion -w {workspace.folder}"
    if audit is not None and audit["claimed"]:
        return f"the target is proven; label photos with `{command} predict`"
    if audit is not None and audit["state"] == "open" and audit["proven"]:
        return f"sign the proof off with `{command} audit claim`"
    if audit is not None and audit["state"] == "open" and audit["at_least_more"] is None:
        return f"this audit cannot succeed any more: `{command} audit stop`"
    if not photos["pool"] + photos["labelled"] + photos["heldout"]:
        return f"bring photos in with `{command} import SOURCE`"
    if queue["open"]:
        return f"answer {queue['open']} photos with `{command} serve`"
    if photos["pool"]:
        return f"train and queue a batch with `{command} round`"
    return f"nothing is left to ask; see `{command} report`"
