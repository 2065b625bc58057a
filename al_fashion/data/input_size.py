"""How many pixels the backbone sees, by the photos' own size."""

from collections.abc import Sequence

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from al_fashion.store.schema import Image
from al_fashion.workspace import Workspace

INPUT_SIZE = 224
# Photos of at most this long side gain nothing from being blown up to 224 px.
SMALL_SIDE = 64
SMALL_INPUT_SIZE = 48


def choose_input_size(workspace: Workspace, session: Session) -> None:
    """Set the pixels the backbone sees, where nobody has: by the photos' own size."""
    sides = [max(size) for size in session.execute(select(Image.width, Image.height)).tuples()]
    if workspace.config.input_size or not sides:
        return
    config = workspace.config.with_values(input_size=fitting_input_size(sides))
    config.save(workspace.folder)
    workspace.config = config


def fitting_input_size(sides: Sequence[int]) -> int:
    """The pixels a backbone should see of photos with these long sides."""
    return SMALL_INPUT_SIZE if np.median(sides) <= SMALL_SIDE else INPUT_SIZE
