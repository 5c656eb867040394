"""Keeping the copy of the database in a store up to date: a short-lived process for each copy.

It sleeps until something changed that is worth a copy; a Hive that rests
starts nothing. The process gets the state folder and finds everything else
there, so that no key is in an argument. How it ended it notes itself.
"""

import anyio

from mosaic.adapters import log, process
from mosaic.adapters.backup_files import BackupFiles
from mosaic.core.errors import MosaicError
from mosaic.core.schedule_copies import GATHER_SECONDS, pause_seconds
from mosaic.hive.runtime import Hive

_COPY_SECONDS = 1800.0
_NEVER_SECONDS = 24 * 3600.0


async def keep(hive: Hive) -> None:
    """Make copies for ever."""
    ended, failures = float("-inf"), 0
    while True:
        # Changes come in handfuls, the first ones at the start.
        await anyio.sleep(GATHER_SECONDS)
        seen = hive.unsaved.changed.seen
        pause = _NEVER_SECONDS
        if hive.unsaved.since_ns is not None and _is_set_up(hive):
            now = anyio.current_time()
            pause = pause_seconds(now - ended, urgent=hive.unsaved.urgent, failures=failures)
            if pause <= 0:
                failures = 0 if await _copy(hive) else failures + 1
                ended = anyio.current_time()
                continue
        await hive.unsaved.changed.wait(seen, seconds=pause)


def _is_set_up(hive: Hive) -> bool:
    try:
        return BackupFiles(hive.config.state).destination() is not None
    except MosaicError:
        return True


async def _copy(hive: Hive) -> bool:
    since_ns = hive.unsaved.take()
    try:
        await process.run_async(hive.config.backup_argv, deadline_seconds=_COPY_SECONDS)
    except MosaicError as error:
        hive.unsaved.put_back(since_ns, hive.clock.wall_ns())
        log.warning("hive_not_copied", code=error.code, reason=error.message)
        return False
    return True
