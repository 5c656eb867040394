"""Finding the control groups of the containers that use a volume, without asking any engine.

A container that uses a folder of a volume has it mounted in a mount namespace
of its own, and the kernel tells every process' mounts and control group. It is
believed only where this process can see every other one.
"""

import os
from pathlib import Path

from mosaic.adapters.freezer import Group, group_of
from mosaic.adapters.mount_tables import located, namespace_of, own_table, table_of
from mosaic.storage.stale_mounts import sees_all_processes

_PROC = Path("/proc")


def groups_using(live: Path) -> frozenset[Group] | None:
    """Return the control groups with a process that has a volume's folder, or a part of it, mounted.

    None: that cannot be told, or one of them cannot be frozen, because it is
    the machine's own, or the one that this process is in.
    """
    if not sees_all_processes() or (folder := located(live.resolve(), own_table())) is None:
        return None
    ours = namespace_of(_PROC / "self")
    # Every process of the machine itself can reach every folder; those are nobody's containers.
    using: dict[str | None, bool] = {ours: False, None: False}
    found: set[Group] = set()
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            namespace = namespace_of(entry)
            if namespace not in using:
                table = table_of(entry)
                if table is None:
                    continue
                using[namespace] = folder.is_mounted_in(table)
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
