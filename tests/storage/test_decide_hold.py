"""What a grant means for local data: kept only when it goes on from the granted head."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.epoch import Epoch
from mosaic.core.ids import HeadHash
from mosaic.storage.decide_hold import (
    Asked,
    DataExpected,
    EpochIsOld,
    Facts,
    HoldDecision,
    Keep,
    LocalData,
    MakeEmpty,
    Restore,
    RestoreNewest,
    StillMounted,
    decide_hold,
)

H1, H2, H3 = HeadHash("1" * 64), HeadHash("2" * 64), HeadHash("3" * 64)
E1, E2, E3 = Epoch(1, 1), Epoch(1, 2), Epoch(1, 3)

epochs = st.builds(Epoch, st.integers(1, 2), st.integers(1, 4))
heads = st.none() | st.sampled_from([H1, H2, H3])
local_data = st.builds(LocalData, st.booleans(), heads, heads, st.none() | epochs, heads)
facts = st.builds(
    Facts,
    epochs,
    st.none() | epochs,
    st.none() | local_data,
    st.integers(0, 2),
    st.booleans(),
    st.none() | epochs,
)
grants = st.builds(Asked, epochs, heads, st.booleans())


def ours(accepted: HeadHash | None, pending: HeadHash | None = None, *, base: HeadHash | None = None) -> LocalData:
    return LocalData(known=True, accepted=accepted, pending=pending, written_in=E1, written_base=base)


def here(local: LocalData | None, mounts: int = 0) -> Facts:
    return Facts(highest=E1, fenced=None, local=local, mounts=mounts)


def test_data_whose_newest_head_was_granted_is_kept() -> None:
    assert decide_hold(Asked(E2, H1, False), here(ours(H1))) == Keep("refused")


def test_a_head_whose_reply_was_lost_is_known_to_be_accepted_when_it_is_granted() -> None:
    assert decide_hold(Asked(E2, H2, False), here(ours(H1, H2))) == Keep("accepted")


def test_a_grant_repeated_after_more_snapshots_changes_nothing() -> None:
    assert decide_hold(Asked(E1, H1, False), here(ours(H3, base=H1), mounts=2)) == Keep("open")


def test_data_that_somebody_else_went_beyond_is_replaced() -> None:
    assert decide_hold(Asked(E2, H2, False), here(ours(H1))) == Restore(H2)


def test_data_that_the_ledger_does_not_know_is_never_kept() -> None:
    stranger = LocalData(known=False, accepted=H1, pending=None, written_in=E1, written_base=H1)
    assert decide_hold(Asked(E1, H1, False), here(stranger)) == Restore(H1)


def test_nothing_is_made_where_data_is_expected() -> None:
    with pytest.raises(DataExpected, match="should have data"):
        decide_hold(Asked(E2, None, True), here(None))
    assert decide_hold(Asked(E2, None, False), here(None)) == MakeEmpty()


def test_data_in_use_is_not_replaced() -> None:
    with pytest.raises(StillMounted, match="2 mounts"):
        decide_hold(Asked(E2, H2, False), here(ours(H1), mounts=2))


def test_an_epoch_that_was_lost_is_not_held_again() -> None:
    with pytest.raises(EpochIsOld):
        decide_hold(Asked(E1, H1, False), Facts(E1, E1, ours(H1), 0))


@given(grants, facts)
def test_an_older_epoch_is_always_refused(asked: Asked, seen: Facts) -> None:
    if asked.epoch < seen.highest or (seen.fenced is not None and asked.epoch <= seen.fenced):
        with pytest.raises(EpochIsOld):
            decide_hold(asked, seen)


@given(grants, facts)
def test_data_is_kept_only_if_it_goes_on_from_the_base(asked: Asked, seen: Facts) -> None:
    decision = decided(asked, seen)
    if isinstance(decision, Keep):
        assert seen.local is not None
        assert seen.local.known
        lineage = {seen.local.accepted, seen.local.pending}
        assert asked.base in lineage or (seen.local.written_in, seen.local.written_base) == (asked.epoch, asked.base)


@given(grants, facts)
def test_an_empty_volume_is_made_only_where_nothing_ever_was(asked: Asked, seen: Facts) -> None:
    if decided(asked, seen) == MakeEmpty():
        assert asked.base is None
        assert not asked.expect_data


@given(grants, facts)
def test_what_was_lost_within_an_epoch_is_never_replaced_by_what_its_grant_froze(asked: Asked, seen: Facts) -> None:
    if seen.ready_in == asked.epoch:
        assert isinstance(decided(asked, seen), Keep | RestoreNewest | None)


@given(grants, facts)
def test_nothing_in_use_is_taken_away(asked: Asked, seen: Facts) -> None:
    if seen.local is not None and seen.mounts:
        assert isinstance(decided(asked, seen), Keep | None)


@given(grants, facts)
def test_what_was_kept_is_kept_when_the_grant_comes_again(asked: Asked, seen: Facts) -> None:
    decision = decided(asked, seen)
    if isinstance(decision, Keep):
        assert seen.local is not None
        written = (
            (seen.local.written_in, seen.local.written_base)
            if seen.local.written_in == asked.epoch
            else (asked.epoch, asked.base)
        )
        accepted = seen.local.pending if decision.pending == "accepted" else seen.local.accepted
        pending = seen.local.pending if decision.pending == "open" else None
        after = Facts(asked.epoch, seen.fenced, LocalData(True, accepted, pending, *written), seen.mounts)
        assert decided(asked, after) == Keep("open")


def decided(asked: Asked, seen: Facts) -> HoldDecision | None:
    with contextlib.suppress(EpochIsOld, DataExpected, StillMounted):
        return decide_hold(asked, seen)
    return None


def test_data_that_was_here_and_is_gone_is_not_made_anew() -> None:
    with pytest.raises(DataExpected):
        decide_hold(Asked(E2, None, False), Facts(E1, None, None, 0, had_data=True))
