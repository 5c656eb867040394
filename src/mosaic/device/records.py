"""What a Device's ledger remembers: assignments, what was done for them here, and epochs seen.

Everything else is looked at anew: containers at the engine, volumes at the
storage daemon. A note here is only ever written after what it says is true.
"""

from pathlib import Path

import msgspec

from mosaic.adapters.ledger import Ledger
from mosaic.core import epoch as epochs
from mosaic.core.ids import AppDigest
from mosaic.core.steps import Release
from mosaic.wire.assignment import Assignment, PortWish
from mosaic.wire.command import CommandResult
from mosaic.wire.enrol import NewVolume

NoteValue = str | bool | int | list[str] | list[PortWish] | dict[str, str] | dict[str, NewVolume] | None


class Notes(msgspec.Struct, frozen=True):
    """One installation, as far as it can't be looked at.

    `bundle` was fetched, verified and extracted. `checked` is the release (as
    `release_text`) that passed its check. `images` are the pins of `bundle`,
    resolved here. `ports` were given to it here. `keys` are key pairs made
    here, by kind, before they were registered. `rendered` is the release that
    the compose file in the project's folder is of, `services` are in it, and
    `docker_volumes` were made for it.
    `started` says that it has run here, so that its volumes must have data.
    `unconfirmed` says that it was started without a Hive and none has
    confirmed it since. `consistent_ns` is the instant of the newest
    app-consistent snapshot, and `after_owed` says that the app's command to be
    run before one was begun, and the one to be run after it has not ended yet.
    """

    name: str = ""
    app: str = ""
    bundle: str | None = None
    checked: str | None = None
    images: dict[str, str] = {}
    ports: list[PortWish] = []
    keys: dict[str, NewVolume] = {}
    rendered: str | None = None
    services: list[str] = []
    docker_volumes: list[str] = []
    web_port: int | None = None
    started: bool = False
    unconfirmed: bool = False
    consistent_ns: int | None = None
    after_owed: bool = False


class CommandNote(msgspec.Struct, frozen=True):
    """A command that was begun; `result` is None while it is being carried out, or when a kill ended it."""

    seq: int
    expires_ns: int
    result: CommandResult | None = None


class DeviceNotes(msgspec.Struct, frozen=True):
    """What belongs to no installation. `front_port` is the LAN front's, chosen once."""

    front_port: int | None = None


class Records:
    """The Device's ledger, by what is in it."""

    def __init__(self, path: Path) -> None:
        self._ledger = Ledger(path)
        self.assignments = self._ledger.bucket("assignments", Assignment)
        self.notes = self._ledger.bucket("installations", Notes)
        self.commands = self._ledger.bucket("commands", CommandNote)
        self._highest = self._ledger.bucket("highest", str)
        self._device = self._ledger.bucket("device", DeviceNotes)

    def notes_of(self, installation: str) -> Notes:
        """Return what is noted about an installation; nothing yet is an empty Notes."""
        return self.notes.get(installation) or Notes()

    @property
    def device(self) -> DeviceNotes:
        """What belongs to no installation."""
        return self._device.get("device") or DeviceNotes()

    @device.setter
    def device(self, notes: DeviceNotes) -> None:
        self._device.put("device", notes)

    @property
    def highest(self) -> dict[str, str]:
        """The highest epoch that this Device ever saw, per installation."""
        return self._highest.items()

    def replace_assignments(self, items: list[Assignment]) -> None:
        """Remember the whole set, in one transaction.

        A goal to run or stop that comes without an epoch asks for nothing new;
        the epoch that was held before stays, for a start without a Hive.
        """
        before = self.assignments.items()
        known = self.highest
        with self._ledger.transaction():
            for gone in before.keys() - {item.installation for item in items}:
                self.assignments.delete(gone)
            for item in items:
                kept = with_known(item, before.get(item.installation))
                if before.get(item.installation) != kept:
                    self.assignments.put(item.installation, kept)
                seen = item.epoch
                if seen and epochs.parse(seen) > epochs.parse(known.get(item.installation, "0.0")):
                    self._highest.put(item.installation, seen)

    def note(self, installation: str, **changes: NoteValue) -> Notes:
        """Write some of what is noted about an installation, and return all of it."""
        before = self.notes_of(installation)
        after = msgspec.structs.replace(before, **changes)
        if after != before:
            self.notes.put(installation, after)
        return after

    def forget(self, installation: str) -> None:
        """Remove what is noted about an installation that lives elsewhere. Its highest epoch stays."""
        self.notes.delete(installation)

    def close(self) -> None:
        """Close the file."""
        self._ledger.close()

    def __enter__(self) -> "Records":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def with_known(item: Assignment, before: Assignment | None) -> Assignment:
    """Return the assignment with the epoch and the volumes of the one before, where it asks for nothing new."""
    if before is None:
        return item
    if not item.volumes:
        item = msgspec.structs.replace(item, volumes=before.volumes)
    if item.epoch is None and item.goal in ("run", "stop"):
        item = msgspec.structs.replace(item, epoch=before.epoch)
    return item


def release_of(item: Assignment) -> Release:
    """Return what the assignment wants the app to be run from."""
    return Release(AppDigest(item.app_digest), item.config_revision, item.restart_count)


def release_text(release: Release) -> str:
    """Write a release so that it can be compared as text."""
    return f"{release.app_digest} {release.config_revision} {release.restart_count}"
