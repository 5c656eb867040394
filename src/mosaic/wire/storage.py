"""What the storage daemon is asked, and what it answers, over its UNIX socket.

Every request is `POST /v1/<verb>` with a JSON body of the struct of that
name; every answer is 200 with a JSON body, or a `Failure` with 4xx/5xx. Verbs
that take long (restore, replicate) start the work and return at once; `state`
tells how it goes. Every verb may be sent again after a lost reply.

What is held stays held over restarts of the Device and of the daemon, and
ends with a reboot: the phase is `released` then, until the Device holds again
(the same epoch will do, when nobody else was granted one).

| verb | request | answer |
|---|---|---|
| upstream | Upstream | Done |
| hold | Hold | VolumeState |
| prefetch | Prefetch | VolumeState |
| snapshot | SnapshotNow | VolumeState |
| release | Release | VolumeState |
| set-aside | SetAside | VolumeState |
| go-back | GoBack | VolumeState |
| begin-trial | BeginTrial | VolumeState |
| end-trial | EndTrial | VolumeState |
| discard | Discard | Done |
| envelope | Envelope | Done |
| heads | HeadsRequest | KnownHeads |
| audit | AuditRequest | AuditState |
| state | StateRequest | State |
"""

from typing import Literal

import msgspec


class Failure(msgspec.Struct, frozen=True):
    """Why something was refused or failed: an error's code, sentence and hint."""

    code: str
    message: str
    hint: str


class Done(msgspec.Struct, frozen=True):
    """It is so now."""


class Upstream(msgspec.Struct, frozen=True):
    """Where heads and packs go from now on. Sent after every (re)connection of the Device to its Hive.

    `token` is the bearer token of the Device's session. `hive_machine` names
    the machine that the Hive's blobs lie on, `machine` the one we are on: when
    they are equal the Hive's store is not a replica. `ca_pem` is the CA to
    trust for an https URL, None for plain HTTP on loopback or a public CA.
    """

    url: str
    token: str
    device: str
    hive_machine: str
    machine: str
    ca_pem: str | None = None


class Origin(msgspec.Struct, frozen=True):
    """What a fork begins with: the state `head` of another volume, and that volume's seed (hex)."""

    volume: str
    seed: str
    head: str


class Hold(msgspec.Struct, frozen=True):
    """The Device was granted `epoch` for this volume: make it mountable.

    `base` is the head (hash) that the grant froze; None when the volume has
    never had one. What happens, in order:

    1. local data whose newest accepted head is `base`, or that descends from
       it in an epoch of this lease (a head whose reply was lost): kept.
    2. no local data and `base` is None: an empty subvolume is made, unless
       `expect_data` (G4: an empty volume where data is expected is an error).
    3. otherwise local data, if any, is set aside as a conflict snapshot, and
       `base` is restored (state `restoring`, then `ready`). If the volume was
       ready in this very epoch, the newest head of all is, as `base` is what
       there was before the app wrote in it.

    A lower epoch than the ledger knows is refused (code `fenced`), so is the
    one in which the volume was set aside. Step 3 is refused while the volume
    is mounted (`volume-in-use`), and step 2 when the ledger knows of local
    data that is not there any more (`data-expected`). Local data whose every
    byte is in an acknowledged head is thrown away instead of set aside. A
    restore that cannot succeed (damage) ends in the phase `failed`; holding
    again tries again. A guard volume needs every volume of `installation`
    that was ever held here and not discarded. `seed` is
    the volume's Ed25519 seed, 64 hex characters. `envelope` is what every
    store receives for a restore without any Hive (hex, opaque here). With `origin`
    step 2 restores that state instead of making an empty subvolume. `app_digest` is what the data belongs to from
    now on, and heads say so; None: what the newest head names stays.
    """

    volume: str
    installation: str
    kind: str
    seed: str
    epoch: str
    base: str | None
    app_digest: str | None
    config_revision: int
    envelope: str | None = None
    expect_data: bool = False
    origin: Origin | None = None


class Prefetch(msgspec.Struct, frozen=True):
    """Restore `head` beside whatever is there, so that a coming `hold` has little left to fetch. No lease needed."""

    volume: str
    installation: str
    kind: str
    seed: str
    head: str


class SnapshotNow(msgspec.Struct, frozen=True):
    """Cut a snapshot now and replicate it. `final`: the app is stopped and nothing may be mounted.

    `consistent`: the app has made its files ready. The cut is made before the
    answer, which names it (`cut_ns`), so that the app may go on at once; its
    head, and no other, says app-consistent. It waits its turn even if the
    daemon is killed; a later one takes its place.

    The volume's `clean` is false from the answer on, until everything that was
    there when this was asked is in an acknowledged head. After a final one
    (phase `releasing`) mounts are refused until the volume is held again.
    While a trial is under way every kind is refused (`trial-under-way`).
    """

    volume: str
    epoch: str
    final: bool = False
    consistent: bool = False


class Release(msgspec.Struct, frozen=True):
    """Stop holding the volume: no mount is accepted any more. The local data stays.

    Refused while mounted (`volume-in-use`), while not replicated
    (`not-replicated`), or in a trial (`trial-under-way`): `end-trial` comes
    first. A restore under way is given up.
    """

    volume: str
    epoch: str


class SetAside(msgspec.Struct, frozen=True):
    """We were fenced: keep what is here as a conflict snapshot and stop holding. Mounts are refused at once.

    A trial under way is over: `trialled` says that it was not kept, and names the conflict snapshot.
    """

    volume: str
    why: str


class GoBack(msgspec.Struct, frozen=True):
    """Put an earlier state in the place of the present: the snapshot `head`, or the conflict snapshot `conflict`.

    The app is stopped, and nothing may be mounted (`volume-in-use`). From the
    answer on the phase is `going-back` and mounts are refused, until

    1. all of the present is in an acknowledged head (`going_back.saved`),
    2. the earlier state lies here, complete and verified,
    3. it has taken the place of the present: the phase is `ready` again.

    Then `went_back` has the request's `id`; so it has when that failed, with
    the reason, and the present is in its place still. The same `id` again
    does nothing. `app_digest` and `config_revision` are what will run on it;
    without a digest, what the earlier state's head names.
    A `hold` or a final snapshot in between gives it up. Refused in a trial (`trial-under-way`).
    """

    volume: str
    epoch: str
    id: str
    head: str | None
    app_digest: str | None
    config_revision: int
    conflict: str | None = None


class BeginTrial(msgspec.Struct, frozen=True):
    """Another version of the app is about to run on the volume, and may have to be undone.

    The app is stopped, nothing is mounted (`volume-in-use`), and everything is in an acknowledged head
    (`not-replicated`). From the answer on no head follows that one: whatever is written is this Device's alone, so
    that nobody ever starts on it, until the trial ends. The same `id` again does nothing, also when that trial is
    over; another one while one is under way is refused (`another-trial`), and so is one of a volume that is not
    held in `epoch` (`not-held`), not `ready` (`not-ready`), or on a pool that is nearly full (`pool-nearly-full`).

    The state that it begins with is kept here: as a snapshot, or where there are plain folders as a copy, if blocks
    can be shared or it is at most 1 GiB. Where it is not, undoing restores it from the stores.

    Mounts work as ever. `clean` says whether anything was written since. A trial outlives restarts of the daemon,
    reboots and new epochs whose base is the head that it began with. A hold with another base ends it, as being
    fenced does: what is here becomes a conflict snapshot then, like all else.
    """

    volume: str
    epoch: str
    id: str


class EndTrial(msgspec.Struct, frozen=True):
    """End the trial `id`. With `keep` its data counts, and heads follow that say `app_digest` (None: as before).

    Without, nothing may be mounted: what is here becomes a conflict snapshot, unless nothing was written, and the
    state that the trial began with is the present one again (phase `going-back`, then `ready`; where the volume is
    not held, `released` all the time). No Hive is needed, unless the state could not be kept here (`BeginTrial`).
    A trial that is over, or was never begun here, is fine; `trialled` tells how it ended. To keep it after all is
    heard as long as what was written is still in place.
    """

    volume: str
    id: str
    keep: bool
    app_digest: str | None
    config_revision: int


class Discard(msgspec.Struct, frozen=True):
    """Remove the live subvolume and local snapshots of a released volume (conflicts stay).

    Refused unless the store was seen to have `replaced_by` (a head hash) or a
    descendant as its newest head: nothing is deleted until its replacement is
    verified (G3). That may take long after many snapshots: the answer is
    `unproven` until it is known, and the daemon goes on finding out.
    """

    volume: str
    replaced_by: str


class Envelope(msgspec.Struct, frozen=True):
    """What every store of a volume should receive from now on, as in `Hold`. One that is not known here is fine."""

    volume: str
    envelope: str


class HeadsRequest(msgspec.Struct, frozen=True):
    """Ask for the newest accepted heads of a volume, for a Hive that lost some of its past."""

    volume: str


class KnownHeads(msgspec.Struct, frozen=True):
    """Signed heads in hex, each following the one before it, up to the newest acknowledged one."""

    heads: list[str]


class AuditRequest(msgspec.Struct, frozen=True):
    """Ask how the audits of a volume go; with `begin` one is begun as soon as it can be, and ends by itself."""

    volume: str
    begin: bool = False


class Difference(msgspec.Struct, frozen=True):
    """A path that is not stored as it is. `reason` is a clause."""

    path: str
    reason: str


class Audited(msgspec.Struct, frozen=True):
    """An audit that came to its end at `at_ns`: the snapshot `seq` of `instant_ns` was compared with the head `head`.

    `differing` names at most 20 of the `difference_count` paths that are not as stored; none is how it should be.
    """

    at_ns: int
    head: str
    seq: int
    instant_ns: int
    files: int
    read_bytes: int
    difference_count: int
    differing: list[Difference]


class AuditState(msgspec.Struct, frozen=True):
    """How the audits of a volume go.

    `asked`: one was asked for, and has not ended. `under_way` tells whether it
    has begun, then `read_bytes` of at most `total_bytes` are read. `answer` is
    what the newest one that was asked for found (another one may have followed
    it), `last` the newest that ended, `problem` why the newest try came to no
    end. `rereads`: the next snapshot is made by reading everything again.
    """

    volume: str
    asked: bool
    under_way: bool
    read_bytes: int | None
    total_bytes: int | None
    answer: Audited | None
    last: Audited | None
    rereads: bool
    problem: Failure | None = None


class StateRequest(msgspec.Struct, frozen=True):
    """Ask for everything; with `after` wait up to `wait_seconds` for a state newer than that version."""

    after: int = -1
    wait_seconds: float = 0.0


ReplicaState = Literal["pending", "replicating", "replicated", "error"]
Phase = Literal["absent", "restoring", "ready", "going-back", "releasing", "released", "failed", "set-aside"]


class Replica(msgspec.Struct, frozen=True):
    """One store's copy. `instant_ns` is the snapshot's instant in the newest acknowledged head, None before.

    The first of a volume's replicas is in the store that keeps its heads; the
    others follow. `problem` says why a follower is not up to date.
    """

    store: str
    same_machine: bool
    state: ReplicaState
    instant_ns: int | None
    head: str | None
    problem: Failure | None = None


class ConflictSnapshot(msgspec.Struct, frozen=True):
    """Unreplicated state that a fence or a trial set aside. Never deleted by itself.

    `why` is a clause, empty where another Device took over.
    """

    name: str
    epoch: str
    instant_ns: int
    path: str
    why: str = ""


class GoingBack(msgspec.Struct, frozen=True):
    """A `GoBack` under way. `saved` is the acknowledged head that has all of the present, None until there is one."""

    id: str
    saved: str | None


class WentBack(msgspec.Struct, frozen=True):
    """How the newest `GoBack` ended. `failure` None: the earlier state is in place, and `saved` has what was before."""

    id: str
    saved: str | None
    failure: Failure | None = None


NOT_ALL_SAVED = "not-all-saved"
"""The code of a volume's problem: files of the app lie where no snapshot reaches."""


class Trialled(msgspec.Struct, frozen=True):
    """How the newest trial of a volume ended: `kept` as it was, or not.

    Then `conflict` names the conflict snapshot with what was written, None when nothing was.
    """

    id: str
    kept: bool
    conflict: str | None = None


class LeftOut(msgspec.Struct, frozen=True):
    """Something in a volume that no snapshot has: its path, for people, and why (a clause)."""

    path: str
    reason: str


class VolumeState(msgspec.Struct, frozen=True):
    """One volume as the daemon sees it now.

    `mounts` counts the engine's mounts; `waiting_bytes` estimates what is not
    replicated yet; `moved_bytes` of `total_bytes` is the progress of the
    restore or upload under way (None when idle or unknown); `local_head` is
    the newest acknowledged head that the local data descends from; `clean`
    says that nothing has changed since it, as far as the daemon has looked,
    and that it names the app that the data is held for (but in a trial);
    `prefetched` the head that was restored ahead, once that restore is complete; `prefetching` the
    one that is still tried (None: done, given up for `problem`, or not asked);
    `cut_ns` the instant of the newest cut that was asked for as app-consistent;
    `left_out` the first few paths that the newest snapshot does not have;
    `trial` the id of the trial under way, `trialled` how the last one ended;
    `app_digest` the app in the signed head that the local data descends from:
    `local_head`, but the earlier head where the volume went back and none says
    so yet, and the origin's for a fork without a head of its own. None where
    no data is in place: what was `prefetched` counts once it is held.
    """

    volume: str
    installation: str
    kind: str
    phase: Phase
    epoch: str | None
    local_head: str | None
    clean: bool
    replicas: list[Replica]
    waiting_bytes: int
    mounts: int
    moved_bytes: int | None = None
    total_bytes: int | None = None
    problem: Failure | None = None
    conflicts: list[ConflictSnapshot] = []
    prefetched: str | None = None
    prefetching: str | None = None
    cut_ns: int | None = None
    going_back: GoingBack | None = None
    went_back: WentBack | None = None
    left_out: list[LeftOut] = []
    trial: str | None = None
    trialled: Trialled | None = None
    app_digest: str | None = None


class PoolState(msgspec.Struct, frozen=True):
    """The file system that volumes lie on. `folders`: without snapshots of its own, so what changed is copied."""

    path: str
    kind: Literal["native", "image", "folders"]
    total_bytes: int
    free_bytes: int
    problem: Failure | None = None


class State(msgspec.Struct, frozen=True):
    """Everything. `version` grows with every change and starts anew with the daemon (`run` tells which run)."""

    run: str
    version: int
    driver: str
    pool: PoolState
    volumes: list[VolumeState]
