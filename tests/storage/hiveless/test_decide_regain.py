"""Whether a volume without a Hive may be held: every way in which the log and the ledger can stand to each other."""

from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.epoch import Epoch
from mosaic.core.ids import HeadHash
from mosaic.storage.hiveless.decide_regain import (
    FIRST,
    Behind,
    Claim,
    Claimed,
    Hold,
    Known,
    Lost,
    Newest,
    PutClaim,
    decide_regain,
    is_ours,
)

OURS, BEFORE, CLAIMED, THEIRS = (HeadHash(letter * 64) for letter in "abcd")
SECOND, THIRD = Epoch(1, 2), Epoch(1, 3)

heads = st.sampled_from([OURS, BEFORE, CLAIMED, THEIRS])
epochs = st.builds(Epoch, st.just(1), st.integers(1, 4))
knowns = st.builds(
    Known,
    accepted=st.none() | heads,
    pending=st.none() | heads,
    epoch=st.none() | epochs,
    base=st.none() | heads,
    claim=st.none() | st.builds(Claimed, heads, heads, epochs),
    take_over=st.booleans(),
)
newests = st.none() | st.builds(Newest, heads, epochs)


def test_an_empty_log_is_begun() -> None:
    assert decide_regain(Known(), None) == Hold(FIRST, None)


def test_an_empty_log_that_acknowledged_something_is_not_begun_again() -> None:
    assert decide_regain(Known(accepted=OURS, epoch=FIRST), None) == Behind()


def test_a_machine_goes_on_from_its_own_newest_head() -> None:
    known = Known(accepted=BEFORE, pending=OURS, epoch=SECOND, base=CLAIMED)
    assert decide_regain(known, Newest(OURS, SECOND)) == Hold(SECOND, CLAIMED)
    assert decide_regain(known, Newest(BEFORE, SECOND)) == Hold(SECOND, CLAIMED)


def test_another_machines_head_ends_it_unless_a_person_asked_for_the_volume() -> None:
    known = Known(accepted=OURS, epoch=FIRST)
    assert decide_regain(known, Newest(THEIRS, SECOND)) == Lost()
    assert decide_regain(Known(accepted=OURS, epoch=FIRST, take_over=True), Newest(THEIRS, SECOND)) == Claim()
    assert decide_regain(Known(take_over=True), Newest(THEIRS, SECOND)) == Claim()


def test_a_claim_is_put_again_while_its_slot_may_be_free_and_given_up_when_another_was_faster() -> None:
    known = Known(claim=Claimed(CLAIMED, THEIRS, SECOND), take_over=True)
    assert decide_regain(known, Newest(THEIRS, FIRST)) == PutClaim()
    assert decide_regain(known, Newest(CLAIMED, SECOND)) == Hold(SECOND, CLAIMED)
    assert decide_regain(known, Newest(OURS, FIRST)) == Claim()
    assert decide_regain(known, Newest(OURS, SECOND)) == Lost()
    assert decide_regain(known, Newest(OURS, THIRD)) == Lost()


@given(knowns, newests)
def test_nothing_is_held_but_what_the_log_says_or_an_empty_log_allows(known: Known, newest: Newest | None) -> None:
    match decide_regain(known, newest):
        case Hold(epoch):
            if newest is None:
                assert known.accepted is None
                assert known.claim is None
            else:
                assert newest.head in (known.accepted, known.pending, known.claim.head if known.claim else None)
                assert epoch in (known.epoch, known.claim.epoch if known.claim else None)
        case Claim():
            assert known.take_over
        case _:
            pass


@given(knowns, newests)
def test_a_hold_that_is_confirmed_is_one_that_would_be_begun(known: Known, newest: Newest | None) -> None:
    if is_ours(known, newest):
        assert isinstance(decide_regain(known, newest), Hold)
