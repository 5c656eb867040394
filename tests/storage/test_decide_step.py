"""What a volume's worker does next while the volume goes back."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mosaic.core.ids import HeadHash, InstallationId, VolumeId
from mosaic.storage.decide_restart import OnDisk, after_restart
from mosaic.storage.decide_step import (
    Attest,
    CopyBeginning,
    CopyConflict,
    Fetch,
    LoseTrial,
    PutBack,
    PutBeginning,
    Replicate,
    Rest,
    Save,
    Watch,
    is_unattested,
    next_step,
)
from mosaic.storage.records import Accepted, GoingBack, Incoming, Lease, Trial, Undo, VolumeRecord, WentBack

H1, H2 = HeadHash("h1"), HeadHash("h2")
OLD, NEW = "uuid-of-the-present", "uuid-of-the-earlier-state"

going = st.builds(
    GoingBack,
    id=st.just("wish"),
    head=st.sampled_from([H1, None]),
    conflict=st.just("kept"),
    app_digest=st.none(),
    config_revision=st.just(1),
    saved=st.sampled_from([None, H2]),
)
complete = st.sampled_from([None, H1, H2, HeadHash("conflict kept")])
records = st.builds(
    lambda back, found: VolumeRecord(
        VolumeId("v"),
        InstallationId("i"),
        "data",
        phase="going-back",
        lease=Lease("1.1", H1),
        boot="boot",
        live_uuid=OLD,
        accepted=Accepted(H2, "", None, 7),
        going_back=back,
        incoming=Incoming(found, "", NEW) if found else None,
    ),
    going,
    complete,
)


@given(records)
def test_the_present_is_saved_before_anything_takes_its_place(record: VolumeRecord) -> None:
    back = record.going_back
    assert back is not None
    step = next_step(record)
    if back.saved is None:
        assert step == Save()
    elif record.incoming is not None and record.incoming.head == back.wanted:
        assert step == PutBack()
    else:
        assert step == (Fetch(back.head) if back.head else CopyConflict("kept"))


@given(records, st.sampled_from([None, OLD, NEW]), st.sampled_from([None, OLD, NEW]))
def test_after_a_restart_nothing_is_taken_for_data_that_is_not_there(
    record: VolumeRecord, live: str | None, incoming: str | None
) -> None:
    found = after_restart(record, OnDisk(live, incoming, "boot"))
    after = found.record
    if after.phase == "going-back":
        present = live == OLD or (live is None and incoming == OLD)
        back, beside = after.going_back, after.incoming
        assert back is not None
        replaced = back.saved is not None and beside is not None and beside.uuid in (live, incoming)
        assert present or (replaced and next_step(after) == PutBack())
    else:
        assert after.phase == "failed" and after.going_back is None and after.accepted is None


@given(records, st.sampled_from([None, OLD, NEW]), st.sampled_from([None, OLD, NEW]))
def test_a_reboot_ends_an_attempt_and_the_device_asks_again(
    record: VolumeRecord, live: str | None, incoming: str | None
) -> None:
    after = after_restart(record, OnDisk(live, incoming, "another boot")).record
    assert after.going_back is None and after.lease is None
    assert after.phase in ("released", "failed")


@given(st.sampled_from([H1, H2]), st.sampled_from([OLD, NEW]), st.booleans(), st.booleans())
def test_the_earlier_state_is_attested_before_anything_else_is_replicated(
    newest: HeadHash, live: str, failed: bool, is_conflict: bool
) -> None:
    went = WentBack("wish", H2, uuid=None if failed else NEW, signed=None if failed or is_conflict else "00")
    record = VolumeRecord(VolumeId("v"), InstallationId("i"), "data", phase="ready", lease=Lease("1.1", None))
    record = replace(record, live_uuid=live, accepted=Accepted(newest, "", None, -1), went_back=went)
    wants_head = live == NEW and newest == H2 and not failed and not is_conflict
    assert is_unattested(record) == wants_head
    assert next_step(record) == (Attest() if wants_head else Replicate())


trials = st.builds(
    Trial,
    id=st.just("trial"),
    head=st.just(H2),
    snapshot=st.sampled_from([None, "1"]),
    undo=st.sampled_from([None, Undo(None, 1)]),
    aside=st.sampled_from([None, "1.1-5"]),
)
tried = st.builds(
    lambda trial, phase, lease, found: VolumeRecord(
        VolumeId("v"),
        InstallationId("i"),
        "data",
        phase=phase,
        lease=lease if phase in ("ready", "going-back") else None,
        boot="boot",
        live_uuid=OLD,
        accepted=Accepted(H2, "", None, 7),
        incoming=Incoming(found, "", NEW) if found else None,
        trial=trial,
    ),
    trials,
    st.sampled_from(["ready", "going-back", "released", "set-aside"]),
    st.sampled_from([None, Lease("1.1", H1)]),
    complete,
)


@given(tried)
def test_in_a_trial_no_step_makes_a_head(record: VolumeRecord) -> None:
    assert isinstance(next_step(record), Watch | CopyBeginning | Fetch | PutBeginning | LoseTrial | Rest)


@given(tried, st.sampled_from([None, OLD, NEW]), st.sampled_from([None, OLD, NEW]), st.sampled_from(["boot", "next"]))
def test_a_trial_outlives_a_restart_for_as_long_as_one_of_its_two_states_is_here(
    record: VolumeRecord, live: str | None, incoming: str | None, boot: str
) -> None:
    after = after_restart(record, OnDisk(live, incoming, boot)).record
    trial, beside = record.trial, record.incoming
    assert trial is not None
    present = live == OLD or (live is None and incoming == OLD)
    is_beginning = trial.undo is not None and beside is not None and beside.head == trial.head
    if present or (is_beginning and beside is not None and beside.uuid == (live or incoming)):
        assert after.trial == trial
    else:
        assert after.trial is None and after.live_uuid is None
        assert after.trialled is not None and not after.trialled.kept
