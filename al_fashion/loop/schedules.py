"""What a strategy remembers from round to round, kept with the round.

Row numbers change when features are computed anew, so a state's `rows` are kept as image ids.
"""

from collections.abc import Mapping
from typing import Any

from al_fashion.errors import MissingFeatures
from al_fashion.models.cache import FeatureTable
from strategies import Selection


def state_by_ids(
    selection: Selection | None, strategy: str, table: FeatureTable, previous: Mapping[str, Any]
) -> dict[str, Any]:
    """What a round keeps of a selection's `info["state"]`; nothing where it has none.

    A round that selected nothing passes on what the round before kept (`previous`).
    """
    if selection is None:
        return {name: previous[name] for name in ("state", "state_of") if name in previous}
    state = selection.info.get("state")
    if state is None:
        return {}
    if "rows" in state:
        state = {**state, "rows": [table.ids[row] for row in state["rows"]]}
    return {"state": state, "state_of": strategy}


def state_of_ids(
    info: Mapping[str, Any], strategy: str, table: FeatureTable
) -> dict[str, Any] | None:
    """The state that the round before kept, where it was this strategy's and its photos remain."""
    if info.get("state_of") != strategy:
        return None
    state: dict[str, Any] = info["state"]
    if "rows" not in state:
        return state
    try:
        return {**state, "rows": table.rows(state["rows"]).tolist()}
    except MissingFeatures:
        return None
