"""Some seconds of what `script/torture storage` does at length: kills, power cuts and races, at random moments."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.torture import hive_errors, kills, power_cuts, races
from support.torture.tally import Tally

pytestmark = pytest.mark.btrfs


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder whose path leaves room for the names of sockets."""
    with tempfile.TemporaryDirectory(prefix="m-") as folder:
        yield Path(folder)


def torture(run: Callable[[Tally, Path], None], folder: Path, count: int) -> Tally:
    tally = Tally(run.__module__, seed=5, count=count, limit_seconds=120)
    run(tally, folder)
    assert tally.failures == []
    assert tally.figures["restored"] == tally.figures["acknowledged"] > 0
    return tally


def test_killed_at_any_moment_while_the_app_writes_every_acknowledged_snapshot_restores(short_folder: Path) -> None:
    assert torture(kills.run, short_folder, 4).figures["kills"] >= 4


def test_a_power_cut_loses_nothing_that_was_acknowledged_and_nothing_that_the_app_synced(short_folder: Path) -> None:
    tally = torture(power_cuts.run, short_folder, 3)
    assert tally.figures["power_cuts"] == 3
    assert tally.figures["writes_not_flushed"] > 0


def test_a_holder_that_was_frozen_over_a_grant_keeps_what_it_has_and_changes_nothing(short_folder: Path) -> None:
    assert torture(races.run, short_folder, 4).figures["races"] == 4


def test_whatever_the_hive_answers_it_is_said_or_overcome_and_then_all_is_as_if_it_had_not_been(tmp_path: Path) -> None:
    tally = Tally("hive errors", seed=2, count=6, limit_seconds=120)
    hive_errors.run(tally, tmp_path)
    assert tally.failures == []
    assert tally.figures["pairs"] == 6
