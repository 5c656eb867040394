"""How a Device is replaced by another version of itself, in a world where anything may be killed at any time."""

from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.device_upgrade import (
    MOST_ENDS,
    TRIAL_SECONDS,
    Clear,
    Journal,
    Life,
    Note,
    Program,
    Seen,
    Start,
    Step,
    Stop,
    Wait,
    failed,
    step,
)

BEGUN = Journal(command="c", digest="sha256:1", form="container", old=Program("1", "a"), new=Program("2", "b"))
RUNS = Seen(old="runs", new="absent", reported=False, now=100.0, boot="b1")
TRYING = replace(BEGUN, stage="trying", boot="b1", tried_from=100.0)


@dataclass
class World:
    """A machine. `reports`: the new version gets as far as that, in `takes` seconds; `starts`: it starts at all."""

    reports: bool
    starts: bool = True
    takes: float = 5.0
    journal: Journal = BEGUN
    old: Life = "runs"
    new: Life = "absent"
    now: float = 0.0
    boot: int = 1
    ends: int = 0
    started_at: float | None = None
    reported: bool = False

    def seen(self) -> Seen:
        return Seen(self.old, self.new, self.reported, self.now, str(self.boot), self.ends)

    def next(self) -> Step | None:
        return step(self.journal, self.seen())

    def carry_out(self, coming: Step) -> None:
        """Do what a step says, at once and wholly."""
        match coming:
            case Note(journal):
                self.journal = journal
            case Stop("old"):
                self.old = "ended"
            case Stop("new"):
                self.new = "ended"
            case Start("old"):
                self.old = "runs"
            case Start("new"):
                self.new, self.started_at = ("runs", self.now) if self.starts else ("ended", self.started_at)
            case Clear("old"):
                self.old = "absent"
            case Clear("new"):
                self.new = "absent"
            case Wait(seconds):
                self.pass_time(min(seconds, 1.0))
        assert not (self.old == "runs" and self.new == "runs"), "two Devices at once"

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        if self.new == "ended" and self.journal.stage == "trying":
            self.ends += 1  # what keeps it running starts it again, in vain
        if self.new == "runs" and self.reports and self.started_at is not None:
            self.reported = self.reported or self.now - self.started_at >= self.takes

    def reboot(self) -> None:
        """Start the machine anew: what ran runs again, clocks begin at zero."""
        self.boot += 1
        self.now = 0.0
        self.started_at = 0.0 if self.new == "runs" else None

    def go_on(self) -> None:
        for _ in range(1000):
            coming = self.next()
            if coming is None:
                return
            self.carry_out(coming)
        raise AssertionError(f"it never ends: {self}")


worlds = st.builds(World, reports=st.booleans(), starts=st.booleans(), takes=st.floats(0, 90))
interruptions = st.lists(st.sampled_from(["on", "killed-before-noting", "reboot", "late"]), max_size=40)


@given(worlds, interruptions)
def test_killed_anywhere_it_ends_with_exactly_one_device_that_runs(world: World, what: list[str]) -> None:
    for each in what:
        coming = world.next()
        if each == "reboot":
            world.reboot()
        elif each == "late":
            world.pass_time(100.0)
        elif coming is not None and not (each == "killed-before-noting" and isinstance(coming, Note)):
            world.carry_out(coming)
    world.go_on()
    assert [world.old, world.new].count("runs") == 1
    assert [world.old, world.new].count("absent") == 1
    assert (world.new == "runs") == (world.journal.stage == "kept")
    assert world.journal.stage != "kept" or world.reported


@given(worlds)
def test_one_that_reports_in_time_is_kept_and_every_other_is_put_back(world: World) -> None:
    world.go_on()
    is_good = world.starts and world.reports and world.takes < TRIAL_SECONDS - 1
    if is_good:
        assert world.journal.stage == "kept"
    if not (world.starts and world.reports and world.takes <= TRIAL_SECONDS):
        assert world.journal.stage == "back"
        assert world.journal.why


def test_the_one_before_is_stopped_before_the_new_one_is_started() -> None:
    switching = replace(BEGUN, stage="switching")
    assert step(BEGUN, RUNS) == Note(switching)
    assert step(switching, RUNS) == Stop("old")
    assert step(switching, replace(RUNS, old="ended")) == Note(TRYING)
    assert step(TRYING, replace(RUNS, old="ended")) == Start("new")


def test_a_new_one_has_its_seconds_and_no_more() -> None:
    running = replace(RUNS, old="ended", new="runs")
    assert step(TRYING, replace(running, now=130.0)) == Wait(30.0)
    late = step(TRYING, replace(running, now=160.0))
    assert late == Note(failed(TRYING, "it did not report to its Hive within 60 s"))


def test_one_that_reported_counts_though_nobody_looked_in_time() -> None:
    seen = replace(RUNS, old="ended", new="runs", reported=True, now=10_000.0)
    assert step(TRYING, seen) == Note(replace(TRYING, stage="kept"))


def test_after_a_restart_of_the_machine_the_new_one_has_its_whole_time_again() -> None:
    seen = replace(RUNS, old="ended", new="runs", now=3.0, boot="b2")
    assert step(TRYING, seen) == Note(replace(TRYING, boot="b2", tried_from=3.0))


def test_one_that_ends_again_and_again_is_not_waited_for() -> None:
    seen = replace(RUNS, old="ended", new="ended", ends=MOST_ENDS)
    noted = step(TRYING, seen)
    assert isinstance(noted, Note)
    assert noted.journal.stage == "back"


def test_what_is_decided_stays_so_whatever_fails_afterwards() -> None:
    kept = replace(TRYING, stage="kept")
    assert failed(kept, "the old container could not be removed") == kept


def test_a_finished_upgrade_leaves_nothing_to_do() -> None:
    assert step(replace(TRYING, stage="kept", is_done=True), RUNS) is None
