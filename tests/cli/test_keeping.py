"""`mosaic policy NAME --keep`: nothing more is let go before its owner agreed to that."""

from collections.abc import Callable

import pytest

from cli.conftest import FakeHive
from mosaic.wire.api import Policy
from mosaic.wire.keeping import Keeping
from support.ran import Ran

Mosaic = Callable[..., Ran]
DEFAULT = "last=40,hourly=24,daily=7,weekly=4,monthly=12"
FEW = "last=2,hourly=0,daily=0,weekly=0,monthly=0"
PUT = "PUT /api/installations/notes/keeping"
LESS = Keeping("notes", FEW, False, DEFAULT, keeps_less=True, stay=2, lets_go=55, oldest_ns=1_763_750_000 * 10**9)


@pytest.fixture
def less(logged_in: FakeHive) -> FakeHive:
    logged_in.answers[PUT] = LESS
    return logged_in


def sent(hive: FakeHive) -> list[object]:
    return [body for request, body in hive.asked if request == PUT]


def test_less_is_kept_only_after_a_yes_that_was_told_what_goes(mosaic: Mosaic, less: FakeHive) -> None:
    ran = mosaic("policy", "notes", "--keep", "last=2")
    assert ran.code != 0
    assert "lets 55 snapshots more go, for good" in ran.stderr
    assert "2 stay, the oldest of 2025-11-" in ran.stderr
    assert sent(less) == [{"rule": "last=2", "agreed": False, "dry_run": True}]
    ran = mosaic("policy", "notes", "--keep", "last=2", "--yes")
    assert (ran.code, "lets 55 snapshots more go" in ran.stdout) == (0, True)
    assert sent(less)[-1] == {"rule": "last=2", "agreed": True, "dry_run": False}


def test_a_dry_run_says_what_would_go_and_asks_for_nothing_more(mosaic: Mosaic, less: FakeHive) -> None:
    ran = mosaic("policy", "notes", "--keep", "last=2", "--dry-run", "--yes")
    assert "Nothing was changed. For notes," in ran.stdout
    assert "lets 55 snapshots more go" in ran.stdout
    assert len(sent(less)) == 1


def test_the_rule_is_shown_with_the_policy(mosaic: Mosaic, logged_in: FakeHive) -> None:
    logged_in.answers["GET /api/installations/notes/policy"] = Policy("notes", [], [], DEFAULT)
    assert f"kept:         {DEFAULT}" in mosaic("policy", "notes").stdout
