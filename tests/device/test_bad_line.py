"""A real Device and a real Hive in networks of their own, on a line that is slow, loses packets and goes away."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.torture import network
from support.torture.tally import Tally

pytestmark = pytest.mark.btrfs


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder that is made anew, in memory where there is some: the disk is not what is tried out."""
    with tempfile.TemporaryDirectory(prefix="m-") as folder:
        yield Path(folder)


def test_on_a_bad_line_no_report_is_lost_no_command_is_repeated_and_the_circle_is_right(short_folder: Path) -> None:
    """Some seconds of what `script/torture network` does at length."""
    tally = Tally("network", seed=5, count=3, limit_seconds=60)

    network.run(tally, short_folder, longest_seconds=4)

    assert tally.failures == []
    assert (tally.figures["drops"], tally.figures["device_kills"], tally.figures["hive_kills"]) == (1, 1, 1)
    assert tally.figures["looks_amber"] > 0 < tally.figures["looks_red"]
    assert tally.figures["commands_done"] > 0 < tally.figures["packets_lost"]
