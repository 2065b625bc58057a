"""How much more memory this process holds at most, for a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_PROCESS = Path("/proc/self")


@dataclass
class Peak:
    """`mib` is the highest resident memory in MiB less what was held before.

    What earlier work left free in the process is taken first and does not count. None where the
    system does not tell: only Linux lets the highest be measured anew.
    """

    mib: float | None = None


@contextmanager
def peak() -> Iterator[Peak]:
    """What the enclosed code makes the process hold at most, known when it has ended."""
    found = Peak()
    try:
        (_PROCESS / "clear_refs").write_text("5")
    except OSError:
        yield found
        return
    before = _status("VmRSS")
    yield found
    highest = _status("VmHWM")
    if before is not None and highest is not None:
        found.mib = round(max(0.0, highest - before), 1)


def _status(name: str) -> float | None:
    """MiB of a line of the process's status."""
    lines = (_PROCESS / "status").read_text().splitlines()
    held = next((line for line in lines if line.startswith(name)), None)
    return int(held.split()[1]) / 1024 if held else None
