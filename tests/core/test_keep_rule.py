"""What an owner types about what to keep is understood, or refused in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.ids import HeadHash
from mosaic.core.keep_rule import MOST, KeepRuleUnusable, keeps_less, loss_of, parse_rule, write_rule
from mosaic.core.retention import Retention, Snapshot, retain

rules = st.builds(Retention, st.integers(1, MOST), *[st.integers(0, MOST)] * 4)


@given(rules, rules)
def test_a_rule_that_was_written_is_read_the_same_whatever_was_before(rule: Retention, before: Retention) -> None:
    assert parse_rule(write_rule(rule), before) == rule


def test_what_is_not_named_stays_as_it_is() -> None:
    before = Retention(last=5, monthly=100)
    assert parse_rule(" daily = 30 ", before) == Retention(last=5, daily=30, monthly=100)
    assert parse_rule("last=1,hourly=0", before) == Retention(last=1, hourly=0, monthly=100)
    assert parse_rule("default", before) == Retention()


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("last=0", "is always kept"),
        ("", "''"),
        ("yearly=3", "'yearly=3'"),
        ("last", "number from 0 to 10000"),
        ("last=-1", "number from 0"),
        ("last=1.5", "number from 0"),
        ("last=٣", "number from 0"),
        ("last=10001", "number from 0 to 10000"),
        ("last=1" + "0" * 5000, "number from 0"),
        ("last=1,last=2", "said twice"),
        ("last=1;daily=2", "number from 0"),
        ("default,last=1", "'default'"),
    ],
)
def test_what_says_nothing_that_can_be_kept_is_refused_with_what_to_type(typed: str, said: str) -> None:
    with pytest.raises(KeepRuleUnusable) as raised:
        parse_rule(typed, Retention())
    assert said in raised.value.message
    assert "nothing was changed" in raised.value.message
    assert "last=" in raised.value.hint
    assert len(raised.value.message) < 200


@given(rules, rules, st.lists(st.integers(0, 400 * 24), max_size=60))
def test_a_rule_that_keeps_no_less_lets_nothing_go_that_stayed(
    wanted: Retention, before: Retention, hours: list[int]
) -> None:
    chain = [Snapshot(HeadHash(str(seq)), seq, hour * 3600 * 10**9) for seq, hour in enumerate(hours, 1)]
    kept = {one.snapshot.seq for one in retain(chain, wanted).kept}
    had = {one.snapshot.seq for one in retain(chain, before).kept}
    assert keeps_less(wanted, before) or kept >= had


def test_a_loss_is_said_with_how_many_go_and_which_is_the_oldest_that_stays() -> None:
    rule = Retention(last=1, hourly=0, daily=0, weekly=0, monthly=0)
    said = loss_of(rule, 12, 1, "3 Nov")
    assert said.startswith("last=1,hourly=0,daily=0,weekly=0,monthly=0 is kept from now on")
    assert said.endswith("lets 12 snapshots more go, for good, with the next collection; 1 stays, the oldest of 3 Nov")
    assert "lets none of the 5 go" in loss_of(rule, 0, 5, "3 Nov")
