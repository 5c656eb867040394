"""The replacer's work on a real journal: killed between any two effects, refused, unanswered."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from mosaic.core.device_upgrade import Journal, Life, Program
from mosaic.core.errors import MosaicError, Refused, Unavailable
from mosaic.device.upgrading import journal as journals
from mosaic.device.upgrading.form import Lives, Which
from mosaic.device.upgrading.replacing import Time, replace_device
from support.kill_points import Killed, KillPoints

BEGUN = Journal("c", "sha256:1", "container", Program("1", "a"), Program("2", "b"), notes={"container": "mosaic"})


@dataclass
class Machine:
    """A switch, a clock and two Devices. `reports` after a while, when it runs; `says` is its last line."""

    folder: Path
    reports: bool = True
    lives: dict[str, Life] = field(default_factory=lambda: {"old": "runs", "new": "absent"})
    points: KillPoints = field(default_factory=KillPoints)
    now: float = 0.0
    wrong: list[MosaicError] = field(default_factory=list)
    starts: list[str] = field(default_factory=list)

    def look(self, journal: Journal) -> Lives:
        if self.reports and self.lives["new"] == "runs" and self.now > 5:
            journals.note_reported(self.folder, journal)
        return Lives(self.lives["old"], self.lives["new"])

    def stop(self, journal: Journal, which: Which) -> None:
        self._change(which, "ended")

    def start(self, journal: Journal, which: Which) -> None:
        if which == "new" and self.wrong:
            raise self.wrong.pop(0)
        self.starts.append(which)
        self._change(which, "runs")
        assert list(self.lives.values()).count("runs") == 1

    def clear(self, journal: Journal, which: Which) -> None:
        self._change(which, "absent")

    def last_lines(self, journal: Journal) -> str:
        return "its last words"

    def _change(self, which: Which, life: Life) -> None:
        with self.points.around():
            self.lives[which] = life

    def run(self) -> Journal:
        """Run the replacer, and start it again for as long as it is killed."""
        journal = None
        while journal is None:
            try:
                journal = replace_device(self.folder, self, Time(lambda: self.now, "b", self._pause))
            except Killed:
                continue
        return journal

    def _pause(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    journals.write(tmp_path, BEGUN)
    return Machine(tmp_path)


def ended(machine: Machine, runs: Literal["old", "new"]) -> bool:
    left = "old" if runs == "new" else "new"
    return machine.lives == {runs: "runs", left: "absent"}


def test_one_that_reports_is_kept(machine: Machine) -> None:
    assert machine.run().stage == "kept"
    assert ended(machine, "new")


def test_one_that_never_reports_is_put_back_with_its_last_words(machine: Machine) -> None:
    machine.reports = False
    journal = machine.run()
    assert (journal.stage, journal.last_lines) == ("back", "its last words")
    assert "60 s" in journal.why
    assert ended(machine, "old")


@pytest.mark.parametrize("at", range(1, 13))
@pytest.mark.parametrize("reports", [True, False])
def test_killed_before_or_after_any_effect_it_ends_the_same(machine: Machine, at: int, reports: bool) -> None:
    machine.reports, machine.points.at = reports, at
    assert machine.run().stage == ("kept" if reports else "back")
    assert ended(machine, "new" if reports else "old")


def test_one_that_cannot_be_made_is_not_tried_again(machine: Machine) -> None:
    machine.wrong = [Refused("the engine refused: no such image", hint="")]
    journal = machine.run()
    assert (journal.stage, journal.why) == ("back", "the engine refused: no such image")
    assert machine.starts == ["old"]


def test_an_engine_that_does_not_answer_is_asked_again(machine: Machine) -> None:
    machine.wrong = [Unavailable("the engine does not answer", hint="") for _ in range(3)]
    assert machine.run().stage == "kept"


def test_without_a_journal_there_is_nothing_to_do(tmp_path: Path) -> None:
    assert replace_device(tmp_path, Machine(tmp_path), Time(lambda: 0, "b", lambda _: None)) is None


def test_a_mark_of_another_upgrade_does_not_count(machine: Machine) -> None:
    journals.note_reported(machine.folder, Journal("earlier", "sha256:0", "container", Program("1", "a"), BEGUN.new))
    assert not journals.has_reported(machine.folder, BEGUN)
