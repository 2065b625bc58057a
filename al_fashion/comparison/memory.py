"""How much memory this process holds at most, for a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_PROCESS = Path("/proc/self")


@dataclass
class Peak:
    """`mib` is the highest resident memory in MiB, libraries and mapped features included.

    None where the system does not tell: only Linux lets the highest be measured anew.
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
    yield found
    lines = (_PROCESS / "status").read_text().splitlines()
    held = next((line for line in lines if line.startswith("VmHWM")), None)
    found.mib = round(int(held.split()[1]) / 1024, 1) if held else None
