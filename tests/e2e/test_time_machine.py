"""Going back and forth in the past of a real app on the real engine, and taking a second app out of it."""

import time

import pytest

from e2e.world import World, eventually, read_notes, write_note
from support.ran import Json

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def diary(world: World) -> World:
    """The world with an app of its own for these stories."""
    world.ok("install", "notes", "--name", "diary", "--device", "home")
    return world


def snapshot(world: World, name: str) -> str:
    """Wait until what is written now is in a snapshot, and return it."""
    now_ns = time.time_ns()

    def newer() -> Json:
        volumes = [one for one in world.ok("volume", "list") if one["name"] == name and one["kind"] == "data"]
        return [one["newest_head"] for one in volumes if (one["newest_instant_ns"] or 0) > now_ns]

    (head,) = eventually(newer, "a snapshot is cut and replicated", seconds=90, pause=0.5)
    assert isinstance(head, str)
    return head


def test_an_app_goes_back_and_the_present_comes_back_by_the_same_command(diary: World) -> None:
    write_note(diary.address("diary"), "first", attached=b"a photo" * 1000)
    first = snapshot(diary, "diary")
    write_note(diary.address("diary"), "second")
    both = read_notes(diary.address("diary"))

    went = diary.ok("volume", "restore", "diary", "--at", first[:16])

    assert read_notes(diary.address("diary")) == {"first": [b"a photo" * 1000]}
    saved = went["going_back"]["saved"]
    assert went["going_back"]["failure"] is None and saved not in (None, first)
    told = diary.mosaic("volume", "restore", "diary", "--at", saved[:12])
    assert told.code == 0, told.stderr
    assert "What was there before is snapshot" in told.stdout
    assert read_notes(diary.address("diary")) == both
    assert diary.installation("diary")["health"]["colour"] == "green"


def test_a_snapshot_that_is_not_there_changes_nothing(diary: World) -> None:
    before = read_notes(diary.address("diary"))
    ran = diary.mosaic("volume", "restore", "diary", "--at", "1999-01-01", "--json")
    assert (ran.code, ran.value["error"]["code"]) == (1, "snapshot-unknown")
    assert read_notes(diary.address("diary")) == before


def test_a_fork_runs_beside_the_app_that_it_was_taken_from(diary: World) -> None:
    write_note(diary.address("diary"), "in both")
    head = snapshot(diary, "diary")
    write_note(diary.address("diary"), "in the diary alone")
    made = diary.ok("volume", "fork", "diary", "--at", head[:16], "--as", "copy")
    assert made["health"]["colour"] == "green"
    before = read_notes(diary.address("diary"))
    assert set(read_notes(diary.address("copy"))) == set(before) - {"in the diary alone"}
    write_note(diary.address("copy"), "in the copy alone")
    snapshot(diary, "copy")
    assert read_notes(diary.address("diary")) == before
    assert "in the copy alone" in read_notes(diary.address("copy"))
    keys = {one["volume"] for one in diary.ok("volume", "list") if one["name"] in ("diary", "copy")}
    assert len(keys) >= 2
