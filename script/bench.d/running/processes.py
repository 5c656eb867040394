"""What running processes cost, as the kernel counts it (proc(5))."""

import contextlib
import os
from pathlib import Path
from typing import Literal

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process."""
    return sum(int(field) for field in _stat(pid)[11:13]) / _TICKS


def cpu_seconds_of_tree(root: int) -> float:
    """Return the processor time of a process and all that descend from it, that of ended children included."""
    return sum(int(field) for pid in tree(root) for field in _stat(pid)[11:15]) / _TICKS


def memory_mb(pid: int, kind: Literal["Rss", "Pss"]) -> float:
    """Return a process's resident memory, or its part of it where others share pages; in 10^6 bytes."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def tree(root: int) -> list[int]:
    """Return a process and all that descend from it."""
    parents, found = _parents(), [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def _parents() -> dict[int, int]:
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found[int(folder.name)] = int(_stat(int(folder.name))[1])
    return found


def _stat(pid: int) -> list[str]:
    """Return the fields after the name, which may have spaces in it."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
