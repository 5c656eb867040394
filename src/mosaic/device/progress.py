"""The steps of the work under way on one installation, for people to watch.

Nothing is decided by it. Names are sentences in the Console's voice.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from mosaic.adapters.clock import Clock
from mosaic.core import steps as core
from mosaic.wire.report import Step

NAMES: dict[type[core.Step], str] = {
    core.FetchBundle: "Fetch the app",
    core.CheckApp: "Check what it asks for",
    core.PullImages: "Get its images",
    core.MakeKeys: "Make its keys",
    core.Prefetch: "Restore its data ahead",
    core.HoldVolumes: "Take over its data",
    core.WaitForVolumes: "Restore its data",
    core.SavePresent: "Save it as it is now",
    core.GoBack: "Restore it as it was",
    core.StartApp: "Start it and ask its health checks",
    core.StopApp: "Stop it",
    core.Snapshot: "Take and replicate a snapshot",
    core.FinalSnapshot: "Take and replicate the last snapshot",
    core.ReleaseVolumes: "Give its data back",
    core.SetAside: "Keep what was not replicated",
    core.DiscardData: "Remove the copy kept here",
    core.FetchUpdate: "Fetch the new version",
    core.CheckUpdate: "Check what the new version asks for",
    core.PullUpdate: "Get the new version's images",
    core.SaveAhead: "Save it while it runs",
    core.CloseEntrance: "Close its entrance",
    core.OpenEntrance: "Open its entrance",
    core.SaveForTrial: "Save what is left before the new version",
    core.BeginTrial: "Keep a way back",
    core.TryUpdate: "Try the new version",
    core.KeepTrial: "Let the new version's data count",
    core.UndoTrial: "Put its data back as it was",
}


class Progress:
    """The list that people see. `on_change` is called whenever it reads differently."""

    def __init__(self, clock: Clock, on_change: Callable[[], None]) -> None:
        self._clock = clock
        self._on_change = on_change
        self._steps: list[Step] = []

    @property
    def steps(self) -> list[Step]:
        """The list as it is now."""
        return list(self._steps)

    def expect(self, names: Sequence[str], *, anew: bool) -> None:
        """Show what is going to be done: after what was done already, unless the work begins `anew`."""
        done = [] if anew else [step for step in self._steps if step.state == "done" and step.name not in names]
        self._replace([*done, *(Step(name, "waiting") for name in names)])

    @contextmanager
    def doing(self, name: str) -> Iterator[None]:
        """Show a step as being done, then as done; or as failed, with the reason, when the block raises."""
        self._change(name, state="now", started_ns=self._clock.wall_ns())
        try:
            yield
        except Exception as error:  # raised again; the step shows whatever it was
            self._change(name, state="failed", ended_ns=self._clock.wall_ns(), detail=str(error))
            raise
        except BaseException:  # cut short: the next plan will say what is still to be done
            self._change(name, state="waiting", started_ns=None)
            raise
        self._change(name, state="done", ended_ns=self._clock.wall_ns())

    def moved(self, name: str, moved_bytes: int | None, total_bytes: int | None) -> None:
        """Show how far a step is."""
        self._change(name, moved_bytes=moved_bytes, total_bytes=total_bytes)

    def tell(self, name: str, detail: str) -> None:
        """Show a sentence beside a step."""
        self._change(name, detail=detail)

    def _change(self, name: str, **changes: str | int | None) -> None:
        if not any(step.name == name for step in self._steps):
            self._steps.append(Step(name, "waiting"))
        changed = [msgspec.structs.replace(s, **changes) if s.name == name else s for s in self._steps]
        self._replace(changed)

    def _replace(self, steps: list[Step]) -> None:
        if steps != self._steps:
            self._steps = steps
            self._on_change()
