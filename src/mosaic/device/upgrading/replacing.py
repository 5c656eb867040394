"""The replacer's work: from the journal and from what there is, one step after another until nothing is left.

Killed at any line and started again, it goes on. Only one is ever at work.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import assert_never

from mosaic.adapters import log
from mosaic.core.device_upgrade import TRIAL_SECONDS, Clear, Journal, Note, Seen, Start, Step, Stop, Wait, failed, step
from mosaic.core.errors import MosaicError, Unavailable
from mosaic.device.upgrading import journal as journals
from mosaic.device.upgrading.form import Switch

PAUSE_SECONDS = 0.5
"""Between two looks, where something has to change by itself."""


@dataclass(frozen=True, slots=True)
class Time:
    """`now` is in seconds since the machine's start, which `boot` names; `pause` lets seconds pass."""

    now: Callable[[], float]
    boot: str
    pause: Callable[[float], None]


def replace_device(folder: Path, switch: Switch, time: Time, *, trial_seconds: float = TRIAL_SECONDS) -> Journal | None:
    """Carry the journal in `folder` to its end and return it; None when there is none. Waits while another is at work.

    What does not answer is asked again for as long as it takes: there is nobody else to decide.
    """
    with _alone(folder):
        before: Step | None = None
        while (journal := journals.read(folder)) is not None:
            try:
                lives = switch.look(journal)
                reported = journals.has_reported(folder, journal)
                seen = Seen(lives.old, lives.new, reported, time.now(), time.boot, lives.ends)
                coming = step(journal, seen, trial_seconds=trial_seconds)
                if coming is None:
                    return journal
                if coming == before and not isinstance(coming, Wait):
                    time.pause(PAUSE_SECONDS)
                before = coming
                _carry_out(folder, switch, time, journal, coming)
            except Unavailable as error:
                log.warning("upgrade_waits", code=error.code, reason=error.message)
                time.pause(PAUSE_SECONDS)
            except MosaicError as error:
                log.error("upgrade_step_failed", code=error.code, reason=error.message)
                _note(folder, switch, failed(journal, error.message))
                time.pause(PAUSE_SECONDS)
        return None


def _carry_out(folder: Path, switch: Switch, time: Time, journal: Journal, coming: Step) -> None:
    match coming:
        case Note(changed):
            _note(folder, switch, changed)
        case Stop(which):
            log.info("upgrade_stops", which=which)
            switch.stop(journal, which)
        case Start(which):
            log.info("upgrade_starts", which=which)
            switch.start(journal, which)
        case Clear(which):
            switch.clear(journal, which)
        case Wait(seconds):
            time.pause(min(seconds, PAUSE_SECONDS))
        case _ as unreachable:
            assert_never(unreachable)


def _note(folder: Path, switch: Switch, changed: Journal) -> None:
    if changed.stage == "back" and not changed.last_lines:
        # Now or never: what the new one said goes with it.
        changed = replace(changed, last_lines=_last_lines(switch, changed))
    log.info("upgrade_stage", stage=changed.stage, why=changed.why)
    journals.write(folder, changed)


def _last_lines(switch: Switch, journal: Journal) -> str:
    try:
        return switch.last_lines(journal)
    except MosaicError as error:
        return f"(its log could not be read: {error.message})"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    descriptor = os.open(journals.lock_of(folder), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
