"""What it takes to compute a report's numbers again, to the last seed."""

import platform
from importlib.metadata import version
from typing import Any

from sqlalchemy.orm import Session

from al_fashion import __version__
from al_fashion.files import file_hash
from al_fashion.reports.trained import Trained
from al_fashion.store.photos import rules
from al_fashion.store.schema import REVISION, Round
from al_fashion.workspace import Workspace

_LIBRARIES = ("numpy", "scipy", "scikit-learn", "modAL-python", "SQLAlchemy", "Pillow")


def computed(
    workspace: Workspace, session: Session, done: list[Round], trained: Trained | None
) -> dict[str, str]:
    """Versions, seeds, settings and hashes, each with its name for people."""
    fixed, config = rules(session), workspace.config
    return {
        "al-fashion": f"{__version__}, database revision {REVISION}",
        "Python and libraries": f"{platform.python_version()}; "
        + ", ".join(f"{name} {version(name)}" for name in _LIBRARIES),
        "seed": str(fixed.seed),
        "random numbers": "NumPy's default_rng([seed, round]) of every round, round 0 for the "
        "features' projection; audits' draws [seed, 0xA0D17, attempt], the monitor's "
        "[seed, 0x30417, round, newest query before]; what the head draws: 0",
        "a photo counts as right by": fixed.metric,
        "labels": "exclude each other" if fixed.exclusive else "several a photo",
        "held out, kept for audits": f"{fixed.heldout_share:g}, {fixed.audit_share:g} of the "
        "groups, drawn at random before any model",
        "strategy, photos a round": f"{config.strategy}, {config.batch}",
        "people asked about each photo": f"{config.overlap}; {config.check_share:g} of the photos "
        "are checks",
        "features (backbone, weights, size)": _features(done),
        **_model(workspace, trained),
        "intervals": "95 %: Clopper-Pearson for shares, Korn-Graubard for groups, the delta "
        "method for F1, Jaccard and the calibration error, cluster-t for the log loss, a "
        "jackknife for Krippendorff's alpha; each number's method is in the JSON file",
    }


def round_rows(done: list[Round], seed: int) -> list[dict[str, Any]]:
    """One row a round: what it did, how long it took, and the seed of its random numbers."""
    return [
        {
            "round": row.id,
            "strategy": row.strategy,
            "labelled": row.labelled,
            "queued": row.queued,
            "seconds": row.seconds,
            "seed": [seed, row.id],
            "evaluation": row.evaluation,
        }
        for row in done
    ]


def _features(done: list[Round]) -> str:
    return str(done[-1].info.get("features", "")) if done else "none yet"


def _model(workspace: Workspace, trained: Trained | None) -> dict[str, str]:
    if trained is None:
        return {"model": "none yet"}
    settings = trained.saved.settings
    return {
        "model": f"{trained.name} (round {trained.round}), SHA-256 "
        f"{file_hash(workspace.models / trained.name)}",
        "training set": f"SHA-256 {trained.saved.training_set}",
        "head": f"{trained.head.about}, seed {settings.get('seed', 0)}, log-odds "
        f"divided by a temperature of {trained.head.temperature_:.3f}",
    }
