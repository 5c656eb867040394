"""What became of a head that was sent."""

from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.epoch import Epoch
from mosaic.core.ids import HeadHash
from mosaic.storage.decide_commit import Acknowledge, AskLater, GiveWay, Place, SendAgain, resolve

P = HeadHash("9" * 64)
OLDER = Place(HeadHash("1" * 64), Epoch(1, 1), 1)
LAST = Place(HeadHash("2" * 64), Epoch(1, 2), 2)
OTHERS = Place(HeadHash("3" * 64), Epoch(1, 3), 3)

places = st.none() | st.builds(
    Place,
    st.sampled_from([P, LAST.head, OTHERS.head]),
    st.builds(Epoch, st.just(1), st.integers(1, 3)),
    st.integers(1, 4),
)


def test_the_newest_head_was_accepted() -> None:
    assert resolve(P, previous=LAST, newest=Place(P, Epoch(1, 2), 3)) == Acknowledge()


def test_a_head_that_never_arrived_is_sent_again() -> None:
    assert resolve(P, previous=LAST, newest=LAST) == SendAgain()
    assert resolve(P, previous=None, newest=None) == SendAgain()


def test_a_head_of_somebody_else_means_to_give_way() -> None:
    assert resolve(P, previous=LAST, newest=OTHERS) == GiveWay()
    assert resolve(P, previous=None, newest=OTHERS) == GiveWay()


def test_a_hive_that_went_back_in_time_is_not_taken_for_a_fence() -> None:
    assert resolve(P, previous=LAST, newest=OLDER) == AskLater()
    assert resolve(P, previous=LAST, newest=None) == AskLater()


@given(st.none() | st.just(LAST), places)
def test_a_head_is_acknowledged_only_when_it_is_the_newest(previous: Place | None, newest: Place | None) -> None:
    acknowledged = resolve(P, previous=previous, newest=newest) == Acknowledge()
    assert acknowledged == (newest is not None and newest.head == P)
