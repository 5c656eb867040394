"""Deciding how a Device is replaced by another version of itself, so that a bad one costs nothing.

A journal says how far it is; whoever is at work looks, asks `step` for what
is next, carries it out, and looks again. Killed anywhere, whoever comes next
goes on from the journal and from what is there. At the end exactly one Device
runs: the new one, which has reported to its Hive, or the one before.

Who carries this out is the *replacer*: the program before, which is known to
work, in a process that is not the Device. What a step does to a container or
to a process is the form's.
"""

from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

TRIAL_SECONDS = 60.0
"""So long the new Device may take from its start to its first report that its Hive has heard."""

MOST_ENDS = 3
"""A new Device that ended so often in its trial is not waited for any longer."""

Form = Literal["container", "unit", "host"]
"""
container  the engine keeps the Device's container running
unit       somebody starts a container anew whenever one ends, from the image that a file names
host       a process of the machine, run by its own Python
"""

Stage = Literal["fetched", "switching", "trying", "kept", "back"]
"""
fetched    all that the new one needs is here; the one before runs
switching  the one before is stopped
trying     the new one runs, and has not reported yet
kept       the new one counts; the one before is cleared away
back       the new one is stopped and the one before started
"""

Life = Literal["runs", "ended", "absent"]
"""Whether a Device of that version runs, has run and may again, or is not there or was never started."""


@dataclass(frozen=True, slots=True)
class Program:
    """One version of the Device as something to be started. `start` is the image's id, or the path of a Python."""

    version: str
    start: str


@dataclass(frozen=True, slots=True)
class Journal:
    """How far an upgrade is.

    `command` is the id of the command that began it, `digest` the package's.
    `notes` is what the form must remember to put back. While `trying`,
    `tried_from` is an instant in seconds since the machine's start, which `boot` names.
    `why` says why the one before was put back, and `last_lines` what the new one said last.
    `is_done`: nothing is left to do.
    """

    command: str
    digest: str
    form: Form
    old: Program
    new: Program
    stage: Stage = "fetched"
    notes: dict[str, str] = field(default_factory=dict)
    boot: str = ""
    tried_from: float = 0.0
    why: str = ""
    last_lines: str = ""
    is_done: bool = False

    @property
    def is_decided(self) -> bool:
        """Whether it is certain which of the two will run."""
        return self.stage in ("kept", "back")


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is now. `ends` is how often the new one has ended in this trial.

    `reported`: the Hive has heard a report of the new one. `now` is in seconds since the machine's start `boot`.
    """

    old: Life
    new: Life
    reported: bool
    now: float
    boot: str
    ends: int = 0


@dataclass(frozen=True, slots=True)
class Note:
    """Write the journal, durably, before anything else."""

    journal: Journal


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop one with its grace; it may be started again. Of the new one keep its last lines first."""

    which: Literal["old", "new"]


@dataclass(frozen=True, slots=True)
class Start:
    """Have one run; it may be there already, made or not."""

    which: Literal["old", "new"]


@dataclass(frozen=True, slots=True)
class Clear:
    """Remove what one leaves once it will not run again: its container. What it was started from stays."""

    which: Literal["old", "new"]


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again when something has changed, at the latest after `seconds`."""

    seconds: float


Step: TypeAlias = Note | Stop | Start | Clear | Wait


def step(journal: Journal, seen: Seen, *, trial_seconds: float = TRIAL_SECONDS) -> Step | None:
    """Return what is next, None when nothing is left to do."""
    if journal.is_done:
        return None
    if journal.stage == "fetched":
        return Note(replace(journal, stage="switching"))
    if journal.stage == "switching":
        if seen.old == "runs":
            return Stop("old")
        return Note(_tried(journal, seen))
    if journal.stage == "trying":
        return _trial(journal, seen, trial_seconds)
    return _end(journal, seen, "new" if journal.stage == "kept" else "old")


def failed(journal: Journal, why: str) -> Journal:
    """Return the journal after a step that failed for good: the one before is put back. One that is decided stays."""
    return journal if journal.is_decided else replace(journal, stage="back", why=why)


def _trial(journal: Journal, seen: Seen, trial_seconds: float) -> Step:
    if seen.reported:
        # Before all else: that it reported counts, even if the replacer was away for longer than the trial.
        return Note(replace(journal, stage="kept"))
    if journal.boot != seen.boot:
        # The machine was started anew meanwhile, and the new one has its whole time again.
        return Note(_tried(journal, seen))
    if seen.ends >= MOST_ENDS:
        return Note(failed(journal, f"it ended {seen.ends} times before it had reported to its Hive"))
    left = journal.tried_from + trial_seconds - seen.now
    if left <= 0:
        return Note(failed(journal, f"it did not report to its Hive within {trial_seconds:g} s"))
    if seen.old == "runs":
        return Stop("old")
    if seen.new == "absent":
        return Start("new")
    return Wait(left)


def _end(journal: Journal, seen: Seen, keep: Literal["old", "new"]) -> Step:
    leave: Literal["old", "new"] = "old" if keep == "new" else "new"
    kept, left = (seen.new, seen.old) if keep == "new" else (seen.old, seen.new)
    if left == "runs":
        return Stop(leave)
    if kept != "runs":
        return Start(keep)
    if left == "ended":
        return Clear(leave)
    return Note(replace(journal, is_done=True))


def _tried(journal: Journal, seen: Seen) -> Journal:
    return replace(journal, stage="trying", boot=seen.boot, tried_from=seen.now)
