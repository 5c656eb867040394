"""The lease's transitions one by one; all of them together are in models/test_lease_machine."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from mosaic.core.epoch import Epoch, parse
from mosaic.core.errors import Conflict, Fenced, MosaicError, Unavailable
from mosaic.core.ids import DeviceId, HeadHash, SessionId, VolumeId
from mosaic.core.lease import (
    AcceptedHead,
    HeadStale,
    HiveBehind,
    Holder,
    Lease,
    LeaseHeld,
    LeaseSuspended,
    OfferedHead,
    accept_head,
    force,
    grant,
    new_lease,
    register_volume,
    release,
    resume,
    revoke,
)
from mosaic.core.rewind import Recollection, RollCall, adopt, fresh_term, hear, knows_more, suspend, waive
from mosaic.core.session import Sessions, SessionSuperseded, admit

DATA = VolumeId("data")
ATTIC = Holder(DeviceId("attic"), SessionId("a1"))
ATTIC_AGAIN = Holder(DeviceId("attic"), SessionId("a2"))
CELLAR = Holder(DeviceId("cellar"), SessionId("c1"))
E1, E2 = Epoch(1, 1), Epoch(1, 2)


def head(seq: int, epoch: Epoch, previous: str | None = None) -> OfferedHead:
    return OfferedHead(HeadHash(f"h{seq}"), HeadHash(previous) if previous else None, seq, epoch)


def held() -> Lease:
    return grant(new_lease({DATA: None}), ATTIC)


def replicated() -> Lease:
    return accept_head(held(), DATA, head(1, E1), by=ATTIC)


def test_a_grant_raises_the_epoch_and_freezes_the_heads() -> None:
    lease = grant(revoke(replicated()), CELLAR)
    assert (lease.epoch, lease.holder, dict(lease.base)) == (E2, CELLAR, {DATA: "h1"})
    assert grant(lease, CELLAR) is lease
    assert grant(revoke(lease), ATTIC, term=9).epoch == Epoch(9, 3)


def test_a_held_lease_is_not_granted_to_another() -> None:
    with pytest.raises(LeaseHeld, match="attic"):
        grant(held(), CELLAR)
    assert force(held(), CELLAR).holder == CELLAR
    assert force(held(), ATTIC) == held()


def test_a_new_session_resumes_and_fences_the_older() -> None:
    lease = resume(replicated(), ATTIC_AGAIN)
    assert (lease.epoch, lease.holder) == (E2, ATTIC_AGAIN)
    assert resume(lease, ATTIC_AGAIN) is lease
    with pytest.raises(Fenced):
        accept_head(lease, DATA, head(2, E1, "h1"), by=ATTIC)
    for other in (lease, revoke(lease)):
        with pytest.raises(Fenced):
            resume(other, CELLAR)


def test_a_head_is_accepted_once_and_again_after_a_lost_reply() -> None:
    lease = replicated()
    assert lease.newest[DATA] == AcceptedHead(HeadHash("h1"), 1, E1)
    assert accept_head(lease, DATA, head(1, E1), by=ATTIC) is lease
    assert accept_head(grant(revoke(lease), CELLAR), DATA, head(1, E1), by=ATTIC).holder == CELLAR


@pytest.mark.parametrize(
    ("lease", "offered", "by", "refusal"),
    [
        (replicated(), head(2, E1), ATTIC, HeadStale),
        (replicated(), head(3, E1, "h1"), ATTIC, HeadStale),
        (held(), head(2, E1, "h1"), ATTIC, HeadStale),
        (replicated(), head(2, E1, "h1"), CELLAR, Fenced),
        (replicated(), head(2, E1, "h1"), ATTIC_AGAIN, Fenced),
        (grant(revoke(replicated()), CELLAR), head(2, E1, "h1"), ATTIC, Fenced),
        (revoke(replicated()), head(2, E1, "h1"), ATTIC, LeaseSuspended),
        (replicated(), head(2, E2, "h1"), ATTIC, HiveBehind),
    ],
)
def test_any_other_head_is_refused(lease: Lease, offered: OfferedHead, by: Holder, refusal: type[MosaicError]) -> None:
    with pytest.raises(refusal) as refused:
        accept_head(lease, DATA, offered, by=by)
    assert refused.value.hint


def test_a_head_of_a_volume_that_nobody_registered_is_refused() -> None:
    with pytest.raises(HeadStale):
        accept_head(held(), VolumeId("other"), head(1, E1), by=ATTIC)


def test_only_the_holder_registers_volumes() -> None:
    link = VolumeId("link")
    lease = register_volume(held(), link, by=ATTIC, epoch=E1)
    assert lease.newest[link] is None and lease.base[link] is None
    assert register_volume(lease, link, by=ATTIC, epoch=E1) is lease
    with pytest.raises(Fenced):
        register_volume(lease, VolumeId("more"), by=CELLAR, epoch=E1)


def test_a_release_needs_the_last_snapshot() -> None:
    lease = replicated()
    for heads in ({}, {DATA: None}, {DATA: HeadHash("h2")}):
        with pytest.raises(HeadStale):
            release(lease, heads, by=ATTIC, epoch=E1)
    released = release(lease, {DATA: HeadHash("h1")}, by=ATTIC, epoch=E1)
    assert released.holder is None and released.released
    assert release(released, {}, by=ATTIC, epoch=E1) is released
    assert not revoke(lease).released
    assert release(held(), {DATA: None}, by=ATTIC, epoch=E1).released


def test_what_is_only_suspended_is_retried_and_never_a_fence() -> None:
    for refusal in (LeaseSuspended, HiveBehind):
        assert issubclass(refusal, Unavailable)
        assert not issubclass(refusal, Conflict)


def test_an_older_session_does_not_come_back() -> None:
    once = admit(Sessions(), SessionId("a1"))
    twice = admit(once, SessionId("a2"))
    assert admit(twice, SessionId("a2")) == twice
    with pytest.raises(SessionSuperseded):
        admit(twice, SessionId("a1"))


def test_no_two_runs_of_a_hive_take_the_same_term() -> None:
    terms = {fresh_term([1], salt) for salt in range(100)}
    assert len(terms) == 100 and min(terms) > 1
    assert fresh_term([max(terms)], 0) > max(terms)
    assert fresh_term([], 2**40 + 7) == 2**32 + 7


def report(device: str, epoch: Epoch, *heads: OfferedHead, is_held: bool = False) -> Recollection:
    return Recollection(DeviceId(device), epoch, is_held, {DATA: heads} if heads else {})


def test_a_hive_notices_that_it_lost_some_of_its_past() -> None:
    lease = suspend(replicated())
    assert not knows_more(lease, report("attic", E1, head(1, E1)))
    assert knows_more(lease, report("attic", E2))
    assert knows_more(lease, report("attic", E1, head(1, E1), head(2, E1, "h1")))
    assert knows_more(new_lease({DATA: None}), report("attic", Epoch(1, 0), head(1, E1)))


def test_grants_wait_until_all_have_reported_or_were_waived() -> None:
    attic, cellar = DeviceId("attic"), DeviceId("cellar")
    roll = RollCall(False, frozenset([attic, cellar]))
    assert not roll.frozen
    roll = hear(roll, attic, more=True)
    assert roll.frozen
    assert not hear(roll, cellar, more=False).frozen
    assert not waive(roll, cellar).frozen


def test_the_longest_valid_chain_is_adopted_and_the_term_raised() -> None:
    mine = suspend(replicated())
    longer = report("attic", E1, head(1, E1), head(2, E1, "h1"), is_held=True)
    latest = report("cellar", E2, head(2, E2, "h1"), head(3, E2, "h2"), is_held=True)
    adopted = adopt(mine, [longer, latest], term=7)
    assert adopted.lease.newest[DATA] == AcceptedHead(HeadHash("h3"), 3, E2)
    assert (adopted.lease.epoch, adopted.claimant) == (Epoch(7, 2), "cellar")
    assert grant(adopted.lease, ATTIC, term=7).epoch == Epoch(7, 3)


def test_a_chain_that_contradicts_the_hive_is_not_adopted() -> None:
    mine = suspend(replicated())
    forked = report("attic", E1, head(2, E1, "other"), head(3, E1, "h2"))
    broken = report("cellar", E1, head(1, E1), head(3, E1, "h1"))
    empty = Recollection(DeviceId("den"), E1, True, {DATA: ()})
    adopted = adopt(mine, [forked, broken, empty], term=2)
    assert adopted.lease.newest == mine.newest
    assert adopted.claimant == "den"
    assert adopt(mine, [report("a", E1, is_held=True), report("b", E1, is_held=True)], term=2).claimant is None


def test_a_chain_that_begins_above_the_hives_newest_head_is_adopted_unless_its_epoch_is_older() -> None:
    mine = suspend(replicated())
    above = report("attic", E2, head(5, E2, "h4"), head(6, E2, "h5"), is_held=True)
    assert adopt(mine, [above], term=7).lease.newest[DATA] == AcceptedHead(HeadHash("h6"), 6, E2)
    later = replace(mine, newest={DATA: AcceptedHead(HeadHash("h2"), 2, E2)}, epoch=E2)
    older = report("attic", E1, head(5, E1, "h4"), head(6, E1, "h5"))
    assert adopt(later, [older], term=7).lease.newest == later.newest


@pytest.mark.parametrize("read", ["", "1", "1.", ".1", "1.x", "-1.1", "1.2.3"])
def test_what_is_no_epoch_is_refused(read: str) -> None:
    with pytest.raises(ValueError, match="not an epoch"):
        parse(read)


def test_epochs_are_read_as_written_and_ordered() -> None:
    assert parse(str(Epoch(2, 10))) == Epoch(2, 10)
    following: Callable[[], Epoch] = Epoch(2, 10).next
    assert Epoch(1, 99) < Epoch(2, 1) < following()


def test_what_was_released_stays_released_unless_somebody_tells_of_something_later() -> None:
    given_back = release(replicated(), {DATA: HeadHash("h1")}, by=ATTIC, epoch=E1)
    same = report("attic", E1, head(1, E1))
    for reports in ([], [same], [same, report("cellar", Epoch(1, 0))]):
        assert adopt(given_back, reports, term=7).lease.released
    later = [
        report("cellar", E2),
        report("attic", E1, head(1, E1), head(2, E1, "h1")),
        report("attic", E1, head(1, E1), is_held=True),
    ]
    for one in later:
        assert not adopt(given_back, [same, one], term=7).lease.released
    assert not adopt(suspend(replicated()), [same], term=7).lease.released
