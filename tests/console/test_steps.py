"""Steps in words: how far, how fast, how long."""

from console.worlds import ATTIC, NOTES, NOW, NS, STUDY, reported, working
from mosaic.hive.console import steps
from mosaic.wire.report import Step

TEN_SECONDS_AGO = NOW - 10 * NS


def test_a_step_under_way_shows_bytes_rate_and_time_left() -> None:
    view = steps.view(Step("Restore", "now", TEN_SECONDS_AGO, None, 200_000_000, 500_000_000), NOW)
    assert view.figures == ("200 MB of 500 MB", "20 MB/s", "about 15 s left")
    assert (view.percent, view.took) == (40, "10 s so far")


def test_a_step_that_moves_nothing_shows_no_figures() -> None:
    view = steps.view(Step("Start", "now", TEN_SECONDS_AGO), NOW)
    assert (view.figures, view.percent) == ((), None)


def test_a_step_that_just_began_claims_no_rate() -> None:
    view = steps.view(Step("Restore", "now", NOW, None, 0, 500), NOW)
    assert (view.figures, view.took) == (("0 B of 500 B",), "just begun")


def test_a_finished_step_says_how_long_it_took() -> None:
    assert steps.view(Step("Stop", "done", TEN_SECONDS_AGO, NOW - 4 * NS), NOW).took == "6 s"


def test_more_moved_than_foretold_is_never_over_a_hundred_percent() -> None:
    view = steps.view(Step("Pull", "now", TEN_SECONDS_AGO, None, 700, 500), NOW)
    assert view.percent == 100


def test_work_names_its_device_and_says_whether_it_goes_on() -> None:
    (work,) = steps.works(reported(working(Step("Start", "now"))), [ATTIC, STUDY], NOW)
    assert (work.doing, work.busy) == ("Starting on attic", True)


def test_without_steps_or_problem_there_is_no_work_to_show() -> None:
    assert steps.works(NOTES, [ATTIC], NOW) == []
