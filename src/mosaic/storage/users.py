"""Finding the control groups of the containers that use a volume, without asking any engine.

A container that uses a folder of a volume has it mounted in a mount namespace
of its own, and the kernel tells every process' mounts and control group. It is
believed only where this process can see every other one.
"""

import os
from pathlib import Path

from mosaic.adapters.freezer import Group, group_of
from mosaic.core.ids import VolumeId
from mosaic.storage.stale_mounts import sees_all_processes

_PROC = Path("/proc")


def groups_using(volume: VolumeId) -> frozenset[Group] | None:
    """Return the control groups with a process that has the volume mounted.

    None: that cannot be told, or one of them cannot be frozen, because it is
    the machine's own, or the one that this process is in.
    """
    if not sees_all_processes():
        return None
    part = f"/live/{volume}/"
    ours = str((_PROC / "self" / "ns" / "mnt").readlink())
    # Every process of the machine itself can reach every folder; those are nobody's containers.
    using: dict[str, bool] = {ours: False}
    found: set[Group] = set()
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            namespace = str((entry / "ns" / "mnt").readlink())
            if namespace not in using:
                table = (entry / "mountinfo").read_text(errors="surrogateescape")
                using[namespace] = any(part in line.split(" ", 4)[3] + "/" for line in table.splitlines())
            group = group_of(int(entry.name)) if using[namespace] else None
        except (FileNotFoundError, ProcessLookupError):
            continue
        except PermissionError:
            # A kernel thread, or the machine's first process under some security modules: no container.
            continue
        if using[namespace]:
            if group is None or _holds(group, os.getpid()):
                return None
            found.add(group)
    return frozenset(found)


def _holds(group: Group, pid: int) -> bool:
    mine = group_of(pid)
    return mine is not None and mine.switch.parent.is_relative_to(group.switch.parent)
