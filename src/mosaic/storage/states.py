"""Telling what is so now: the answer to the verb `state`.

It takes no volume's lock, so that it answers while work is under way.
"""

from collections.abc import Iterator

from mosaic.core.ids import VolumeId
from mosaic.storage import aside, left_out
from mosaic.storage.backing import Backing
from mosaic.storage.belonging import belongs_to, is_all_said
from mosaic.storage.daemon import Daemon
from mosaic.storage.decide_audit import suspicion
from mosaic.storage.stores.follower import Follower
from mosaic.storage.volume import Volume, is_clean
from mosaic.wire import head as wire
from mosaic.wire.storage import GoingBack, Replica, ReplicaState, State, StateRequest, VolumeState, WentBack

_LONGEST_WAIT_SECONDS = 60.0
_UNKNOWN = "hive"
"""What a replica is called before the Device has said which Hive."""


def state(daemon: Daemon, asked: StateRequest) -> State:
    """Return everything, after waiting for a version higher than `asked.after` if that was asked."""
    version = daemon.reports.wait(asked.after, min(asked.wait_seconds, _LONGEST_WAIT_SECONDS))
    mounts = _mounts(daemon)
    with daemon.lock:
        # A Device has no business with volumes that no Hive knows.
        of_devices = (volume for volume in daemon.volumes.values() if volume.record.hiveless is None)
        volumes = sorted(of_devices, key=lambda volume: volume.id)
    return State(
        run=daemon.reports.run,
        version=version,
        driver=daemon.config.driver,
        pool=daemon.pool.state(),
        volumes=[volume_state(daemon, volume, mounts=mounts.get(volume.id, 0)) for volume in volumes],
    )


def volume_state(daemon: Daemon, volume: Volume, *, mounts: int | None = None) -> VolumeState:
    """Return what is so with one volume."""
    record, moved = volume.record, volume.moved
    problem = volume.problem or suspicion(record)
    going, went = record.going_back, record.went_back
    waiting = (moved.total_bytes or 0) - moved.moved_bytes if moved and moved.kind == "replicating" else 0
    return VolumeState(
        volume=record.volume,
        installation=record.installation,
        kind=record.kind,
        phase=record.phase,
        epoch=record.lease.epoch if record.lease else None,
        local_head=record.accepted.head if record.accepted else None,
        clean=is_all_said(record, volume.generation),
        replicas=[*_replicas(volume, daemon.backings.known(record)), *_following(daemon, volume)],
        waiting_bytes=max(0, waiting),
        mounts=daemon.mounts(volume.id) if mounts is None else mounts,
        moved_bytes=moved.moved_bytes if moved else None,
        total_bytes=moved.total_bytes if moved else None,
        problem=problem or left_out.problem(record),
        conflicts=aside.conflicts(daemon.places, volume.id, record.tried),
        prefetched=record.incoming.head if record.incoming else None,
        prefetching=record.prefetch,
        cut_ns=volume.cut_ns,
        going_back=GoingBack(going.id, going.saved) if going else None,
        went_back=WentBack(went.id, went.saved, went.failure) if went else None,
        left_out=left_out.shown(record),
        trial=record.trial.id if record.trial else None,
        trialled=record.trialled,
        app_digest=belongs_to(record),
    )


def _replicas(volume: Volume, backing: Backing | None) -> list[Replica]:
    record = volume.record
    if record.accepted is None and record.lease is None:
        return []
    head = wire.parse(bytes.fromhex(record.accepted.signed))[0] if record.accepted else None
    return [
        Replica(
            store=backing.name if backing else _UNKNOWN,
            # Until the Device has said where the Hive's blobs lie, nothing is called a replica.
            same_machine=backing is None or backing.same_machine,
            state=_replica_state(volume),
            instant_ns=head.instant_ns if head else None,
            head=record.accepted.head if record.accepted else None,
        )
    ]


def _following(daemon: Daemon, volume: Volume) -> Iterator[Replica]:
    """Yield what the stores that follow have."""
    record = volume.record
    for store, follower, known in daemon.followers.known(volume.id):
        if follower is None and (known is None or record.lease is None):
            continue
        followed = follower.followed if follower is not None else known
        has_all = followed is not None and record.accepted is not None and followed.head == record.accepted.head
        yield Replica(
            store=store.name,
            same_machine=store.same_machine,
            state=_following_state(follower, is_replicated=has_all and is_clean(record, volume.generation)),
            instant_ns=followed.instant_ns if followed else None,
            head=followed.head if followed else None,
            problem=follower.problem if follower is not None else None,
        )


def _following_state(follower: Follower | None, *, is_replicated: bool) -> ReplicaState:
    if follower is not None and follower.problem is not None:
        return "pending" if follower.is_retrying else "error"
    if is_replicated:
        return "replicated"
    return "replicating" if follower is not None and follower.is_at_work else "pending"


def _replica_state(volume: Volume) -> ReplicaState:
    moved, problem = volume.moved, volume.problem
    if moved is not None and moved.kind == "replicating":
        return "replicating"
    if is_clean(volume.record, volume.generation):
        return "replicated"
    return "error" if problem is not None and not volume.retrying else "pending"


def _mounts(daemon: Daemon) -> dict[VolumeId, int]:
    counts: dict[VolumeId, int] = {}
    for docker in daemon.books.docker_volumes.items().values():
        if docker.volume is not None:
            counts[docker.volume] = counts.get(docker.volume, 0) + len(docker.mount_ids)
    return counts
