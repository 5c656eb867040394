"""What the daemon's ledger says about each volume.

The ledger never says what is on the disk: a record names a subvolume by its
uuid, and is believed about the subvolume that has it, wherever it lies. So
a rename and the record of it need not happen at once.
"""

from typing import Literal

import msgspec

from mosaic.core.epoch import Epoch, parse
from mosaic.core.ids import HeadHash, InstallationId, VolumeId
from mosaic.wire.storage import Audited, Failure, Trialled

Phase = Literal["absent", "restoring", "ready", "going-back", "releasing", "released", "failed", "set-aside"]


class Accepted(msgspec.Struct, frozen=True):
    """A head that the Hive acknowledged, and how the local data relates to it.

    `signed` are its bytes in hex. `snapshot` is the local read-only snapshot
    with the same content, None when there is none. `generation` is the live
    subvolume's at that snapshot: as long as it stays, nothing has changed.
    """

    head: HeadHash
    signed: str
    snapshot: str | None
    generation: int


class Pending(msgspec.Struct, frozen=True):
    """A signed head that is on its way to the Hive; whether it was accepted is unknown. `snapshot` as in Accepted."""

    head: HeadHash
    signed: str
    snapshot: str | None
    generation: int


class Cut(msgspec.Struct, frozen=True):
    """A snapshot that was asked for at its very instant, and waits to be replicated under the lease of `epoch`.

    `flags` are what its head will say of it (`mosaic.core.consistency`).
    """

    snapshot: str
    taken_ns: int
    generation: int
    epoch: str
    flags: int


class Incoming(msgspec.Struct, frozen=True):
    """A complete, verified restore of `head` that lies beside the live subvolume.

    `adopted` is the app's digest in the head of a fork's origin, which is not ours to go on from.
    """

    head: HeadHash
    signed: str
    uuid: str
    adopted: str | None = None


class Descent(msgspec.Struct, frozen=True):
    """The question whether the Hive's newest head descends from all of `wanted`, and how far it is answered.

    Read so far: every head from `newest` down to before `next` (None: nothing
    older can be read). `missing` was not met on the way, and is either what is
    wanted or a head below which all of that was found. It is `answered` for
    the head that was the newest then, and may be asked again.
    """

    wanted: tuple[HeadHash, ...]
    answered: bool = False
    newest: HeadHash | None = None
    next: HeadHash | None = None
    missing: tuple[HeadHash, ...] = ()


class LeftOut(msgspec.Struct, frozen=True):
    """A path (bytes of any encoding) that snapshots do not have, how it is shown, and why (a clause)."""

    where: bytes
    path: str
    reason: str


class Origin(msgspec.Struct, frozen=True):
    """What a fork begins with: the state that `head` of another volume has."""

    volume: VolumeId
    head: HeadHash


class GoingBack(msgspec.Struct, frozen=True):
    """An earlier state that shall take the place of the present: a head, or a conflict snapshot.

    `id` is the request's. `saved` is the accepted head that has all of the
    present; the present is touched when there is one, never before. The other
    two say what will run on it.
    """

    id: str
    head: HeadHash | None
    conflict: str | None
    app_digest: str | None
    config_revision: int
    saved: HeadHash | None = None

    @property
    def wanted(self) -> HeadHash:
        """What the complete `Incoming` is called."""
        return self.head if self.head is not None else HeadHash(f"conflict {self.conflict}")


class WentBack(msgspec.Struct, frozen=True):
    """How the newest such request ended: with a `failure`, or with the subvolume `uuid` as the live one.

    `signed` is the head that it is a restore of (None: a conflict snapshot),
    `generation` the subvolume's when it took its place, at `taken_ns`. Until
    the volume's newest head is another one than `saved`, none says so yet.
    """

    id: str
    saved: HeadHash | None
    failure: Failure | None = None
    uuid: str | None = None
    signed: str | None = None
    generation: int = 0
    taken_ns: int = 0


class Undo(msgspec.Struct, frozen=True):
    """A trial's beginning shall take the place of what was written in it. The two say what will run on it then."""

    app_digest: str | None
    config_revision: int


class Trial(msgspec.Struct, frozen=True):
    """Another version of the app is tried on what the accepted `head` has: none follows it until the trial is over.

    `snapshot` is a local copy of that state, None where it could not be kept:
    then it is restored. `undo` is there while it is put back. What was written
    is kept as the conflict snapshot `aside`, once that is needed.
    """

    id: str
    head: HeadHash
    snapshot: str | None
    undo: Undo | None = None
    aside: str | None = None


class Lease(msgspec.Struct, frozen=True):
    """An epoch that was granted to this Device, and the head that the grant froze."""

    epoch: str
    base: HeadHash | None


class Lost(msgspec.Struct, frozen=True):
    """What was ready here under `epoch` is gone: somebody removed it, or the disk is another one.

    `accepted` are the bytes (hex) of the newest head that was acknowledged here.
    `head` is the newest one of all, which takes the place of what is gone when
    that epoch is held again; None until it was asked for.
    """

    epoch: str
    accepted: str | None
    head: HeadHash | None = None


class Hiveless(msgspec.Struct, frozen=True):
    """What makes a volume one of `docker volume create -o store=…`, without a Hive.

    `name` is what the engine calls it and `store` the address as it was
    understood, without secrets; `key_file` has the seed, `credentials` the
    store's key (None: found where it usually is). `mark` is a folder's, and
    `same_machine` what was found when the volume was made. `take_over` says that a
    person asked for the volume, whoever has it, and `claim` is the signed
    claim (hex) of that, until it is held. `confirmed` tells whether the log
    was asked since it is held. `removed_ns` is when the engine removed it:
    from then on it lies in the trash. `keeps` is the rule for its snapshots
    (`mosaic.core.keep_rule`), None while only the store knows it.
    """

    name: str
    store: str
    key_file: str
    created_ns: int
    same_machine: bool
    credentials: str | None = None
    mark: str | None = None
    take_over: bool = False
    claim: str | None = None
    confirmed: bool = False
    removed_ns: int | None = None
    keeps: str | None = None


class Audits(msgspec.Struct, frozen=True):
    """What the audits of the live subvolume `live` found.

    The last one was, or the subvolume was met, at `since_ns`. `trusted` is the
    sequence number of the newest head that one found good, or that the
    subvolume began with; 0 for none. `rereads`: the next head must be made by
    reading everything again. Heads up to `covered` were called suspect, and
    `untold` are those ranges of which the store does not say it yet.
    """

    live: str
    since_ns: int
    trusted: int
    last: Audited | None = None
    rereads: bool = False
    covered: int = 0
    untold: tuple[tuple[int, int], ...] = ()


class VolumeRecord(msgspec.Struct, frozen=True):
    """One volume.

    `lease` is held since the boot `boot`; None when not held. `data_lease` is
    the newest lease under which the live subvolume `live_uuid` was writable.
    `highest` is the highest epoch ever seen and `fenced` the newest one that
    we lost. `prefetch` is a head to restore beside. `mirrored` is the newest
    head whose copy lies in the store, and `enveloped` which envelope does, and
    in which store. `discarded` says that the Device gave the data up,
    `descent` whether it may. `cut` goes before whatever the worker would cut.
    `hiveless` is there for volumes that no Hive knows. A volume without a head
    begins with its `origin`. `going_back` is under way in the phase
    `going-back`, `went_back` the newest that is over. `lost` stays until there
    is data again. `audits` are None before the first round. `left_out`
    is what the newest snapshot does not have. `trial` is under way, in any
    phase that has data; `tried` names the conflict snapshots that trials left.
    `adopted` is the app's digest in the head of the origin that the data was
    restored from.
    """

    volume: VolumeId
    installation: InstallationId
    kind: str
    phase: Phase = "absent"
    lease: Lease | None = None
    boot: str | None = None
    highest: str = "0.0"
    fenced: str | None = None
    data_lease: Lease | None = None
    live_uuid: str | None = None
    accepted: Accepted | None = None
    pending: Pending | None = None
    incoming: Incoming | None = None
    prefetch: HeadHash | None = None
    app_digest: str | None = None
    config_revision: int = 0
    expect_data: bool = False
    envelope: str | None = None
    enveloped: str | None = None
    mirrored: HeadHash | None = None
    aside_reason: str | None = None
    discarded: bool = False
    descent: Descent | None = None
    cut: Cut | None = None
    hiveless: Hiveless | None = None
    going_back: GoingBack | None = None
    went_back: WentBack | None = None
    origin: Origin | None = None
    lost: Lost | None = None
    audits: Audits | None = None
    left_out: tuple[LeftOut, ...] = ()
    trial: Trial | None = None
    trialled: Trialled | None = None
    tried: tuple[str, ...] = ()
    adopted: str | None = None

    @property
    def epoch(self) -> Epoch | None:
        """The epoch held now, None when none is."""
        return parse(self.lease.epoch) if self.lease else None

    @property
    def loss(self) -> Lost | None:
        """What is lost if there is no live subvolume; None when none was ever ready here."""
        if self.lost is not None or self.data_lease is None:
            return self.lost
        return Lost(self.data_lease.epoch, self.accepted.signed if self.accepted else None)

    @property
    def lost_under_lease(self) -> Lost | None:
        """What was lost within the very epoch that is held: the head that the grant froze is older than that."""
        if self.lost is None or self.lease is None or self.lost.epoch != self.lease.epoch:
            return None
        return self.lost


class Followed(msgspec.Struct, frozen=True):
    """How far a store that follows is with one volume: the newest head in it that finds there all it needs.

    What lies in it was read again up to the name `reread_to`, at the instant `reread_ns` the last time.
    """

    head: HeadHash
    instant_ns: int
    reread_to: str = ""
    reread_ns: int = 0


class DockerVolume(msgspec.Struct, frozen=True):
    """A volume as the Docker engine knows it: a folder of a volume, or the guard of an installation."""

    name: str
    volume: VolumeId | None = None
    folder: str | None = None
    guard: InstallationId | None = None
    mount_ids: tuple[str, ...] = ()
