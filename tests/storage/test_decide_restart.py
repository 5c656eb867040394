"""What a record means after a kill, a power cut or somebody's hand."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mosaic.core.ids import HeadHash, InstallationId, VolumeId
from mosaic.storage.decide_restart import OnDisk, after_restart
from mosaic.storage.records import Accepted, Incoming, Lease, VolumeRecord

HEAD = HeadHash("1" * 64)
READY = VolumeRecord(
    VolumeId("a" * 64),
    InstallationId("notes"),
    "app",
    phase="ready",
    lease=Lease("1.1", None),
    boot="boot-1",
    live_uuid="u1",
    accepted=Accepted(HEAD, "", None, 7),
)

uuids = st.none() | st.sampled_from(["u1", "u2", "u3"])
disks = st.builds(OnDisk, uuids, uuids, st.sampled_from(["boot-1", "boot-2"])).filter(
    lambda disk: disk.live is None or disk.live != disk.incoming
)
records = st.builds(
    lambda phase, lease, boot, live, incoming, accepted: replace(
        READY,
        phase=phase,
        lease=lease,
        boot=boot,
        live_uuid=live,
        incoming=Incoming(HEAD, "", incoming) if incoming else None,
        accepted=accepted,
    ),
    st.sampled_from(["absent", "restoring", "ready", "releasing", "released", "failed", "set-aside"]),
    st.none() | st.just(Lease("1.1", HEAD)),
    st.sampled_from(["boot-1", "boot-2"]),
    uuids,
    uuids,
    st.none() | st.just(READY.accepted),
)


def test_after_a_plain_restart_everything_is_as_it_was() -> None:
    assert after_restart(READY, OnDisk("u1", None, "boot-1")).record == READY


def test_after_a_reboot_nothing_is_held() -> None:
    record = after_restart(READY, OnDisk("u1", None, "boot-2")).record
    assert (record.phase, record.lease) == ("released", None)
    assert record.accepted == READY.accepted


def test_a_rename_that_the_power_cut_undid_is_done_again() -> None:
    resume = after_restart(READY, OnDisk(None, "u1", "boot-1"))
    assert resume.finish_rename
    assert resume.record == READY


def test_data_that_is_gone_is_never_ready() -> None:
    record = after_restart(READY, OnDisk(None, None, "boot-1")).record
    assert (record.phase, record.live_uuid, record.accepted) == ("failed", None, None)


def test_an_incomplete_restore_is_cleared_and_a_complete_one_kept() -> None:
    restoring = replace(READY, phase="restoring", lease=Lease("1.2", HEAD))
    assert after_restart(restoring, OnDisk("u1", "u2", "boot-1")).clear_incoming
    complete = replace(restoring, incoming=Incoming(HEAD, "", "u2"))
    resume = after_restart(complete, OnDisk("u1", "u2", "boot-1"))
    assert not resume.clear_incoming
    assert resume.record == complete


@given(records, disks)
def test_a_ready_volume_has_the_very_subvolume_that_the_ledger_names(record: VolumeRecord, disk: OnDisk) -> None:
    resume = after_restart(record, disk)
    live = disk.incoming if resume.finish_rename else disk.live
    if resume.record.phase == "ready" and resume.record.live_uuid is not None:
        assert live == resume.record.live_uuid
    if record.live_uuid is not None and live != record.live_uuid:
        assert resume.record.phase != "ready"


@given(records, disks)
def test_restarting_twice_is_restarting_once(record: VolumeRecord, disk: OnDisk) -> None:
    once = after_restart(record, disk)
    after = OnDisk(
        disk.incoming if once.finish_rename else disk.live,
        None if once.finish_rename or once.clear_incoming else disk.incoming,
        disk.boot,
    )
    twice = after_restart(once.record, after)
    assert twice.record == once.record
    assert not twice.finish_rename
    assert not twice.clear_incoming


@given(records, disks)
def test_a_complete_restore_is_never_thrown_away(record: VolumeRecord, disk: OnDisk) -> None:
    if record.incoming is not None and disk.incoming == record.incoming.uuid:
        assert not after_restart(record, disk).clear_incoming
