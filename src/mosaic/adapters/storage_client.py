"""Asking the storage daemon, over its UNIX socket (contract: `mosaic.wire.storage`).

Synchronous and light: one connection per request, so that any thread may ask
and a daemon that was restarted in between is nothing special. Every request
has a deadline, and every verb may be sent again after `StorageSilent`.
"""

import http.client
from pathlib import Path
from typing import TypeVar

import msgspec

from mosaic.adapters import unix_http
from mosaic.core.errors import Fenced, MosaicError, Unavailable
from mosaic.wire import stores as wire_stores
from mosaic.wire.hiveless import HivelessVolumes, NamedVolume, Nothing, RecoveryCode
from mosaic.wire.storage import (
    AuditRequest,
    AuditState,
    BeginTrial,
    Discard,
    Done,
    EndTrial,
    Envelope,
    Failure,
    GoBack,
    HeadsRequest,
    Hold,
    KnownHeads,
    Prefetch,
    Release,
    SetAside,
    SnapshotNow,
    State,
    StateRequest,
    Upstream,
    VolumeState,
)

Answer = TypeVar("Answer", bound=msgspec.Struct)

DEADLINE_SECONDS = 30.0
"""Verbs that take long start their work and return at once, so this is for a daemon that hangs."""

CUT_SECONDS = 270.0

_TRYING_SECONDS = 180.0
"""Trying a store out takes hundreds of requests, one after another."""

_UNPROVEN = "unproven"


class StorageSilent(Unavailable):
    """The daemon did not answer. Whether it did what was asked is unknown: ask again."""

    code = "storage-silent"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"the storage daemon at {path} does not answer: {reason}",
            hint="start it with `mosaic storage serve`; running apps keep their volumes meanwhile",
        )


class StorageRefused(MosaicError):
    """The daemon said no, or failed. `failure` is its own answer, to be shown as it is."""

    code = "storage-refused"

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message, hint=failure.hint)
        self.failure = failure


class StorageFenced(Fenced):
    """The daemon knows a later epoch of this volume."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message, hint=failure.hint)
        self.failure = failure


class StorageNotYet(Unavailable):
    """The daemon is at it, and asks for patience: ask again."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message, hint=failure.hint)
        self.failure = failure


class StorageClient:
    """One storage daemon. Has no state, so it may be shared."""

    def __init__(self, socket_path: Path) -> None:
        self.path = socket_path

    def upstream(self, request: Upstream) -> Done:
        """Tell where heads and packs go from now on."""
        return self._ask("upstream", request, Done)

    def hold(self, request: Hold) -> VolumeState:
        """Make a volume mountable under a granted epoch; restores first when it must."""
        return self._ask("hold", request, VolumeState)

    def prefetch(self, request: Prefetch) -> VolumeState:
        """Restore a head ahead of a coming `hold`."""
        return self._ask("prefetch", request, VolumeState)

    def snapshot(self, request: SnapshotNow) -> VolumeState:
        """Cut a snapshot now and replicate it."""
        # One that is cut before the answer reads what changed first, where the file system has no snapshots.
        return self._ask("snapshot", request, VolumeState, extra_seconds=CUT_SECONDS if request.consistent else 0)

    def release(self, request: Release) -> VolumeState:
        """Stop holding a volume."""
        return self._ask("release", request, VolumeState)

    def set_aside(self, request: SetAside) -> VolumeState:
        """Keep what is here as a conflict snapshot and stop holding."""
        return self._ask("set-aside", request, VolumeState)

    def go_back(self, request: GoBack) -> VolumeState:
        """Begin to put an earlier state in the place of the present, which is saved first."""
        return self._ask("go-back", request, VolumeState)

    def begin_trial(self, request: BeginTrial) -> VolumeState:
        """Have no head follow the accepted one, while another version of the app runs on the volume."""
        # Where the file system has no snapshots, what is there is copied before the answer.
        return self._ask("begin-trial", request, VolumeState, extra_seconds=CUT_SECONDS)

    def end_trial(self, request: EndTrial) -> VolumeState:
        """Keep what was written in a trial, or begin to put back what it began with."""
        return self._ask("end-trial", request, VolumeState)

    def discard(self, request: Discard) -> Done:
        """Remove the local copy of a released volume. Raises StorageNotYet until it is known whether that may be."""
        return self._ask("discard", request, Done)

    def envelope(self, request: Envelope) -> Done:
        """Give a volume's stores another envelope."""
        return self._ask("envelope", request, Done)

    def heads(self, request: HeadsRequest) -> KnownHeads:
        """Return the newest accepted heads of a volume that the daemon knows."""
        return self._ask("heads", request, KnownHeads)

    def state(self, request: StateRequest) -> State:
        """Return everything; with `after`, wait for something newer."""
        return self._ask("state", request, State, extra_seconds=request.wait_seconds)

    def hiveless(self) -> HivelessVolumes:
        """Return all volumes that no Hive knows."""
        return self._ask("hiveless", Nothing(), HivelessVolumes)

    def recovery(self, name: str) -> RecoveryCode:
        """Return the recovery code that waits to be shown."""
        return self._ask("recovery", NamedVolume(name), RecoveryCode)

    def recovery_shown(self, name: str) -> Done:
        """Say that a person has the recovery code: it is removed."""
        return self._ask("recovery-shown", NamedVolume(name), Done)

    def trash_restore(self, name: str) -> NamedVolume:
        """Bring a removed volume back, by its name or the beginning of its key. Returns its name."""
        return self._ask("trash-restore", NamedVolume(name), NamedVolume)

    def trash_delete(self, name: str) -> NamedVolume:
        """Delete the local copy of a removed volume now. Returns its name."""
        return self._ask("trash-delete", NamedVolume(name), NamedVolume)

    def store_add(self, request: wire_stores.StoreAdd) -> wire_stores.StoreShown:
        """Try a store out and have it follow."""
        return self._ask("store-add", request, wire_stores.StoreShown, extra_seconds=_TRYING_SECONDS)

    def store_check(self, name: str) -> wire_stores.StoreShown:
        """Try a store out again."""
        return self._ask(
            "store-check", wire_stores.StoreName(name), wire_stores.StoreShown, extra_seconds=_TRYING_SECONDS
        )

    def store_remove(self, name: str) -> Done:
        """Follow a store no more."""
        return self._ask("store-remove", wire_stores.StoreName(name), Done)

    def audit(self, request: AuditRequest) -> AuditState:
        """Return how the audits of a volume go, and begin one if that is asked."""
        return self._ask("audit", request, AuditState)

    def stores(self) -> wire_stores.Stores:
        """Return everything about stores."""
        return self._ask("stores", wire_stores.StoresRequest(), wire_stores.Stores)

    def limit(self, request: wire_stores.Limit) -> wire_stores.Limit:
        """Limit the line."""
        return self._ask("limit", request, wire_stores.Limit)

    def share(self, request: wire_stores.Share) -> wire_stores.Shared:
        """Keep other Devices' volumes here."""
        return self._ask("share", request, wire_stores.Shared)

    def unshare(self) -> Done:
        """Keep other Devices' volumes here no more."""
        return self._ask("unshare", wire_stores.StoresRequest(), Done)

    def _ask(self, verb: str, request: msgspec.Struct, answer: type[Answer], *, extra_seconds: float = 0) -> Answer:
        try:
            status, body = unix_http.post(
                self.path,
                f"/v1/{verb}",
                msgspec.json.encode(request),
                deadline_seconds=DEADLINE_SECONDS + extra_seconds,
            )
        except (OSError, http.client.HTTPException) as error:
            raise StorageSilent(self.path, str(error) or type(error).__name__) from error
        try:
            if status != 200:
                raise _refusal(msgspec.json.decode(body, type=Failure))
            return msgspec.json.decode(body, type=answer)
        except msgspec.MsgspecError as error:
            raise StorageSilent(self.path, f"it answered {status} with something else ({error})") from error


def _refusal(failure: Failure) -> MosaicError:
    if failure.code == Fenced.code:
        return StorageFenced(failure)
    if failure.code == _UNPROVEN:
        return StorageNotYet(failure)
    return StorageRefused(failure)
