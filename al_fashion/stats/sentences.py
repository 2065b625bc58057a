"""An evaluation in plain sentences: what was right, in which range, and what that does not say."""

from collections.abc import Mapping
from typing import Any

from al_fashion.stats.resampling import MIN_PHOTOS
from al_fashion.text import percent, percents

_COUNTED = {
    "accuracy": "the whole label set",
    "top1_in_set": "the most likely label was one of the right ones",
}


def sentences(evaluation: dict[str, Any]) -> list[str]:
    """One sentence a headline number, the change since the round before, and the looks taken.

    `evaluation` is a stored Evaluation, as a dictionary; of an older version's, the headline only.
    """
    if "all_looks" not in evaluation:
        return [_headline(evaluation)]
    found = [_headline(evaluation), *_others(evaluation)]
    if evaluation["difference"] is not None:
        found.append(_change(evaluation["difference"]))
    return [*found, *people_sentences(evaluation["measures"]), _looks(evaluation)]


def _headline(evaluation: dict[str, Any]) -> str:
    interval = evaluation["accuracy"]
    right = round(interval["value"] * interval["n"])
    return (
        f"Of {interval['n']:,} photos, {right:,} were right "
        f"({percent(interval['value'])}, range {percents(interval['low'], interval['high'])}): "
        f"{_COUNTED[evaluation['metric']]}."
    )


def _others(evaluation: dict[str, Any]) -> list[str]:
    measures = evaluation["measures"]
    found = []
    if evaluation["confusion"] is not None:
        # Where a photo has one label, all of these are the headline once more.
        measures = {k: v for k, v in measures.items() if k not in ("jaccard", "micro_f1")}
    elif evaluation["metric"] == "accuracy":
        found.append(f"The most likely label was a right one: {_share(evaluation['top1_in_set'])}.")
    else:
        found.append(f"The whole label set was right: {_share(evaluation['exact_match'])}.")
    if "jaccard" in measures:
        found.append(f"Overlap of said and right labels (Jaccard): {_share(measures['jaccard'])}.")
    if "micro_f1" in measures:
        found.append(f"F1 over all labels together: {_share(measures['micro_f1'])}.")
    if "macro_f1" in measures:
        found.append(
            f"F1 averaged over labels of {MIN_PHOTOS} photos or more: "
            f"{_share(measures['macro_f1'])}."
        )
    if "calibration_error" in measures:
        found.append(
            f"Its probabilities are off by {_share(measures['calibration_error'])} on average."
        )
    if "log_loss" in measures:
        loss = measures["log_loss"]
        found.append(f"Log loss: {loss['value']:.3f} (range {loss['low']:.3f}–{loss['high']:.3f}).")
    return found


def people_sentences(measures: Mapping[str, Any]) -> list[str]:
    """How far people agree and how right they are, as far as an evaluation's measures tell."""
    found = []
    if "labeller_agreement" in measures:
        found.append(
            f"Two labellers give the same answer in {_share(measures['labeller_agreement'])} of "
            "cases."
        )
    if "labeller_alpha" in measures:
        alpha = measures["labeller_alpha"]
        found.append(
            f"Their agreement beyond chance (Krippendorff's alpha) is {alpha['value']:.2f} "
            f"(range {alpha['low']:.2f} to {alpha['high']:.2f})."
        )
    if "human_ceiling" in measures:
        ceiling = measures["human_ceiling"]
        start = (
            "If they err independently, people give the right answer in at most about"
            if ceiling["method"] == "agreement"
            else "People give the checked answer in"
        )
        found.append(f"{start} {_share(ceiling)} of cases: no model can measurably be better.")
    return found


def _change(difference: dict[str, Any]) -> str:
    interval = difference["interval"]
    # Adding 0 turns a rounded -0.0 into a plain one.
    points = [f"{round(100 * interval[name], 1) + 0.0:+.1f}" for name in ("value", "low", "high")]
    return (
        f"Against round {difference['before']} on the same photos, {difference['better']} were put "
        f"right and {difference['worse']} made wrong ({points[0]} points, range {points[1]} to "
        f"{points[2]})."
    )


def _looks(evaluation: dict[str, Any]) -> str:
    interval = evaluation["all_looks"]
    span = percents(interval["low"], interval["high"])
    return (
        f"This was look {evaluation['look']} at the held-out photos; the range that holds for all "
        f"looks together is {span}. No round proves the target, only `al-fashion audit` does."
    )


def _share(interval: dict[str, Any]) -> str:
    return f"{percent(interval['value'])} (range {percents(interval['low'], interval['high'])})"
