"""Holding still the processes of control groups for a moment, whatever happens to us meanwhile.

Control groups of version 1 (`freezer.state`) and 2 (`cgroup.freeze`), also
beside each other. Nothing stays frozen: a child process (`thawing`) thaws
after 2 seconds, or as soon as we are done or dead; what was frozen is noted
in a file first, so that the next start of the daemon thaws what was left when
both were killed; and a reboot forgets it anyway.
"""

import contextlib
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mosaic.adapters import mount_tables, process, thawing
from mosaic.adapters.mount_tables import mounts

_SETTLES_SECONDS = 0.5
_LOOK_SECONDS = 0.002
_CHILD_SECONDS = 5.0
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True, order=True)
class Group:
    """One control group that can be frozen: what to write where, and where the kernel says that it is so."""

    switch: Path
    freeze: str
    thaw: str
    told: Path
    frozen: str

    def is_frozen(self) -> bool:
        """Return whether all its processes are held; True when it is gone."""
        try:
            return self.frozen in self.told.read_text().split("\n")
        except OSError:
            return not self.switch.exists()


class Held:
    """Groups while they are frozen."""

    def __init__(self, groups: tuple[Group, ...]) -> None:
        self.groups = groups
        self.in_time = False
        """Known when it is over: whether all of them were held all the time."""


def group_of(pid: int) -> Group | None:
    """Return the group that can be frozen with a process in it; None when there is none but the root's.

    Raises ProcessLookupError when the process is gone.
    """
    try:
        lines = (_PROC / str(pid) / "cgroup").read_text().splitlines()
    except FileNotFoundError:
        raise ProcessLookupError(pid) from None
    tops = mounted()
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if path == "/" or path.startswith("/.."):
            continue
        if "freezer" in controllers.split(",") and tops.first is not None:
            return _first(tops.first / path.lstrip("/"))
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if path == "/" or path.startswith("/..") or controllers or tops.second is None:
            continue
        group = _second(tops.second / path.lstrip("/"))
        if group.switch.exists():
            return group
    return None


@contextlib.contextmanager
def frozen(groups: Iterable[Group], note: Path) -> Iterator[Held]:
    """Hold the groups still within the block; all of them, or `in_time` is False afterwards.

    Groups that somebody else has frozen already stay so. The block runs in
    any case, whether they could be frozen or not.
    """
    ours = tuple(sorted(group for group in set(groups) if not group.is_frozen()))
    held = Held(ours)
    if not ours:
        yield held
        held.in_time = True
        return
    _note(note, ours)
    words = [word for group in ours for word in (str(group.switch), group.thaw)]
    child = process.accompany([sys.executable, "-I", "-S", thawing.__file__, *words])
    try:
        try:
            ready = child.hear(_CHILD_SECONDS) == b"ready\n" and child.tell(b"f")
            # Without somebody to thaw them they are not frozen at all.
            held_at_first = ready and _freeze(ours)
            if not held_at_first:
                # Some held still and some not is of no use to anybody.
                _thaw(ours)
            yield held
            held_to_the_end = held_at_first and all(group.is_frozen() for group in ours)
        finally:
            code = child.end(_CHILD_SECONDS)
            _thaw(ours)
        held.in_time = held_to_the_end and code == 0
    finally:
        note.unlink(missing_ok=True)


def thaw_leftovers(note: Path) -> int:
    """Thaw what was left frozen when a daemon and its child were killed. Returns how many groups were noted."""
    try:
        lines = note.read_text().splitlines()
    except FileNotFoundError:
        return 0
    for line in lines:
        path, _, text = line.rpartition("\t")
        _write(Path(path), text)
    note.unlink(missing_ok=True)
    return len(lines)


def _freeze(groups: tuple[Group, ...]) -> bool:
    deadline = time.monotonic() + _SETTLES_SECONDS
    for group in groups:
        if not _write(group.switch, group.freeze):
            return False
    while not all(group.is_frozen() for group in groups):
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_SECONDS)
    return True


def _thaw(groups: tuple[Group, ...]) -> None:
    for group in groups:
        _write(group.switch, group.thaw)


def _note(note: Path, groups: tuple[Group, ...]) -> None:
    draft = note.with_suffix(".new")
    draft.write_text("".join(f"{group.switch}\t{group.thaw}\n" for group in groups))
    # No fsync: after a power cut nothing is frozen.
    draft.rename(note)


def _write(path: Path, text: str) -> bool:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True  # the container has ended
    except OSError:
        return False
    try:
        os.write(descriptor, text.encode())
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


@dataclass(frozen=True, slots=True)
class Mounted:
    """Where the control groups of each version are mounted that can be frozen, None where they are not."""

    first: Path | None
    second: Path | None


def mounted() -> Mounted:
    """Return where control groups are mounted."""
    first = second = None
    for mount in mounts(mount_tables.read(_PROC / "self" / "mountinfo")):
        if mount.within != "/":
            continue  # a part of the tree, whose paths are not those that /proc names
        if mount.kind == "cgroup" and "freezer" in mount.options:
            first = mount.point
        elif mount.kind == "cgroup2":
            second = mount.point
    return Mounted(first, second)


def _first(folder: Path) -> Group:
    state = folder / "freezer.state"
    return Group(state, "FROZEN", "THAWED", state, "FROZEN")


def _second(folder: Path) -> Group:
    return Group(folder / "cgroup.freeze", "1", "0", folder / "cgroup.events", "frozen 1")
