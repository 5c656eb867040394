"""What a volume's worker does only for volumes without a Hive."""

import time
from typing import assert_never

from mosaic.storage.daemon import Daemon
from mosaic.storage.decide_step import Confirm, Purge, Regain
from mosaic.storage.hiveless import trash
from mosaic.storage.hiveless.regaining import confirm, regain
from mosaic.storage.volume import Volume
from mosaic.storage.worker import OwnStep

_LONGEST_REST_SECONDS = 24 * 3600.0


def carry_out(daemon: Daemon, volume: Volume, step: OwnStep) -> float | None:
    """Do a step. Returns how long to rest after it."""
    match step:
        case Regain():
            regain(daemon, volume)
            return 0.0
        case Confirm():
            confirm(daemon, volume)
            return 0.0
        case Purge(removed_ns):
            left_seconds = (trash.ends_ns(removed_ns) - time.time_ns()) / 1e9
            if left_seconds > 0:
                return min(left_seconds, _LONGEST_REST_SECONDS)
            trash.purge(volume)
            return 0.0
        case _:
            assert_never(step)
