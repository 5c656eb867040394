"""One service while it runs: started by us, or taken over from a supervisor that was killed."""

import os
import selectors
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.adapters import process
from mosaic.adapters.private_file import disk_refused
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.orphans import Note, find, write_note
from mosaic.cli.up.services import Service, own_packages

if TYPE_CHECKING:
    from mosaic.adapters.process import Child

THRIFTY = {
    # glibc keeps an arena per thread and what was freed in each; services that mostly wait need neither.
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "131072",
    "MALLOC_TRIM_THRESHOLD_": "65536",
}
_LARGEST_LOG_BYTES = 10 * 1024 * 1024


class Running:
    """A process. `pidfd` becomes readable when it ends."""

    def __init__(self, service: Service, pid: int, child: "Child | None", log_from: int) -> None:
        self.service = service
        self.pid = pid
        self.log_from = log_from
        self.since = time.monotonic()
        self._child = child
        self.pidfd = os.pidfd_open(pid)

    def stop(self) -> None:
        """Ask it to end, wait for its grace, then kill it."""
        if self._child is not None:
            self._child.stop(self.service.grace_seconds)
        else:
            stop_pid(self.pidfd, self.service.grace_seconds)
        os.close(self.pidfd)

    def ended(self) -> int | None:
        """Return the exit code of a process whose pidfd became readable; None when it was not our child."""
        os.close(self.pidfd)
        return self._child.wait(5) if self._child is not None else None


def start(service: Service, layout: Layout) -> Running:
    """Start a service, or take over the one that the last supervisor left behind."""
    left = find(layout.note(service.name), service.listens)
    log = layout.log(service.name)
    if left is not None and service.outlives:
        _note(layout.note(service.name), left.pid)
        return Running(service, left.pid, None, _size(log))
    if left is not None:
        end(left, service.grace_seconds)
    if _size(log) > _LARGEST_LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    log_from = _size(log)
    child = process.spawn(service.argv, env={**THRIFTY, **own_packages(service.argv[0])}, log=log)
    _note(layout.note(service.name), child.pid)
    return Running(service, child.pid, child, log_from)


def end_left(service: Service, layout: Layout) -> None:
    """End the one that the last supervisor left behind, if there is one."""
    left = find(layout.note(service.name), service.listens)
    if left is not None:
        end(left, service.grace_seconds)


def end(left: Note, grace_seconds: float) -> None:
    """End a process that another supervisor started."""
    try:
        pidfd = os.pidfd_open(left.pid)
    except ProcessLookupError:
        return
    try:
        # Looked at again with the descriptor open: the number may have passed to another process.
        if left.is_alive:
            stop_pid(pidfd, grace_seconds)
    finally:
        os.close(pidfd)


def stop_pid(pidfd: int, grace_seconds: float) -> None:
    """Send TERM, and KILL after the grace."""
    for number, seconds in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, 5.0)):
        try:
            signal.pidfd_send_signal(pidfd, number)
        except ProcessLookupError:
            return
        with selectors.DefaultSelector() as selector:
            selector.register(pidfd, selectors.EVENT_READ)
            if selector.select(seconds):
                return


def _note(file: Path, pid: int) -> None:
    """Leave a note, if the disk takes one: a full one must not end who starts everything again.

    A service without a note ends with its supervisor, or is found by the socket that it listens on.
    """
    try:
        write_note(file, pid)
    except OSError as error:
        if disk_refused(error) is None:
            raise


def _size(log: "os.PathLike[str]") -> int:
    try:
        return os.stat(log).st_size  # noqa: PTH116 (one call for a path that may be missing)
    except FileNotFoundError:
        return 0
