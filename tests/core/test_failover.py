"""Single decisions about where an installation is; whole stories are in models/test_failover_model."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from mosaic.core.errors import Conflict
from mosaic.core.failover import Assigned, Report, advance
from mosaic.core.goal import Goal
from mosaic.core.ids import DeviceId, SessionId, VolumeId
from mosaic.core.lease import Holder, grant, new_lease, revoke
from mosaic.core.placement import (
    AlreadyThere,
    InTrash,
    Moving,
    NotInTrash,
    Phase,
    Placement,
    Wish,
    cancel_move,
    force_from_trash,
    force_move,
    install,
    move,
    restore_from_trash,
    uninstall,
    want,
)

ATTIC, CELLAR, DEN = DeviceId("attic"), DeviceId("cellar"), DeviceId("den")
HERE = Report(SessionId("s1"), 0)
SETTLED = replace(install(new_lease({}), ATTIC, 0), phase=Phase.SETTLED)
MOVING = move(SETTLED, CELLAR, 1)
DRAINING = replace(MOVING, phase=Phase.DRAINING)
ARRIVING = replace(MOVING, phase=Phase.ARRIVING, home=CELLAR, other=ATTIC)
TRASHED = uninstall(SETTLED, 1)

Request = Callable[[Placement], Placement]


@pytest.mark.parametrize(
    ("request_", "at", "refusal"),
    [
        (lambda at: move(at, ATTIC, 2), SETTLED, AlreadyThere),
        (lambda at: move(at, DEN, 2), MOVING, Moving),
        (lambda at: move(at, DEN, 2), ARRIVING, Moving),
        (lambda at: move(at, DEN, 2), TRASHED, InTrash),
        (lambda at: force_move(at, DEN, 2), TRASHED, InTrash),
        (lambda at: want(at, Wish.STOP), TRASHED, InTrash),
        (lambda at: cancel_move(at, 2), SETTLED, Moving),
        (lambda at: restore_from_trash(at, DEN, 2), SETTLED, NotInTrash),
        (lambda at: force_from_trash(at, DEN, 2), SETTLED, NotInTrash),
        (lambda at: restore_from_trash(at, DEN, 2), replace(TRASHED, lease=revoke(grant(
            TRASHED.lease, Holder(ATTIC, SessionId("s"))))), Moving),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_a_hint(request_: Request, at: Placement, refusal: type[Conflict]) -> None:
    with pytest.raises(refusal) as refused:
        request_(at)
    assert refused.value.hint


def test_asking_twice_changes_nothing() -> None:
    assert move(MOVING, CELLAR, 9) is MOVING
    assert force_move(SETTLED, ATTIC, 9) is SETTLED
    assert want(SETTLED, Wish.RUN) is SETTLED
    assert uninstall(TRASHED, 9) is TRASHED


def test_a_cancelled_move_comes_back_home() -> None:
    assert (cancel_move(DRAINING, 2).phase, cancel_move(DRAINING, 2).home) == (Phase.ARRIVING, ATTIC)
    back = cancel_move(ARRIVING, 2)
    assert (back.phase, back.returning, back.other) == (Phase.DRAINING, True, ATTIC)


def test_a_lease_in_the_wrong_hands_is_taken_back() -> None:
    wrong = replace(SETTLED, lease=grant(SETTLED.lease, Holder(DEN, SessionId("d"))))
    outcome = advance(wrong, {ATTIC: HERE}, 0)
    assert outcome.placement.lease.holder == Holder(ATTIC, SessionId("s1"))
    assert outcome.goals == {ATTIC: Assigned(Goal.RUN, outcome.placement.lease.epoch)}


def test_nothing_is_granted_while_grants_are_frozen() -> None:
    outcome = advance(SETTLED, {ATTIC: HERE}, 0, frozen=True)
    assert outcome.placement.lease.holder is None
    assert outcome.goals == {ATTIC: Assigned(Goal.RUN)}


def test_a_device_that_must_leave_and_waits_for_its_epoch_only_stops() -> None:
    lost = replace(DRAINING, lease=revoke(grant(DRAINING.lease, Holder(ATTIC, SessionId("s0")))))
    assert advance(lost, {}, 0).goals[ATTIC] == Assigned(Goal.STOP)
    assert advance(lost, {ATTIC: HERE}, 0).goals[ATTIC].goal is Goal.LEAVE


def test_somebody_else_with_data_leaves_it_until_the_move_is_settled() -> None:
    keeper = replace(HERE, keeps_data=True)
    assert advance(ARRIVING, {CELLAR: HERE, DEN: keeper}, 0).goals[DEN] == Assigned(Goal.LEAVE)
    assert advance(SETTLED, {ATTIC: HERE, DEN: keeper}, 0).goals[DEN] == Assigned(Goal.DROP)


def test_an_old_answer_does_not_end_a_new_move() -> None:
    stale = replace(HERE, answers=MOVING.revision - 1, problem="disk full")
    assert advance(MOVING, {CELLAR: stale}, 2).placement.phase is Phase.PREPARING
    fresh = advance(MOVING, {CELLAR: replace(stale, answers=MOVING.revision)}, 2).placement
    assert (fresh.problem, fresh.home) == ("disk full", ATTIC)


def test_health_under_another_epoch_or_session_does_not_count() -> None:
    held = advance(ARRIVING, {CELLAR: HERE}, 0).placement
    well = replace(HERE, healthy=True, ready=True, epoch=held.lease.epoch)
    assert advance(held, {CELLAR: well}, 0).placement.phase is Phase.SETTLED
    for other in (replace(well, epoch=held.lease.epoch.next()), replace(well, ready=False)):
        assert advance(held, {CELLAR: other}, 0).placement.phase is Phase.ARRIVING


def test_a_release_without_the_last_snapshot_is_not_taken() -> None:
    volume = VolumeId("data")
    held = advance(replace(DRAINING, lease=new_lease({volume: None})), {ATTIC: HERE}, 0).placement
    assert held.phase is Phase.ARRIVING, "a lease that nobody ever held has nothing to drain"
    lease = grant(new_lease({volume: None}), Holder(ATTIC, SessionId("s1")))
    early = replace(HERE, released=True, epoch=lease.epoch.next())
    assert advance(replace(DRAINING, lease=lease), {ATTIC: early}, 0).placement.phase is Phase.DRAINING


def test_a_failed_return_stays_where_it_is_and_says_why() -> None:
    alone = replace(ARRIVING, other=None)
    failed = advance(alone, {CELLAR: replace(HERE, answers=alone.revision, problem="port taken")}, 0).placement
    assert (failed.phase, failed.problem) == (Phase.ARRIVING, "port taken")


def test_a_return_from_a_device_that_vanished_does_not_wait_for_it() -> None:
    back = cancel_move(ARRIVING, 0)
    held = replace(back, lease=grant(back.lease, Holder(CELLAR, SessionId("c"))))
    assert advance(held, {}, 10**9).placement.phase is Phase.DRAINING
    after = advance(held, {}, 400 * 10**9).placement
    assert (after.phase, after.home, after.other) == (Phase.ARRIVING, ATTIC, None)
