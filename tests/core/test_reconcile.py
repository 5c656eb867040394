"""What a Device does next, whatever it finds."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.fake_device import Sights, Wishes, carry_out
from mosaic.core.epoch import Epoch
from mosaic.core.goal import Goal
from mosaic.core.ids import AppDigest, HeadHash, InstallationId, VolumeId
from mosaic.core.reconcile import Desired, GoingBack, Observed, SeenVolume, VolumePhase, has_left, plan
from mosaic.core.steps import (
    CheckApp,
    DiscardData,
    FetchBundle,
    FinalSnapshot,
    GoBack,
    HoldVolumes,
    MakeKeys,
    Prefetch,
    PullImages,
    Release,
    ReleaseVolumes,
    SavePresent,
    SetAside,
    Snapshot,
    StartApp,
    StopApp,
    WaitForVolumes,
)

NOTES, BLOG = InstallationId("notes"), InstallationId("blog")
V1, V2 = Release(AppDigest("sha256:1"), 1), Release(AppDigest("sha256:2"), 1)
DATA, LINK = VolumeId("data"), VolumeId("link")
E1, E2, E3 = Epoch(1, 1), Epoch(1, 2), Epoch(1, 3)
H1, H2 = HeadHash("h1"), HeadHash("h2")

READY = SeenVolume(VolumePhase.READY, E1, H1, proved=True)
RUNNING = Observed(V1, True, V1.app_digest, V1, True, {DATA: READY})

volumes_seen = st.builds(
    SeenVolume,
    phase=st.sampled_from(VolumePhase),
    epoch=st.sampled_from([None, E1, E2]),
    local_head=st.sampled_from([None, H1, H2]),
    clean=st.booleans(),
    proved=st.booleans(),
    prefetched=st.booleans(),
    went_back=st.sampled_from([None, "old", "new"]),
    failed_back=st.booleans(),
)
releases = st.sampled_from([V1, V2])
sights = st.builds(
    Observed,
    containers=st.none() | releases,
    running=st.booleans(),
    bundle=st.sampled_from([None, V1.app_digest, V2.app_digest]),
    checked=st.none() | releases,
    images=st.booleans(),
    volumes=st.dictionaries(st.sampled_from([DATA, LINK]), volumes_seen),
)
wishes = st.builds(
    Desired,
    goal=st.sampled_from(Goal),
    epoch=st.sampled_from([None, E2, E3]),
    release=releases,
    volumes=st.dictionaries(st.sampled_from([DATA, LINK]), st.sampled_from([None, H1, H2])),
    going_back=st.none() | st.builds(GoingBack, st.just("new"), st.sampled_from([DATA, LINK]), st.booleans()),
)
names = st.sampled_from([NOTES, BLOG])
fleets = st.dictionaries(names, wishes)
machines = st.dictionaries(names, sights)


ROUNDS = 3


def settle(desired: Wishes, observed: Sights) -> tuple[Wishes, Sights]:
    """Plan and carry out until nothing is left: new keys come back as an assignment, and a trial may have to end."""
    for _ in range(ROUNDS):
        desired, observed = carry_out(plan(desired, observed), desired, observed)
    return desired, observed


@given(fleets, machines)
def test_carrying_out_a_plan_leaves_nothing_to_do(desired: Wishes, observed: Sights) -> None:
    desired, observed = settle(desired, observed)
    assert plan(desired, observed) == []


@given(fleets, machines, st.integers(0, 20))
def test_a_plan_may_be_cut_short_after_any_step(desired: Wishes, observed: Sights, cut: int) -> None:
    desired, observed = carry_out(plan(desired, observed)[:cut], desired, observed)
    desired, observed = settle(desired, observed)
    assert plan(desired, observed) == []


@given(fleets, machines)
def test_every_stop_comes_before_every_start(desired: Wishes, observed: Sights) -> None:
    steps = plan(desired, observed)
    stops = [place for place, step in enumerate(steps) if isinstance(step, StopApp)]
    others = [place for place, step in enumerate(steps) if not isinstance(step, StopApp)]
    assert not stops or not others or max(stops) < min(others)


@given(fleets, machines)
def test_data_is_discarded_only_by_the_goal_drop(desired: Wishes, observed: Sights) -> None:
    for step in plan(desired, observed):
        if isinstance(step, DiscardData):
            assert desired[step.installation].goal is Goal.DROP


@given(fleets, machines)
def test_nothing_starts_or_writes_without_an_epoch(desired: Wishes, observed: Sights) -> None:
    for step in plan(desired, observed):
        if isinstance(step, StartApp | Snapshot | FinalSnapshot | HoldVolumes | ReleaseVolumes | MakeKeys):
            assert step.epoch == desired[step.installation].epoch


@given(fleets, machines)
def test_an_app_that_shall_go_back_is_stopped_saved_and_put_back_before_it_starts(
    desired: Wishes, observed: Sights
) -> None:
    steps = plan(desired, observed)
    for installation, wanted in desired.items():
        ours = [step for step in steps if step.installation == installation]
        back = next((place for place, step in enumerate(ours) if isinstance(step, GoBack)), None)
        if back is None:
            continue
        assert wanted.going_back is not None and wanted.going_back.volume in wanted.volumes
        assert isinstance(ours[back - 1], SavePresent)
        assert not any(isinstance(step, StartApp) for step in ours[:back])
        seen = observed.get(installation, Observed())
        assert seen.containers is None or isinstance(ours[0], StopApp)


@given(wishes, sights)
def test_a_wish_to_go_back_is_carried_out_once(wanted: Desired, seen: Observed) -> None:
    running = replace(wanted, goal=Goal.RUN, epoch=E3)
    desired, observed = settle({NOTES: running}, {NOTES: seen})
    again = plan(desired, observed)
    assert not any(isinstance(step, SavePresent | GoBack) for step in again)


@given(wishes, sights, st.booleans())
def test_an_older_program_never_starts_on_the_present(wanted: Desired, seen: Observed, running: bool) -> None:
    back = GoingBack("new", DATA, changes_app=True)
    stayed = SeenVolume(VolumePhase.READY, E3, H1, went_back="new", failed_back=True)
    here = replace(seen, containers=wanted.release if running else None, running=running, volumes={DATA: stayed})
    asked = replace(wanted, goal=Goal.RUN, epoch=E3, volumes={DATA: H1}, going_back=back)
    steps = plan({NOTES: asked}, {NOTES: here})
    assert not any(isinstance(step, StartApp) for step in steps)
    assert not running or isinstance(steps[0], StopApp)


@pytest.mark.parametrize("phase", [VolumePhase.READY, VolumePhase.RESTORING])
def test_a_volume_that_an_earlier_wish_left_amid_going_back_is_held_before_another_one_goes(phase: VolumePhase) -> None:
    wanted = Desired(Goal.RUN, E1, V1, {DATA: None, LINK: None}, going_back=GoingBack("new", DATA, changes_app=False))
    volumes = {DATA: SeenVolume(phase, E1), LINK: SeenVolume(VolumePhase.GOING_BACK, E1)}
    steps = plan({NOTES: wanted}, {NOTES: Observed(volumes=volumes)})
    assert [type(step) for step in steps[3:]] == [HoldVolumes, WaitForVolumes, SavePresent, GoBack, StartApp, Snapshot]


@given(wishes, sights)
@settings(max_examples=300)
def test_a_device_that_should_leave_has_left_once_its_plan_is_done(wanted: Desired, seen: Observed) -> None:
    leaving = Desired(Goal.LEAVE, E3, wanted.release, wanted.volumes)
    desired, observed = settle({NOTES: leaving}, {NOTES: seen})
    assert has_left(desired[NOTES], observed[NOTES])


def test_a_new_app_is_fetched_checked_and_held_before_it_starts() -> None:
    wanted = Desired(Goal.RUN, E1, V1, {DATA: None})
    assert plan({NOTES: wanted}, {}) == [
        FetchBundle(NOTES, V1.app_digest),
        CheckApp(NOTES, V1),
        PullImages(NOTES, V1.app_digest),
        HoldVolumes(NOTES, E1),
        WaitForVolumes(NOTES, E1),
        StartApp(NOTES, V1, E1),
        Snapshot(NOTES, E1),
    ]


def test_keys_are_made_first_when_nobody_made_them_yet() -> None:
    assert plan({NOTES: Desired(Goal.RUN, E1, V1, {})}, {})[-1] == MakeKeys(NOTES, E1)
    assert plan({NOTES: Desired(Goal.STOP, E1, V1, {})}, {}) == []


def test_an_app_that_leaves_is_stopped_saved_and_released() -> None:
    wanted = Desired(Goal.LEAVE, E1, V1, {DATA: H1})
    assert plan({NOTES: wanted}, {NOTES: RUNNING}) == [
        StopApp(NOTES),
        FinalSnapshot(NOTES, E1),
        ReleaseVolumes(NOTES, E1),
    ]


def test_a_restore_that_failed_keeps_nothing_back_when_the_app_leaves() -> None:
    wanted = Desired(Goal.LEAVE, E2, V1, {DATA: H1, LINK: H2})
    failed = SeenVolume(VolumePhase.FAILED)
    assert plan({NOTES: wanted}, {NOTES: Observed(volumes={DATA: failed})}) == []
    assert has_left(wanted, Observed(volumes={DATA: failed}))
    beside = Observed(volumes={DATA: failed, LINK: SeenVolume(VolumePhase.READY, E2, H2)})
    assert plan({NOTES: wanted}, {NOTES: beside}) == [ReleaseVolumes(NOTES, E2)]


def test_a_failed_volume_with_older_data_or_a_lease_is_set_aside_and_never_restored_again_to_leave() -> None:
    for failed in (SeenVolume(VolumePhase.FAILED, E2), SeenVolume(VolumePhase.FAILED, None, H1, clean=False)):
        seen = Observed(volumes={DATA: failed})
        for goal, epoch in ((Goal.LEAVE, E2), (Goal.LEAVE, None)):
            assert plan({NOTES: Desired(goal, epoch, V1, {DATA: H2})}, {NOTES: seen}) == [SetAside(NOTES)]
        drop = Desired(Goal.DROP, None, V1, {DATA: H2})
        assert plan({NOTES: drop}, {NOTES: seen}) == [SetAside(NOTES), DiscardData(NOTES)]


def test_a_fenced_app_is_stopped_and_set_aside() -> None:
    assert plan({}, {NOTES: RUNNING}) == [StopApp(NOTES), SetAside(NOTES)]


def test_a_new_epoch_on_the_same_data_does_not_disturb_the_app() -> None:
    wanted = Desired(Goal.RUN, E2, V1, {DATA: H1})
    assert plan({NOTES: wanted}, {NOTES: RUNNING}) == [
        HoldVolumes(NOTES, E2),
        WaitForVolumes(NOTES, E2),
        Snapshot(NOTES, E2),
    ]


def test_a_new_epoch_on_others_data_stops_the_app_before_it_is_restored() -> None:
    wanted = Desired(Goal.RUN, E2, V1, {DATA: H2})
    steps = plan({NOTES: wanted}, {NOTES: RUNNING})
    assert steps[:2] == [StopApp(NOTES), HoldVolumes(NOTES, E2)]
    assert StartApp(NOTES, V1, E2) in steps


def test_a_crashed_service_is_started_again() -> None:
    down = Observed(V1, False, V1.app_digest, V1, True, {DATA: READY})
    assert plan({NOTES: Desired(Goal.RUN, E1, V1, {DATA: H1})}, {NOTES: down}) == [StartApp(NOTES, V1, E1)]


def test_a_restart_that_was_asked_for_happens_once() -> None:
    again = Release(V1.app_digest, 1, restart_count=1)
    desired: Wishes = {NOTES: Desired(Goal.RUN, E1, again, {DATA: H1})}
    steps = plan(desired, {NOTES: RUNNING})
    assert steps == [StopApp(NOTES), CheckApp(NOTES, again), StartApp(NOTES, again, E1)]
    assert plan(*carry_out(steps, desired, {NOTES: RUNNING})) == []


def test_a_device_without_its_epoch_goes_on_running() -> None:
    assert plan({NOTES: Desired(Goal.RUN, None, V1, {DATA: H1})}, {NOTES: RUNNING}) == []


def test_a_target_fetches_checks_and_restores_ahead() -> None:
    wanted = Desired(Goal.PREPARE, None, V1, {DATA: H1, LINK: None})
    assert plan({NOTES: wanted}, {}) == [
        FetchBundle(NOTES, V1.app_digest),
        CheckApp(NOTES, V1),
        PullImages(NOTES, V1.app_digest),
        Prefetch(NOTES),
    ]


def test_a_replaced_copy_is_set_aside_before_it_is_discarded() -> None:
    wanted = Desired(Goal.DROP, None, V1, {DATA: H1})
    assert plan({NOTES: wanted}, {NOTES: RUNNING}) == [StopApp(NOTES), SetAside(NOTES), DiscardData(NOTES)]
    assert plan({NOTES: wanted}, {}) == []


def test_one_app_failing_to_leave_does_not_reorder_another() -> None:
    leaving = Desired(Goal.LEAVE, E1, V1, {DATA: H1})
    coming = Desired(Goal.RUN, E1, V1, {DATA: None})
    steps = plan({NOTES: leaving, BLOG: coming}, {NOTES: RUNNING})
    assert [step.installation for step in steps][:3] == [NOTES, NOTES, NOTES]
