"""Trying another version of Mosaic on a Hive's machine, step by step, each of which may be the last.

The Hive alone is stopped; the Device, the storage daemon and the apps go on
(G10). What a migration does is tried on a copy before anything is stopped.
"""

import os
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from threading import Event

import msgspec

from mosaic.adapters import lock_file, process
from mosaic.adapters.api_client import HiveClient, read_untrusted_identity
from mosaic.adapters.sqlite_copy import check_database, copy_database
from mosaic.cli.up import services
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.orphans import Note, started_at
from mosaic.cli.upgrading import journal, own_choice
from mosaic.cli.upgrading.journal import Journal, Stage
from mosaic.cli.upgrading.keepers import Keeper
from mosaic.core.errors import Conflict, MosaicError, Refused
from mosaic.core.vital_signs import VitalSigns, awaited, wrong

GATE_SECONDS = 20.0
_DEVICES_SECONDS = 120.0
_ASK_SECONDS = 60.0
_MIGRATE_SECONDS = 3600.0
_LOOK_SECONDS = 0.5
_OTHERS = ("storage", "device", "front", "gateway")


class UpgradeRefused(Refused):
    """The new version cannot take this Hive over. Nothing was stopped."""

    code = "upgrade-refused"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the new version cannot run this Hive: {reason}", hint="nothing was changed; the Hive runs as before"
        )


class UpgradeFailed(MosaicError):
    """The new version was tried, and is not well. Everything is as before."""

    code = "upgrade-failed"

    def __init__(self, reason: str, said: str) -> None:
        last = f"; it said last: {said}" if said else ""
        super().__init__(
            f"the new version was not well, and the one before runs again: {reason}{last}",
            hint="what Devices reported meanwhile they tell again; `mosaic hive state` shows whether it waits for one",
        )


class UpgradeRunning(Conflict):
    """Another process upgrades this Hive at the moment."""

    code = "upgrade-running"

    def __init__(self) -> None:
        super().__init__("another process upgrades this Hive at the moment", hint="wait for it; it takes a minute")


@dataclass(frozen=True, slots=True)
class Upgraded:
    """From which version to which; the services that could not be started again in it yet."""

    before: str
    after: str
    late: tuple[str, ...]


def alone(layout: Layout) -> AbstractContextManager[None]:
    """Hold the right to upgrade. Raises UpgradeRunning."""
    return lock_file.held(layout.state / "upgrade.lock", UpgradeRunning)


def upgrade(
    layout: Layout, program: str, keeper: Keeper, tell: Callable[[str], None], *, gate_seconds: float = GATE_SECONDS
) -> Upgraded:
    """Bring the Hive to the version of that Python, or leave it as it is.

    Raises:
        UpgradeRefused: nothing was stopped.
        UpgradeFailed: it was tried and put back.
    """
    if (left := journal.read(layout)) is not None and left.stage != "kept":
        _undo(layout, keeper)
    before, after = _version(services.MOSAIC[0]), _version(program)
    tell("Trying the migration on a copy…")
    rehearsed = _rehearse(layout, program)
    programs = keeper.programs()
    by = Note(os.getpid(), started_at(os.getpid()) or "")
    entry = Journal("stopping", by, programs | {"hive": program}, programs)
    mark = keeper.mark()
    tell("Stopping the Hive; apps go on.")
    try:
        _try(layout, program, keeper, entry, rehearsed, gate_seconds=gate_seconds)
    except BaseException as error:  # Ctrl-C as well: nothing may be left half done
        said = keeper.last_words(mark)
        _undo(layout, keeper)
        if isinstance(error, MosaicError):
            raise UpgradeFailed(error.message, said) from error
        raise
    _note(layout, entry, "kept")
    return Upgraded(before, after, _others(layout, entry, program, keeper, after))


def _try(
    layout: Layout, program: str, keeper: Keeper, entry: Journal, rehearsed: VitalSigns, *, gate_seconds: float
) -> None:
    """Take all steps up to where it counts. Raises MosaicError, with everything as far as it came."""
    stopped_ns = time.time_ns()
    _note(layout, entry, "stopping")
    keeper.stop_hive()
    copy_database(layout.hive / "hive.db", journal.copy_of(layout))
    check_database(journal.copy_of(layout))
    _note(layout, entry, "migrating")
    _mosaic(program, "hive", "prepare", "--state", str(layout.hive), seconds=_MIGRATE_SECONDS)
    known = _signs(program, str(layout.hive))
    if why := wrong(rehearsed, known):
        raise UpgradeRefused(why)
    # Its address is written when it answers, and not before.
    layout.address.unlink(missing_ok=True)
    _note(layout, entry, "trying")
    if not keeper.start_hive(program):
        raise UpgradeRefused("it does not answer")
    _gate(layout, program, keeper, known, stopped_ns=stopped_ns, gate_seconds=gate_seconds)


def _others(layout: Layout, entry: Journal, program: str, keeper: Keeper, after: str) -> tuple[str, ...]:
    """Start storage daemon, Device and, if one runs here, gateway again, one after the other; apps go on.

    A Device that has upgraded itself to a later version stays there, and one that is about to goes on with that.
    """
    late = []
    if not own_choice.forget_if_overtaken(layout, after):
        keeper.end()
        return _OTHERS if own_choice.open_upgrade(layout) is not None else ()
    for service in _OTHERS:
        entry = replace(entry, stage="kept", programs=entry.programs | {service: program})
        journal.write(layout, entry)
        if not keeper.restart(service, program):
            late.append(service)
    keeper.end()
    return tuple(late)


def _undo(layout: Layout, keeper: Keeper) -> None:
    """Put everything back. Killed anywhere it is done once more, by the next `mosaic upgrade` or `mosaic up`."""
    left = journal.read(layout)
    if left is None or left.stage == "kept":
        return
    # What the supervisor reads there: the Hive shall not run.
    journal.write(layout, replace(left, stage="migrating" if left.stage == "trying" else left.stage))
    keeper.stop_hive()
    journal.put_back(layout)
    keeper.start_hive(left.before.get("hive"))


def _note(layout: Layout, entry: Journal, stage: Stage) -> None:
    journal.write(layout, replace(entry, stage=stage))


def _rehearse(layout: Layout, program: str) -> VitalSigns:
    """Migrate a copy, and return what the new version reads in it. Raises UpgradeRefused."""
    folder = layout.hive / "upgrade-rehearsal"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        copy_database(layout.hive / "hive.db", folder / "hive.db")
        _mosaic(program, "hive", "prepare", "--state", str(folder), seconds=_MIGRATE_SECONDS)
        return _signs(program, str(folder))
    except MosaicError as error:
        raise UpgradeRefused(error.message) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _gate(
    layout: Layout, program: str, keeper: Keeper, known: VitalSigns, *, stopped_ns: int, gate_seconds: float
) -> None:
    """Return when it has been well for `gate_seconds` and every Device is back. Raises UpgradeRefused."""
    began, pause = time.monotonic(), Event()
    while True:
        if not keeper.is_hive_up():
            raise UpgradeRefused("it ended")
        _answers(layout)
        now = _signs(program, str(layout.hive))
        if why := wrong(known, now):
            raise UpgradeRefused(why)
        missing = awaited(known, now, stopped_ns=stopped_ns)
        if not missing and time.monotonic() - began >= gate_seconds:
            return
        if missing and time.monotonic() - began > gate_seconds + _DEVICES_SECONDS:
            raise UpgradeRefused(f"{len(missing)} Devices that were connected did not come back")
        pause.wait(_LOOK_SECONDS)


def _answers(layout: Layout) -> None:
    """Return when the Hive proves its key. Raises UpgradeRefused, HiveSilent and its like."""
    try:
        url = layout.address.read_text().strip()
    except FileNotFoundError:
        raise UpgradeRefused("it ended") from None
    with HiveClient(url, ca_pem=read_untrusted_identity(url).ca_pem) as hive:
        hive.identity()


def _signs(program: str, state: str) -> VitalSigns:
    said = _mosaic(program, "hive", "signs", "--state", state, seconds=_ASK_SECONDS)
    return msgspec.json.decode(said, type=VitalSigns)


def _version(program: str) -> str:
    return _mosaic(program, "--version", seconds=_ASK_SECONDS).decode().strip().removeprefix("mosaic ")


def _mosaic(program: str, *words: str, seconds: float) -> bytes:
    argv, env = [program, *services.MOSAIC[1:], *words], services.own_packages(program)
    return process.run(argv, deadline_seconds=seconds, env=env).stdout
