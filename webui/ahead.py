"""Pictures made before they are asked for, so that nobody waits for a large photo."""

from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from al_fashion.data.pictures import SIDES, kept_picture
from al_fashion.errors import AlFashionError
from al_fashion.store.database import reading
from al_fashion.store.queue import next_photos
from al_fashion.workspace import Workspace

PHOTOS_AHEAD = 8


class Ahead:
    """One thread that makes the pictures of a labeller's next photos.

    In the size the labeller's screen last asked for. Where they are made already, that costs one
    look at the queue.
    """

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(1, "pictures ahead")
        self._lock = Lock()
        self._waiting: set[str] = set()

    def prepare(self, workspace: Workspace, labeller: str, side: int) -> None:
        """Have the next photos ready; returns at once. The strip's small ones need no help."""
        with self._lock:
            if side <= SIDES[0] or labeller in self._waiting:
                return
            self._waiting.add(labeller)
        self._worker.submit(self._make, workspace, labeller, side)

    def _make(self, workspace: Workspace, labeller: str, side: int) -> None:
        with self._lock:
            self._waiting.discard(labeller)
        with reading(workspace.engine) as session:
            photos = next_photos(session, labeller, PHOTOS_AHEAD)
        for photo in photos:
            try:
                kept_picture(workspace, photo.image_id, side)
            except AlFashionError:
                continue  # whoever comes to this photo is told
