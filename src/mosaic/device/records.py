"""What a Device's ledger remembers: assignments, what was done for them here, and epochs seen.

Everything else is looked at anew: containers at the engine, volumes at the
storage daemon. A note here is only ever written after what it says is true.
"""

import copy
from collections.abc import Callable, Mapping, Set
from pathlib import Path

import msgspec

from mosaic.adapters.ledger import Ledger
from mosaic.core import epoch as epochs
from mosaic.core.audit import Entry, Head
from mosaic.core.ids import AppDigest
from mosaic.core.steps import Release
from mosaic.device.audit_log import AuditLog
from mosaic.device.update_notes import Taken, UpdateNote, effective, is_known
from mosaic.wire.assignment import Assignment, PortWish
from mosaic.wire.command import CommandResult
from mosaic.wire.enrol import NewVolume
from mosaic.wire.lan import LanWish
from mosaic.wire.report import UpgradeState
from mosaic.wire.storage import Failure

NoteValue = str | bool | int | list[str] | list[PortWish] | dict[str, str] | dict[str, NewVolume] | None
UpdateValue = str | bool | int | list[PortWish] | dict[str, str] | Failure | None

_OF_A_VERSION = ("bundle", "checked", "images", "ports")
"""The notes that are about the version of an app, and not about what is here of the installation."""


class Notes(msgspec.Struct, frozen=True):
    """One installation, as far as it can't be looked at.

    `bundle` was fetched, verified and extracted. `checked` is the release (as
    `release_text`) that passed its check. `images` are the pins of `bundle`,
    resolved here. `ports` were given to it here. `keys` are key pairs made
    here, by kind, before they were registered. `rendered` is the release that
    the compose file in the project's folder is of, `services` are in it, and
    `docker_volumes` were made for it.
    `link` is what its links were made with (`public_way.fingerprint`).
    `started` says that it has run here, so that its volumes must have data.
    `rendered_sha256` is of that file, and `hashes` are what compose called the services' settings when it made their
    containers.
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
    rendered_sha256: str = ""
    hashes: dict[str, str] = {}
    services: list[str] = []
    docker_volumes: list[str] = []
    web_port: int | None = None
    link: str = ""
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
    """What belongs to no installation. `front_port` is the LAN front's, chosen once, `secure_port` that of its HTTPS.

    `lan` is what the owner wants of it, `network_names` are the names below `local` that apps had last.
    `upgrades`: the owner opted in to automatic upgrades of the Device. `upgrade` is the newest one.
    """

    front_port: int | None = None
    upgrades: bool = False
    upgrade: UpgradeState | None = None
    secure_port: int | None = None
    network_names: dict[str, str] = {}
    lan: LanWish = LanWish()


class Records:
    """The Device's ledger, by what is in it."""

    def __init__(self, path: Path) -> None:
        self._ledger = Ledger(path)
        self.assignments = self._ledger.bucket("assignments", Assignment)
        self.notes = self._ledger.bucket("installations", Notes)
        self.commands = self._ledger.bucket("commands", CommandNote)
        self._highest = self._ledger.bucket("highest", str)
        self._vouchers = self._ledger.bucket("vouchers", str)
        self._device = self._ledger.bucket("device", DeviceNotes)
        self._updates = self._ledger.bucket("updates", UpdateNote)
        self._taken = self._ledger.bucket("taken", Taken)
        self.audit = AuditLog(self._ledger)
        self._of_coming = False

    def coming(self) -> "Records":
        """The same ledger, for a version that is to be tried: what `note` says of a version is noted of that one."""
        view = copy.copy(self)
        view._of_coming = True
        return view

    def notes_of(self, installation: str) -> Notes:
        """Return what is noted about an installation; nothing yet is an empty Notes."""
        notes = self.notes.get(installation) or Notes()
        if not self._of_coming:
            return notes
        coming = self.update_of(installation)
        return msgspec.structs.replace(notes, **{name: getattr(coming, name) for name in _OF_A_VERSION})

    def update_of(self, installation: str) -> UpdateNote:
        """Return what is noted about the newest update; none yet is an empty note."""
        return self._updates.get(installation) or UpdateNote()

    def taken_of(self, installation: str) -> Taken | None:
        """Return which version counts here by an update; None when none does."""
        return self._taken.get(installation)

    def unheard(self, installation: str) -> str:
        """Return the wish whose version counts here while no Hive has shown that it knows; empty when there is none."""
        taken = self.taken_of(installation)
        return taken.id if taken is not None and not taken.known else ""

    def effective(self, item: Assignment) -> Assignment:
        """Return what an assignment means, now that some update may count already."""
        return effective(item, self.taken_of(item.installation))

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

    def voucher_of(self, app: str, digest: str) -> str | None:
        """Return who vouched for a version of an app here, as a word for people; None when nobody was found yet."""
        return self._vouchers.get(f"{app} {digest}")

    def note_voucher(self, app: str, digest: str, by: str) -> None:
        """Note who vouches for a version of an app."""
        self._vouchers.put(f"{app} {digest}", by)

    def forget_vouchers(self, look: Callable[[], Mapping[str, Set[str]]]) -> Mapping[str, Set[str]]:
        """Forget who vouched for versions that are not in use, as `look` says, and return what it does.

        They are asked again, should one come back.
        """
        # Before that is looked at: what is vouched for meanwhile was assigned before.
        listed = self._vouchers.items()
        in_use = look()
        for key in listed:
            app, _, digest = key.partition(" ")
            if digest not in in_use.get(app, frozenset()):
                self._vouchers.delete(key)
        return in_use

    def note_command(self, command: str, note: CommandNote, entry: Entry) -> Head:
        """Note a command, and write it into the audit log, in one write. Returns the log's head."""
        with self._ledger.transaction():
            head = self.audit.append(entry)
            if note.result is not None:
                note = msgspec.structs.replace(note, result=msgspec.structs.replace(note.result, audit=head.text))
            self.commands.put(command, note)
        return head

    def replace_assignments(self, items: list[Assignment], *, now_ns: int = 0) -> None:
        """Remember the whole set, in one transaction. What they newly ask for goes into the audit log.

        A goal to run or stop that comes without an epoch asks for nothing new;
        the epoch that was held before stays, for a start without a Hive.
        """
        before = self.assignments.items()
        known = self.highest
        with self._ledger.transaction():
            for gone in before.keys() - {item.installation for item in items}:
                self.assignments.delete(gone)
                self.audit.append(Entry(now_ns, "scheduler", "unassigned", gone))
            for item in items:
                kept = with_known(item, before.get(item.installation))
                if _asked(kept) != _asked(before.get(item.installation)):
                    self.audit.append(Entry(now_ns, "scheduler", "assigned", item.installation, said=_asked(kept)))
                if before.get(item.installation) != kept:
                    self.assignments.put(item.installation, kept)
                self._see_whether_known(kept)
                seen = item.epoch
                if seen and epochs.parse(seen) > epochs.parse(known.get(item.installation, "0.0")):
                    self._highest.put(item.installation, seen)

    def note(self, installation: str, **changes: NoteValue) -> Notes:
        """Write some of what is noted about an installation, and return all of it."""
        of_version = {name: changes.pop(name) for name in _OF_A_VERSION if self._of_coming and name in changes}
        with self._ledger.transaction():
            if of_version:
                self._put_update(installation, msgspec.structs.replace(self.update_of(installation), **of_version))
            before = self.notes.get(installation) or Notes()
            after = msgspec.structs.replace(before, **changes)
            if after != before:
                self.notes.put(installation, after)
        return self.notes_of(installation)

    def begin_update(self, installation: str, wish: str) -> None:
        """Begin to remember an update, in place of an older one. The entrance stays as it is."""
        before = self.update_of(installation)
        if before.id != wish:
            self._put_update(installation, UpdateNote(wish, closed=before.closed))

    def note_update(self, installation: str, **changes: UpdateValue) -> UpdateNote:
        """Write some of what is noted about the newest update, and return all of it."""
        after = msgspec.structs.replace(self.update_of(installation), **changes)
        self._put_update(installation, after)
        return after

    def take_update(self, installation: str, wish: str) -> bool:
        """Make the version that was tried the one that runs here, in one write. False when it is wished no more."""
        with self._ledger.transaction():
            item, tried = self.assignments.get(installation), self.update_of(installation)
            if item is None or item.update is None or item.update.id != wish or tried.id != wish:
                return False
            if item.update.app_digest != tried.bundle:
                # Another version was named by the same wish since: that one was never tried.
                return False
            taken = Taken(
                id=wish,
                app_digest=item.update.app_digest,
                instead_of=item.app_digest,
                config_revision=item.config_revision,
                epoch=item.epoch,
                going_back=item.going_back.id if item.going_back else None,
                catalog=item.update.catalog,
                approval=item.update.approval,
                images=tried.images,
            )
            self._taken.put(installation, taken)
            self.note(installation, bundle=tried.bundle, checked=tried.checked, images=tried.images, ports=tried.ports)
            self.note_update(installation, outcome="done", failure=None)
        return True

    def disown_update(self, installation: str) -> None:
        """Forget that an update counts here, whose data is not what the app goes on with: another Device's word is."""
        with self._ledger.transaction():
            self._taken.delete(installation)
            note = self.update_of(installation)
            if note.outcome == "done":
                self._put_update(installation, UpdateNote(closed=note.closed))

    def forget(self, installation: str) -> None:
        """Remove what is noted about an installation that lives elsewhere. Its highest epoch stays."""
        with self._ledger.transaction():
            for bucket in (self.notes, self._updates, self._taken):
                bucket.delete(installation)

    def close(self) -> None:
        """Close the file."""
        self._ledger.close()

    def _see_whether_known(self, item: Assignment) -> None:
        taken = self.taken_of(item.installation)
        if taken is not None and not taken.known and is_known(item, taken):
            self._taken.put(item.installation, msgspec.structs.replace(taken, known=True))

    def _put_update(self, installation: str, note: UpdateNote) -> None:
        if note != self._updates.get(installation):
            self._updates.put(installation, note)

    def __enter__(self) -> "Records":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _asked(item: Assignment | None) -> dict[str, str]:
    """Return what an assignment asks for, as the audit log has it."""
    if item is None:
        return {}
    asked = {"goal": item.goal, "epoch": item.epoch or "", "app": item.app, "digest": item.app_digest}
    return {**asked, "restarts": str(item.restart_count)}


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
