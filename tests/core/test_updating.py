"""Another version of an app is tried so that its failure costs nothing, whatever a Device finds."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.fake_device import Sights, Wishes, carry_out
from core.test_reconcile import DATA, E1, E2, E3, H1, LINK, NOTES, RUNNING, V1, V2, sights, wishes
from mosaic.core.goal import Goal
from mosaic.core.reconcile import Desired, GoingBack, Observed, plan
from mosaic.core.steps import (
    BeginTrial,
    CheckUpdate,
    CloseEntrance,
    FetchUpdate,
    HoldVolumes,
    KeepTrial,
    OpenEntrance,
    PullUpdate,
    SaveAhead,
    SaveForTrial,
    SetAside,
    StartApp,
    Step,
    StopApp,
    TryUpdate,
    UndoTrial,
    WaitForVolumes,
)
from mosaic.core.updating import SeenUpdate, Update, trial_id

pytestmark = pytest.mark.long

WISH = Update("wish", V2)
ROUNDS = 6

provided_updates = st.builds(
    SeenUpdate,
    id=st.just("wish"),
    bundle=st.just(V2.app_digest),
    checked=st.just(V2),
    images=st.just(True),
    closed=st.booleans(),
)
noted = provided_updates | st.builds(
    SeenUpdate,
    id=st.sampled_from(["", "wish", "older"]),
    bundle=st.sampled_from([None, V1.app_digest, V2.app_digest]),
    checked=st.sampled_from([None, V1, V2]),
    images=st.booleans(),
    over=st.booleans(),
    closed=st.booleans(),
    taken=st.sampled_from(["", "older"]),
)
trials = st.sampled_from([None, trial_id("wish", 1), trial_id("older", 2)])


@st.composite
def amid_an_update(draw: st.DrawFn) -> tuple[Desired, Observed]:
    """Return any wish for an app, and any sight of it with an update begun, under way, over or given up."""
    wanted = replace(draw(wishes), update=draw(st.sampled_from([None, WISH])))
    seen = draw(sights)
    trial = draw(trials)
    volumes = {
        name: replace(volume, trial=trial if draw(st.booleans()) else None) for name, volume in seen.volumes.items()
    }
    return wanted, replace(seen, volumes=volumes, update=draw(noted), ailing=draw(st.booleans()))


def settled(wanted: Desired, seen: Observed, *, is_well: bool = True) -> tuple[Wishes, Sights, list[Step]]:
    """Carry out plan after plan; return what is wanted and seen then, and all steps."""
    desired: Wishes = {NOTES: wanted}
    observed: Sights = {NOTES: seen}
    taken: list[Step] = []
    for _ in range(ROUNDS):
        steps = plan(desired, observed)
        taken += steps
        desired, observed = carry_out(steps, desired, observed, is_well=is_well)
    return desired, observed, taken


@given(amid_an_update(), st.booleans())
def test_carrying_out_plan_after_plan_leaves_nothing_to_do(given_: tuple[Desired, Observed], well: bool) -> None:
    desired, observed, _ = settled(*given_, is_well=well)
    assert plan(desired, observed) == []


@given(amid_an_update(), st.booleans(), st.integers(0, 20))
def test_an_update_may_be_cut_short_after_any_step(given_: tuple[Desired, Observed], well: bool, cut: int) -> None:
    desired: Wishes = {NOTES: given_[0]}
    observed: Sights = {NOTES: given_[1]}
    for _ in range(2):
        desired, observed = carry_out(plan(desired, observed)[:cut], desired, observed, is_well=well)
    here = observed.get(NOTES, Observed())
    desired, observed, _ = settled(desired[NOTES], here, is_well=well)
    assert plan(desired, observed) == []


@given(amid_an_update(), st.booleans())
def test_no_version_but_the_one_that_is_tried_runs_in_its_trial(given_: tuple[Desired, Observed], well: bool) -> None:
    # Held by the assertions of the paper Device before TryUpdate and StartApp.
    _, observed, steps = settled(*given_, is_well=well)
    tried = [step for step in steps if isinstance(step, TryUpdate)]
    assert len(tried) <= 1
    assert not any(volume.trial for volume in observed.get(NOTES, Observed()).volumes.values()) or (
        given_[0].goal is Goal.RUN and given_[0].epoch is None
    )


@given(amid_an_update())
def test_after_a_failure_the_version_before_runs_on_the_data_before(given_: tuple[Desired, Observed]) -> None:
    wanted = replace(given_[0], goal=Goal.RUN, epoch=E3, volumes={DATA: H1}, going_back=None, update=WISH)
    _, observed, steps = settled(wanted, given_[1], is_well=False)
    here = observed[NOTES]
    assert (here.containers, here.running) == (wanted.release, True)
    if any(isinstance(step, TryUpdate) for step in steps):
        after = steps[[isinstance(step, TryUpdate) for step in steps].index(True) + 1 :]
        assert isinstance(after[0], StopApp) and isinstance(after[1], UndoTrial)


@given(amid_an_update(), st.booleans())
def test_the_entrance_of_an_app_that_is_at_rest_is_open(given_: tuple[Desired, Observed], well: bool) -> None:
    wanted = replace(given_[0], epoch=E3, goal=Goal.RUN if given_[0].goal is Goal.RUN else Goal.STOP)
    _, observed, _ = settled(replace(wanted, volumes={DATA: H1, LINK: None}), given_[1], is_well=well)
    assert not observed[NOTES].update.closed


@given(amid_an_update())
def test_a_trial_is_undone_before_anything_else_needs_the_volume(given_: tuple[Desired, Observed]) -> None:
    wanted, seen = given_
    if wanted.goal is Goal.RUN:
        return
    steps = plan({NOTES: wanted}, {NOTES: seen})
    if any(volume.trial for volume in seen.volumes.values()):
        rest = [step for step in steps if not isinstance(step, StopApp)]
        assert len(rest) == 1 and isinstance(rest[0], KeepTrial | UndoTrial)


@given(amid_an_update(), st.booleans())
def test_what_counts_is_never_undone(given_: tuple[Desired, Observed], well: bool) -> None:
    wanted, seen = given_
    taken = replace(seen.update, taken="older", closed=False)
    volumes = {name: replace(volume, trial=trial_id("older", 2)) for name, volume in seen.volumes.items()}
    steps = plan({NOTES: wanted}, {NOTES: replace(seen, update=taken, volumes=volumes)})
    assert not any(isinstance(step, UndoTrial) for step in steps)


def provided(**changes: object) -> SeenUpdate:
    here = SeenUpdate("wish", V2.app_digest, V2, True)
    return replace(here, **changes)  # type: ignore[arg-type]  # each name and type is SeenUpdate's own


def wished(goal: Goal = Goal.RUN) -> Desired:
    return Desired(goal, E1, V1, {DATA: H1}, update=WISH)


def test_the_new_version_is_brought_here_while_the_one_before_runs() -> None:
    assert plan({NOTES: wished()}, {NOTES: RUNNING}) == [
        FetchUpdate(NOTES, V2.app_digest),
        CheckUpdate(NOTES, V2),
        PullUpdate(NOTES, V2.app_digest),
        SaveAhead(NOTES, E1),
        CloseEntrance(NOTES),
    ]


def test_then_the_app_is_stopped_and_saved_before_the_trial_begins() -> None:
    seen = replace(RUNNING, update=provided(closed=True))
    assert plan({NOTES: wished()}, {NOTES: seen}) == [
        StopApp(NOTES),
        SaveForTrial(NOTES, E1),
        BeginTrial(NOTES, E1),
        TryUpdate(NOTES, V2, E1),
    ]


def test_a_stopped_app_gets_its_new_version_fetched_and_is_not_touched() -> None:
    seen = replace(RUNNING, containers=None, running=False)
    steps = plan({NOTES: wished(Goal.STOP)}, {NOTES: seen})
    assert [type(step) for step in steps] == [FetchUpdate, CheckUpdate, PullUpdate]
    assert plan({NOTES: wished(Goal.STOP)}, {NOTES: replace(seen, update=provided())}) == []


def test_where_the_present_stayed_though_an_earlier_state_was_wanted_a_new_version_is_fetched_and_no_more() -> None:
    stayed = replace(RUNNING.volumes[DATA], went_back="new", failed_back=True)
    wanted = replace(wished(), going_back=GoingBack("new", DATA, changes_app=True))
    down = replace(RUNNING, containers=None, running=False, volumes={DATA: stayed})
    assert [type(step) for step in plan({NOTES: wanted}, {NOTES: down})] == [FetchUpdate, CheckUpdate, PullUpdate]
    assert plan({NOTES: wanted}, {NOTES: replace(down, update=provided())}) == []


def test_an_app_that_cannot_be_started_is_not_kept_from_the_version_that_may_mend_it() -> None:
    down = replace(RUNNING, running=False, update=provided())
    assert plan({NOTES: wished()}, {NOTES: down})[0] == StartApp(NOTES, V1, E1)
    assert plan({NOTES: wished()}, {NOTES: replace(down, ailing=True)}) == [SaveAhead(NOTES, E1), CloseEntrance(NOTES)]


def test_no_snapshot_is_waited_for_in_a_trial() -> None:
    under_way = replace(RUNNING.volumes[DATA], trial=trial_id("wish", 1), proved=False)
    seen = replace(RUNNING, containers=V2, volumes={DATA: under_way}, update=provided(closed=True))
    steps = plan({NOTES: replace(wished(), epoch=E2)}, {NOTES: seen})
    assert steps == [HoldVolumes(NOTES, E2), WaitForVolumes(NOTES, E2)]
    held = replace(seen, volumes={DATA: replace(under_way, epoch=E2)})
    assert plan({NOTES: replace(wished(), epoch=E2)}, {NOTES: held}) == [TryUpdate(NOTES, V2, E2)]


def test_a_version_that_counts_opens_the_entrance_once_its_data_does() -> None:
    under_way = replace(RUNNING.volumes[DATA], trial=trial_id("wish", 1))
    over = provided(over=True, taken="wish", closed=True)
    seen = Observed(V2, True, V2.app_digest, V2, True, {DATA: under_way}, over)
    wanted = Desired(Goal.RUN, E1, V2, {DATA: H1})
    assert plan({NOTES: wanted}, {NOTES: seen}) == [KeepTrial(NOTES)]
    kept = replace(seen, volumes=RUNNING.volumes)
    assert plan({NOTES: wanted}, {NOTES: kept}) == [OpenEntrance(NOTES)]


def test_a_fenced_device_undoes_its_trial_before_it_sets_the_rest_aside() -> None:
    under_way = replace(RUNNING.volumes[DATA], trial=trial_id("wish", 1))
    seen = replace(RUNNING, containers=V2, volumes={DATA: under_way}, update=provided(closed=True))
    assert plan({}, {NOTES: seen}) == [StopApp(NOTES), UndoTrial(NOTES)]
    undone = replace(seen, containers=None, running=False, volumes=RUNNING.volumes)
    assert plan({}, {NOTES: undone}) == [SetAside(NOTES)]
