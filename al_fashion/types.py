"""The data that moves between parts: plain, frozen, without behaviour of its own."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Split = Literal["pool", "heldout", "audit"]
AnswerKind = Literal["labels", "none", "cannot_tell", "skip", "undo"]
SkipReason = Literal["broken", "ambiguous", "sensitive", "not_in_list"]
Purpose = Literal["train", "evaluate", "audit", "monitor", "recheck"]


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval; a share in [0, 1] unless its name says otherwise."""

    value: float
    low: float
    high: float
    method: str
    confidence: float
    n: int


@dataclass(frozen=True)
class Difference:
    """How the headline changed from an earlier round's model to this one, on the same photos.

    `better` photos were put right, `worse` were made wrong; `interval` is of the difference of
    the two accuracies, in [-1, 1].
    """

    before: int
    better: int
    worse: int
    interval: Interval


@dataclass(frozen=True)
class Evaluation:
    """What a model scored on the answered held-out photos.

    `measures` are the other numbers by name. This is look number `look` at these photos;
    `all_looks` is the headline's interval that holds for every look together.
    `calibration_error` is by how much its probabilities are off, on average, in [0, 1];
    `reliability` has it by bins of probability: `said`, `right` (shares) and `count`.
    """

    metric: str
    accuracy: Interval
    exact_match: Interval
    top1_in_set: Interval
    measures: dict[str, Interval]
    per_label: list[dict[str, Any]]
    confusion: list[list[int]] | None
    look: int
    all_looks: Interval
    difference: Difference | None
    calibration_error: float | None = None
    reliability: list[dict[str, Any]] = field(default_factory=list)

    def headline(self) -> dict[str, Any]:
        """The headline accuracy as scripts read it: value, low, high, method, n, metric."""
        interval = asdict(self.accuracy)
        del interval["confidence"]
        return {**interval, "metric": self.metric}


@dataclass(frozen=True)
class RoundResult:
    """One finished round, as `round --json` prints it.

    `evaluation` is the stored one, `sentences` say it in words.
    """

    round: int
    strategy: str
    labelled: int
    queued: int
    accuracy: dict[str, Any] | None
    seconds: float
    evaluation: dict[str, Any] | None = None
    sentences: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class QueuedPhoto:
    """One query as a labeller sees it; nothing of the model's guess is in it."""

    query_id: int
    image_id: str
    width: int
    height: int


@dataclass(frozen=True)
class LeasedPhoto:
    """A photo given to one labeller to answer; `token` is good for this person alone."""

    token: str
    image_id: str
    width: int
    height: int


@dataclass(frozen=True)
class SavedAnswer:
    """One answer as it was stored, as its labeller may see it; a check looks like any other."""

    answer_id: int
    token: str | None
    image_id: str
    kind: AnswerKind
    labels: tuple[str, ...]


@dataclass(frozen=True)
class GivenAnswer:
    """What one labeller says of a photo, as an export carries it; label names, not ids.

    `unseen` are labels that did not exist yet; `created_ms` None means now.
    """

    labeller: str
    kind: AnswerKind
    labels: tuple[str, ...] = ()
    created_ms: int | None = None
    verdict: bool = False
    reason: SkipReason | None = None
    proposal: str | None = None
    unseen: tuple[str, ...] = ()


@dataclass(frozen=True)
class PredictedLabels:
    """What a round's model thinks of a photo: the set, the likeliest label and its probability."""

    round: int
    labels: tuple[str, ...]
    top: str
    probability: float


@dataclass(frozen=True)
class Record:
    """A photo as an export carries it.

    `labels` are the consensus (empty: none of these; None: not known) and follow from `answers`,
    as `soft` does, how sure each label is. `paths` are where the photo was seen.
    """

    id: str
    paths: tuple[str, ...]
    width: int
    height: int
    mime: str
    group: str
    split: Split
    labels: tuple[str, ...] | None
    soft: dict[str, float] | None
    answers: tuple[GivenAnswer, ...]
    predicted: PredictedLabels | None = None
