"""Deciding how an update goes on: the part of a Device's plan that another version of an app is tried by.

The version before runs until the new one is here whole. Then the entrance is
closed, the app stopped, its data saved, and a trial begun: from there on the
new version may write, and nobody but this Device ever sees what it wrote until
the trial is kept. Whatever ends a trial otherwise is undone, and the version
before starts on the data before. `course` says where between these an
installation is; `core.reconcile` makes steps of it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

from mosaic.core.ids import AppDigest
from mosaic.core.steps import Release

MOST_ATTEMPTS = 3
"""So often a new version is started in one trial, over restarts of the Device and of its machine."""

_BETWEEN = "."


@dataclass(frozen=True, slots=True)
class Update:
    """The owner's wish, by its id: this release shall be run, if it is well."""

    id: str
    release: Release


@dataclass(frozen=True, slots=True)
class SeenUpdate:
    """What this Device noted of the newest wish that it began, `id`; empty before the first.

    `bundle`, `checked` and `images` are as in `Observed`, of the new version.
    `over`: it counts, or it failed. `closed`: the entrance is. `taken` is the
    newest wish whose version counts here.
    """

    id: str = ""
    bundle: AppDigest | None = None
    checked: Release | None = None
    images: bool = False
    over: bool = False
    closed: bool = False
    taken: str = ""

    def provides(self, update: Update) -> bool:
        """Whether all that the wish's release is started from is here."""
        here = self.id == update.id and self.bundle == update.release.app_digest
        return here and self.checked == update.release and self.images


class Course(Enum):
    """Where an update is, and what follows.

    REST     nothing is wanted, or it is over
    PROVIDE  bring the new version here, beside the one that runs, which is run
    SAVE     all is here and the entrance closed: stop, save the data, begin the trial
    TRY      the trial is under way: run the new version and see
    UNDO     the trial is of no use any more: stop, and put the data before back
    KEEP     the new version counts: let its data count too
    """

    REST = "rest"
    PROVIDE = "provide"
    SAVE = "save"
    TRY = "try"
    UNDO = "undo"
    KEEP = "keep"


def course(update: Update | None, seen: SeenUpdate, trials: Collection[str], *, may_try: bool) -> Course:
    """Return where the update is. `trials` are those under way in the volumes here.

    `may_try` says that the app shall run and has all that it runs on. Where it
    does not, a trial under way is undone, and the new version only brought here.
    """
    if any(update_of(trial) == seen.taken for trial in trials):
        return Course.KEEP
    is_open = update is not None and not (seen.id == update.id and seen.over)
    if update is None or not is_open:
        return Course.UNDO if trials else Course.REST
    ready = seen.provides(update)
    if trials:
        ours = all(update_of(trial) == update.id for trial in trials)
        return Course.TRY if ours and ready and may_try else Course.UNDO
    return Course.SAVE if ready and may_try and seen.closed else Course.PROVIDE


def trial_id(update: str, n: int) -> str:
    """Name the wish's `n`-th trial. One that was undone by a stop or a change of config is followed by another."""
    return f"{update}{_BETWEEN}{n}"


def update_of(trial: str) -> str:
    """Return the id of the wish that a trial belongs to."""
    return trial.rpartition(_BETWEEN)[0]
