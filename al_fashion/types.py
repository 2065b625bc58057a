"""The data that moves between parts: plain, frozen, without behaviour of its own."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

Split = Literal["pool", "heldout", "audit"]
AnswerKind = Literal["labels", "none", "skip"]
Purpose = Literal["train", "evaluate"]


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval: `value`, `low` and `high` are shares in [0, 1]."""

    value: float
    low: float
    high: float
    method: str
    confidence: float
    n: int


@dataclass(frozen=True)
class Evaluation:
    """What a model scored on the answered held-out photos.

    `calibration_error` is by how much its probabilities are off, on average, in [0, 1].
    """

    metric: str
    accuracy: Interval
    exact_match: Interval
    top1_in_set: Interval
    per_label: list[dict[str, Any]]
    confusion: list[list[int]] | None
    calibration_error: float | None = None

    def headline(self) -> dict[str, Any]:
        """The headline accuracy as scripts read it: value, low, high, method, n, metric."""
        interval = asdict(self.accuracy)
        del interval["confidence"]
        return {**interval, "metric": self.metric}


@dataclass(frozen=True)
class RoundResult:
    """One finished round, as `round --json` prints it."""

    round: int
    strategy: str
    labelled: int
    queued: int
    accuracy: dict[str, Any] | None
    seconds: float


@dataclass(frozen=True)
class QueuedPhoto:
    """One query as a labeller sees it; nothing of the model's guess is in it."""

    query_id: int
    image_id: str
    width: int
    height: int


@dataclass(frozen=True)
class SavedAnswer:
    """One answer as it was stored."""

    answer_id: int
    query_id: int | None
    image_id: str
    kind: AnswerKind
    labels: tuple[str, ...]
