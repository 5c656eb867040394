"""A day on a network that comes and goes, with both machines restarted and both clocks set wrong in between."""

import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mosaic.device.enrol import enrol
from support import virtual_time
from support.flapping_day import Day, Seen
from support.running_hive import PASSPHRASE, RunningHive
from support.virtual_time import VirtualTime

pytestmark = pytest.mark.long

DAY_SECONDS = 24 * 3600


Passed = Callable[[Callable[[Day], Awaitable[Seen]]], Seen]


@pytest.fixture
def passed(hive: RunningHive, tmp_path: Path) -> Passed:
    """Let a day pass as it is told, and return what was seen."""
    identity = enrol(tmp_path, hive.set_up().join_token(), "attic", passphrase=PASSPHRASE)
    hive.stop()

    def run(live: Callable[[Day], Awaitable[Seen]]) -> Seen:
        async def main(time: VirtualTime) -> Seen:
            return await live(Day(time, hive.config, identity, tmp_path, random.Random(20)))

        return virtual_time.run(main)

    return run


def test_a_device_comes_back_by_itself_to_a_hive_that_was_away_for_a_day(passed: Passed) -> None:
    assert passed(lambda day: day.pass_without_hive(DAY_SECONDS)).at_the_end


def test_a_day_of_drops_loses_no_report_repeats_no_command_and_never_shows_a_wrong_circle(passed: Passed) -> None:
    seen = passed(lambda day: day.pass_by(DAY_SECONDS))

    assert seen.at_the_end
    assert seen.never_said == []
    assert set(seen.begun.values()) == {1}
    assert seen.answered > 100
    assert seen.wrongly_red == []
    assert seen.wrongly_green == []
    assert seen.colours.keys() >= {"green", "amber", "red"}
