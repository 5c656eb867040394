"""What becomes of the apps of a Device that is being removed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core import lease, placement
from mosaic.core.ids import DeviceId, InstallationId, SessionId
from mosaic.core.lease import Holder
from mosaic.core.leaving import Candidate, assign, has_left, step, step_by_force
from mosaic.core.placement import Phase, Placement, Wish

ATTIC, CELLAR, BARN = DeviceId("attic"), DeviceId("cellar"), DeviceId("barn")
HELD = lease.grant(lease.new_lease({}), Holder(ATTIC, SessionId("s")), term=1)


def at_home(phase: Phase = Phase.SETTLED) -> Placement:
    return Placement(HELD, ATTIC, phase, Wish.RUN, 0)


@given(
    apps=st.lists(st.text("abc", min_size=1).map(InstallationId), unique=True, max_size=8),
    loads=st.lists(st.integers(0, 5), min_size=1, max_size=4),
)
def test_every_app_goes_somewhere_and_nobody_gets_two_more_than_another(
    apps: list[InstallationId], loads: list[int]
) -> None:
    candidates = [Candidate(DeviceId(f"d{at}"), f"d{at}", load) for at, load in enumerate(loads)]
    chosen = assign(apps, candidates)
    assert list(chosen) == apps
    after = {each.device: each.apps + list(chosen.values()).count(each.device) for each in candidates}
    got = [after[each] for each in set(chosen.values()) if each is not None]
    assert not got or max(got) <= min(after.values()) + 1


def test_without_anybody_else_everything_is_stopped() -> None:
    assert assign([InstallationId("notes")], []) == {InstallationId("notes"): None}


@pytest.mark.parametrize("phase", [Phase.SETTLED, Phase.CONFIRMING, Phase.ARRIVING])
def test_an_app_at_home_moves_or_is_parked(phase: Phase) -> None:
    moved = step(at_home(phase), ATTIC, CELLAR, 1)
    assert (moved.phase, moved.other, moved.home) == (Phase.PREPARING, CELLAR, ATTIC)
    parked = step(at_home(phase), ATTIC, None, 1)
    assert placement.is_parked(parked)
    assert not has_left(parked, ATTIC)
    assert step(parked, ATTIC, None, 2) == parked


def test_one_whose_move_failed_is_left_alone() -> None:
    assert step(at_home(), ATTIC, CELLAR, 1, has_failed=True) == at_home()


def test_what_is_on_its_way_here_is_called_back() -> None:
    coming = placement.move(Placement(HELD, BARN, Phase.SETTLED, Wish.RUN, 0), ATTIC, 0)
    back = step(coming, ATTIC, None, 1)
    assert (back.home, back.other, back.phase) == (BARN, None, Phase.ARRIVING)
    assert has_left(back, ATTIC)


@pytest.mark.parametrize("target", [CELLAR, None])
def test_by_force_nobody_waits_for_the_device(target: DeviceId | None) -> None:
    taken = step_by_force(at_home(), ATTIC, target, 1)
    assert taken.lease.holder is None
    assert taken.home == (target or ATTIC)
    assert placement.is_parked(taken) == (target is None)
