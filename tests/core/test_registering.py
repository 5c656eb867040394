"""Which of a link's sessions has it, whatever the order in which they come."""

from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.epoch import Epoch
from mosaic.core.registering import Again, Asking, Known, New, Superseded, decide

ZERO = Epoch(0, 0)
epochs = st.builds(Epoch, st.integers(0, 1), st.integers(0, 2))
askings = st.builds(Asking, epochs, st.sampled_from("abc"), st.sampled_from([None, "K", "L"]))


def register(known: list[Known], asking: Asking, floor: Epoch = ZERO) -> list[Known]:
    """Return what is known after a link asked."""
    decision = decide(asking, known, floor=floor)
    if not isinstance(decision, New):
        return known
    gone = {*decision.drain, *decision.cut}
    before = [Known(one.id, one.asked, one.ended, one.superseded or one.id in gone) for one in known]
    return [*before, Known(str(len(known)), asking, ended=False, superseded=False)]


@given(st.lists(askings, max_size=12))
def test_one_registration_at_most_has_the_link(story: list[Asking]) -> None:
    known: list[Known] = []
    for asking in story:
        known = register(known, asking)
        assert [one.superseded for one in known] == [True] * (len(known) - 1) + [False]


@given(st.lists(askings, max_size=12))
def test_the_epoch_of_who_has_it_never_falls(story: list[Asking]) -> None:
    known: list[Known] = []
    for asking in story:
        before, known = known, register(known, asking)
        if before:
            assert known[-1].asked.epoch >= before[-1].asked.epoch


@given(st.lists(askings, max_size=12), askings)
def test_asking_twice_is_asking_once(story: list[Asking], asking: Asking) -> None:
    known: list[Known] = []
    for one in story:
        known = register(known, one)
    once = register(known, asking)
    if once != known:
        assert decide(asking, once, floor=ZERO) == Again(once[-1].id)
    assert register(once, asking) == once


def test_a_session_that_was_replaced_never_comes_back() -> None:
    epoch = Epoch(1, 1)
    known = register(register([], Asking(epoch, "a", "K")), Asking(epoch, "b", "L"))
    assert decide(Asking(epoch, "a", "M"), known, floor=ZERO) == Superseded(Epoch(1, 2))
    ended = [Known(one.id, one.asked, ended=True, superseded=one.superseded) for one in known]
    assert isinstance(decide(Asking(epoch, "a", "M"), ended, floor=ZERO), Superseded)
    assert isinstance(decide(Asking(epoch, "b", "L"), ended, floor=ZERO), New), "who left may come again"


def test_a_session_of_the_same_epoch_drains_and_an_earlier_holder_is_cut() -> None:
    known = register([], Asking(Epoch(1, 1), "a", "K"))
    assert decide(Asking(Epoch(1, 1), "b", "L"), known, floor=ZERO) == New(drain=("0",), cut=())
    assert decide(Asking(Epoch(1, 2), "b", "L"), known, floor=ZERO) == New(drain=(), cut=("0",))


@given(epochs, epochs)
def test_nobody_below_the_floor_has_it(floor: Epoch, epoch: Epoch) -> None:
    decision = decide(Asking(epoch, "a", "K"), [], floor=floor)
    assert isinstance(decision, Superseded) == (epoch < floor)
