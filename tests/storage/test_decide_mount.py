"""When the engine may mount: only the very subvolume that is held and ready (G4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mosaic.core.ids import HeadHash, InstallationId, VolumeId
from mosaic.storage.decide_mount import MountRefused, RemoveRefused, check_guard, check_mount, check_remove
from mosaic.storage.decide_step import Fetch, Promote, Replicate, Rest, next_step
from mosaic.storage.records import DockerVolume, Incoming, Lease, VolumeRecord

V1, V2 = VolumeId("a" * 64), VolumeId("b" * 64)
NOTES = InstallationId("notes")
HEAD = HeadHash("1" * 64)
READY = VolumeRecord(V1, NOTES, "app", phase="ready", lease=Lease("1.1", None), boot="boot-1", live_uuid="u1")
GUARD = DockerVolume("notes_guard", guard=NOTES)
DATA = DockerVolume("notes_data", volume=V1, folder="data")


def test_a_ready_volume_is_mounted() -> None:
    check_mount(V1, READY, live_uuid="u1", boot="boot-1")


@pytest.mark.parametrize(
    ("record", "live_uuid", "boot", "sentence"),
    [
        (None, None, "boot-1", "was never here; install or move the app to this Device"),
        (READY, None, "boot-1", "an empty folder is never started in its place"),
        (READY, "u2", "boot-1", "is not where it should be"),
        (READY, "u1", "boot-2", "is not held by this Device; start the app with `mosaic start`"),
        (replace(READY, lease=None), "u1", "boot-1", "is not held by this Device"),
        (replace(READY, phase="restoring"), "u1", "boot-1", "is being restored; wait until it is complete"),
        (replace(READY, phase="releasing"), "u1", "boot-1", "is being moved away"),
        (replace(READY, phase="set-aside", aside_reason="why"), "u1", "boot-1", r"was set aside \(why\); see both"),
        (replace(READY, phase="failed"), "u1", "boot-1", "could not be restored; see why: mosaic volume show notes"),
        (replace(READY, phase="absent"), "u1", "boot-1", "is not here"),
    ],
)
def test_anything_else_is_refused_with_what_to_do(
    record: VolumeRecord | None, live_uuid: str | None, boot: str, sentence: str
) -> None:
    with pytest.raises(MountRefused, match=sentence):
        check_mount(V1, record, live_uuid=live_uuid, boot=boot)


def test_a_guard_needs_every_volume_of_its_installation() -> None:
    second = replace(READY, volume=V2, phase="restoring")
    check_guard(NOTES, [READY], {V1})
    with pytest.raises(MountRefused, match="is being restored"):
        check_guard(NOTES, [READY, second], {V1})
    with pytest.raises(MountRefused, match="was never here"):
        check_guard(InstallationId("other"), [READY], {V1})


def test_what_stands_for_data_is_not_removed() -> None:
    released = replace(READY, lease=None, phase="released")
    discarded = replace(READY, lease=None, live_uuid=None, phase="absent", discarded=True)
    for kept in (DATA, GUARD):
        for record in (READY, released):
            with pytest.raises(RemoveRefused, match="mosaic uninstall notes"):
                check_remove(kept, [record])
        check_remove(kept, [discarded])
        check_remove(kept, [])
    check_remove(DATA, [replace(READY, volume=V2)])


@given(
    st.sampled_from(["absent", "restoring", "ready", "releasing", "released", "failed", "set-aside"]),
    st.none() | st.just(Lease("1.2", HEAD)),
    st.none() | st.just(Incoming(HEAD, "", "u2")),
    st.none() | st.just(HEAD),
)
def test_a_worker_never_replicates_what_is_not_held(
    phase: str, lease: Lease | None, incoming: Incoming | None, prefetch: HeadHash | None
) -> None:
    record = replace(READY, phase=phase, lease=lease, incoming=incoming, prefetch=prefetch)
    step = next_step(record)
    if isinstance(step, Replicate | Promote):
        assert lease is not None
    if isinstance(step, Promote):
        assert incoming is not None
        assert (phase, incoming.head) == ("restoring", lease.base if lease else None)
    if isinstance(step, Fetch):
        assert step.head in (prefetch, lease.base if lease else None)
    if isinstance(step, Rest):
        assert phase not in ("ready", "releasing") or lease is None
