"""The last rounds' accuracy as points of a drawing; the template draws them."""

from collections.abc import Sequence
from typing import Any

WIDTH, HEIGHT, MARGIN = 480, 200, 36


def curve(rounds: Sequence[tuple[int, dict[str, Any] | None]]) -> dict[str, Any] | None:
    """Coordinates of accuracies with their intervals over labelled photos; None without any."""
    known = [(labelled, accuracy) for labelled, accuracy in rounds if accuracy is not None]
    if not known:
        return None
    first, last = known[0][0], known[-1][0]
    bottom = min(0.9, min(accuracy["low"] for _, accuracy in known))

    def across(labelled: int) -> float:
        share = (labelled - first) / (last - first) if last > first else 0.5
        return round(MARGIN + share * (WIDTH - 2 * MARGIN), 1)

    def down(share: float) -> float:
        return round(MARGIN + (1 - share) / (1 - bottom) * (HEIGHT - 2 * MARGIN), 1)

    points = [
        {
            "x": across(labelled),
            "y": down(accuracy["value"]),
            "low": down(accuracy["low"]),
            "high": down(accuracy["high"]),
            "labelled": labelled,
            "percent": round(100 * accuracy["value"], 1),
        }
        for labelled, accuracy in known
    ]
    return {"points": points, "target": down(0.95), "width": WIDTH, "height": HEIGHT}
