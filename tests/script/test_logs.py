"""What a whole run of the tests prints at its end leads to what failed."""

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Show = Callable[..., list[str]]

PROGRAM = Path(__file__).parents[2] / "script/lib/logs.py"


@pytest.fixture
def show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Show:
    """A function from the lines of logs to the lines that are printed of them."""

    def lines(*logs: list[str]) -> list[str]:
        names = [str(tmp_path / str(number)) for number in range(len(logs))]
        for name, log in zip(names, logs, strict=True):
            Path(name).write_text("".join(f"{line}\n" for line in log))
        monkeypatch.setattr(sys, "argv", [str(PROGRAM), *names])
        runpy.run_path(str(PROGRAM), run_name="__main__")
        return capsys.readouterr().out.splitlines()

    return lines


def test_what_failed_in_any_part_is_said_before_the_last_summary(show: Show) -> None:
    shown = show(["FAILED a - no", "1 failed in 3 s"], ["ERROR b - no", "FAILED c - no", "2 failed in 4 s"])
    failed = ["FAILED a - no", "ERROR b - no", "FAILED c - no"]
    assert shown[-5:] == ["failed, of all parts: 3", *failed, "2 failed in 4 s"]


def test_a_run_in_which_nothing_failed_says_nothing_of_it(show: Show) -> None:
    assert show(["3 passed"], ["4 passed"]) == ["3 passed", "4 passed"]


def test_a_daemon_that_wrote_a_lot_hides_nothing(show: Show) -> None:
    wrote = [f'{{"at":"{number}"}}' for number in range(100)]
    shown = show(["before", *wrote, "after", *wrote[:4], "1 failed"])
    assert shown == ["before", *wrote[:5], "  … 90 lines of a log …", *wrote[-5:], "after", *wrote[:4], "1 failed"]


def test_a_part_that_wrote_nothing_is_no_error(show: Show) -> None:
    assert show([], []) == [""]
