"""Whose a domain is: what proves it, and how long a proof that is gone is waited for."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.domain_name import DomainNameUnusable
from mosaic.core.name_proof import (
    DAY_NS,
    GRACE_NS,
    HOUR_NS,
    UNPROVED_NS,
    WARNING_NS,
    Claim,
    Evidence,
    Told,
    Verdict,
    begin,
    challenge_name,
    challenge_value,
    judge,
    step,
    withdrawn_ns,
)

KEY = b"k" * 32
OWN = ["brave-otter.apps.example.net"]
VALUE = challenge_value(KEY, account="ada", claim="notes.example.com")
verdicts = st.sampled_from(["proved", "missing", "unanswered"])


def judged(claim: str, evidence: Evidence) -> Verdict:
    return judge(claim, evidence, value=challenge_value(KEY, account="ada", claim=claim), own=OWN)


def looked(claim: Claim, verdict: Verdict, *, days: float, every_hours: float = 1) -> tuple[Claim, list[Told], int]:
    """Look again and again for some days; return the claim, what was told, and the last instant."""
    told: list[Told] = []
    now_ns = claim.next_ns
    end_ns = now_ns + int(days * DAY_NS)
    while now_ns <= end_ns:
        claim, said = step(claim, verdict, now_ns=now_ns)
        told += [said] if said is not None else []
        now_ns = max(claim.next_ns, now_ns + int(every_hours * HOUR_NS))
    return claim, told, now_ns


def good(now_ns: int = 0) -> Claim:
    return step(begin(now_ns), "proved", now_ns=now_ns)[0]


def test_the_value_is_the_accounts_the_claims_and_the_keys_alone() -> None:
    values = {
        VALUE,
        challenge_value(KEY, account="bob", claim="notes.example.com"),
        challenge_value(KEY, account="ada", claim="example.com"),
        challenge_value(KEY, account="ada", claim="*.example.com"),
        challenge_value(b"j" * 32, account="ada", claim="notes.example.com"),
    }
    assert len(values) == 5 and VALUE == "mosaic-link=g35q5f2qtbppvqrfly7lbr5j34mo57suett4jlzav6pjhflr44da"


def test_each_claim_is_proved_at_its_own_level() -> None:
    assert challenge_name("notes.example.com") == "_link-challenge.notes.example.com"
    assert challenge_name("*.example.com") == challenge_name("example.com") == "_link-challenge.example.com"
    with pytest.raises(DomainNameUnusable):
        challenge_name(".".join(["a" * 60] * 4))


@pytest.mark.parametrize(
    ("claim", "evidence", "verdict"),
    [
        ("notes.example.com", Evidence([VALUE]), "proved"),
        ("notes.example.com", Evidence(["v=spf1", f" {VALUE} "], None), "proved"),
        ("notes.example.com", Evidence(None, ["notes.brave-otter.apps.example.net"]), "proved"),
        ("notes.example.com", Evidence([], ["other.apps.example.net"]), "missing"),
        ("notes.example.com", Evidence([], ["xbrave-otter.apps.example.net"]), "missing"),
        ("notes.example.com", Evidence([], ["brave-otter.apps.example.net"]), "missing"),
        ("notes.example.com", Evidence([], []), "missing"),
        ("notes.example.com", Evidence([], None), "unanswered"),
        ("notes.example.com", Evidence(None, []), "unanswered"),
        ("*.example.com", Evidence([VALUE], ["notes.brave-otter.apps.example.net"]), "missing"),
        ("*.example.com", Evidence([challenge_value(KEY, account="ada", claim="*.example.com")]), "proved"),
        ("*.example.com", Evidence([challenge_value(KEY, account="ada", claim="example.com")]), "missing"),
        ("example.com", Evidence([challenge_value(KEY, account="bob", claim="example.com")], []), "missing"),
    ],
)
def test_evidence_is_judged(claim: str, evidence: Evidence, verdict: Verdict) -> None:
    assert judged(claim, evidence) == verdict


@given(st.lists(st.tuples(verdicts, st.integers(1, 3 * DAY_NS)), max_size=60))
def test_a_claim_counts_only_after_a_proof_and_ends_only_after_grace_and_warning(
    looks: Sequence[tuple[Verdict, int]],
) -> None:
    claim, now_ns = begin(0), 0
    last_proof_ns: int | None = None
    told: list[tuple[Told, int]] = []
    for verdict, pause_ns in looks:
        now_ns += pause_ns
        before = claim
        claim, said = step(claim, verdict, now_ns=now_ns)
        told += [(said, now_ns)] if said is not None else []
        if verdict == "proved":
            last_proof_ns, told = now_ns, told[-1:]
            assert claim.state == "good"
        assert not claim.counts or last_proof_ns is not None
        assert claim.next_ns > now_ns
        if before.counts and not claim.counts:
            said_when = dict(told)
            assert last_proof_ns is not None and now_ns - last_proof_ns >= GRACE_NS
            assert now_ns - said_when["gone"] >= GRACE_NS and now_ns - said_when["ends-soon"] >= WARNING_NS


def test_a_lost_proof_turns_amber_is_told_twice_and_is_withdrawn_after_the_grace() -> None:
    claim, told, now_ns = looked(good(), "missing", days=7.1)
    assert (claim.state, told) == ("withdrawn", ["gone", "ends-soon", "withdrawn"])
    assert now_ns > GRACE_NS
    claim, told, _ = looked(good(), "missing", days=6.9)
    assert (claim.state, claim.counts, told) == ("amber", True, ["gone", "ends-soon"])
    assert withdrawn_ns(claim) == DAY_NS + GRACE_NS


def test_a_proof_that_comes_back_in_time_is_as_good_as_before() -> None:
    amber, _, now_ns = looked(good(), "missing", days=6.5)
    claim, told = step(amber, "proved", now_ns=now_ns)
    assert (claim.state, told, claim.next_ns) == ("good", "back", now_ns + DAY_NS)


def test_a_dns_that_never_answers_takes_nothing_away() -> None:
    claim, told, _ = looked(good(), "unanswered", days=100)
    assert (claim.state, told) == ("good", [])
    amber, _, _ = looked(good(), "missing", days=1)
    claim, told, _ = looked(amber, "unanswered", days=100)
    assert (claim.state, told) == ("amber", [])


def test_a_hive_that_was_off_for_the_whole_grace_tells_before_it_withdraws() -> None:
    amber, _ = step(good(), "missing", now_ns=DAY_NS)
    claim, told = step(amber, "missing", now_ns=30 * DAY_NS)
    assert (claim.state, told) == ("amber", "ends-soon")
    claim, told_after, now_ns = looked(claim, "missing", days=1.1)
    assert (claim.state, told_after) == ("withdrawn", ["withdrawn"]) and now_ns >= 31 * DAY_NS


def test_a_claim_that_nobody_proves_is_given_up() -> None:
    claim, told, now_ns = looked(begin(0), "missing", days=15, every_hours=0)
    assert (claim.state, told) == ("given-up", ["given-up"]) and now_ns > UNPROVED_NS
