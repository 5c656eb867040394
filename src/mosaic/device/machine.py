"""Disk, memory and load of the machine."""

import os
import platform
from pathlib import Path

from mosaic.wire.report import MachineState

_MEMORY = Path("/proc/meminfo")


def machine_state(state: Path) -> MachineState:
    """Look at the machine. The disk is the one that the state folder lies on."""
    disk = os.statvfs(state)
    memory = _memory()
    return MachineState(
        disk_total_bytes=disk.f_blocks * disk.f_frsize,
        disk_free_bytes=disk.f_bavail * disk.f_frsize,
        memory_total_bytes=memory.get("MemTotal", 0),
        memory_available_bytes=memory.get("MemAvailable", 0),
        load_1m=os.getloadavg()[0],
        architecture=platform.machine(),
    )


def _memory() -> dict[str, int]:
    found: dict[str, int] = {}
    for line in _MEMORY.read_text().splitlines():
        name, _, amount = line.partition(":")
        words = amount.split()
        if len(words) == 2 and words[1] == "kB":
            found[name] = int(words[0]) * 1024
    return found
