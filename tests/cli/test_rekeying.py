"""`mosaic volume rekey`: it asks first, waits until it is over, and says where the older data is."""

from collections.abc import Callable

import pytest

from cli import samples
from cli.conftest import FakeHive
from mosaic.wire.api import Rekeying
from support.ran import Ran

Mosaic = Callable[..., Ran]
BEGUN = Rekeying("abc", "def", "notes", 1, is_made=False)


@pytest.fixture
def hive(logged_in: FakeHive) -> FakeHive:
    """A Hive with notes, that begins when it is asked."""
    logged_in.answers["GET /api/installations/notes"] = samples.installation()
    logged_in.answers["POST /api/installations/abc/rekey"] = BEGUN
    return logged_in


def test_nothing_is_stopped_before_somebody_agrees(mosaic: Mosaic, hive: FakeHive) -> None:
    ran = mosaic("volume", "rekey", "notes", "--json")
    assert ran.value["error"]["code"] == "rekeying-not-confirmed"
    assert [request for request, _ in hive.asked if request.startswith("POST")] == []


def test_it_waits_until_the_app_runs_under_new_keys_and_says_where_the_older_data_is(
    mosaic: Mosaic, hive: FakeHive
) -> None:
    looks = [BEGUN, Rekeying("abc", "def", "notes", 1, is_made=True, ended_ns=2)]
    hive.answers["GET /api/rekeyings/abc"] = lambda _: looks.pop(0)
    ran = mosaic("volume", "rekey", "notes", "--yes")
    assert (ran.code, looks) == (0, [])
    assert "notes has new keys" in ran.stdout and "in the trash for 30 days, as abc" in ran.stdout


def test_one_that_failed_says_why_and_that_all_is_as_it_was(mosaic: Mosaic, hive: FakeHive) -> None:
    ended = Rekeying("abc", "def", "notes", 1, is_made=True, ended_ns=2, failure="a pack is damaged")
    hive.answers["GET /api/rekeyings/abc"] = ended
    ran = mosaic("volume", "rekey", "notes", "--yes")
    assert ran.code == 1
    assert "is as it was: a pack is damaged" in ran.stderr and "mosaic volume rekey notes" in ran.stderr


def test_it_can_be_called_off(mosaic: Mosaic, hive: FakeHive) -> None:
    hive.answers["POST /api/rekeyings/notes/cancel"] = Rekeying("abc", "def", "notes", 1, True, None, "called off")
    ran = mosaic("volume", "rekey", "notes", "--cancel")
    assert (ran.code, ran.stdout) == (0, "notes comes back as it was.\n")
