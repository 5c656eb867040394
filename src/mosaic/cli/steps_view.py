"""Drawing the steps of work under way: one line a step, with bytes, rate and time left."""

import time
from types import TracebackType
from typing import TYPE_CHECKING

from mosaic.cli.units import duration, size
from mosaic.wire.report import Step

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

_MARKS = {"waiting": ("·", "dim"), "now": ("▸", "bold"), "done": ("✓", "green"), "failed": ("✗", "red")}


class StepsView:
    """Draws on stderr while used in a `with` block, when a person is watching."""

    def __init__(self, watched: bool) -> None:
        self._watched = watched
        self._live: Live | None = None
        self._began: dict[str, tuple[float, int]] = {}

    def __enter__(self) -> "StepsView":
        if self._watched:
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), refresh_per_second=8)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, steps: list[Step]) -> None:
        """Draw these steps in place of the ones before."""
        if self._live is None:
            return
        from rich.text import Text

        self._live.update(Text("\n").join(self._line(step) for step in steps))

    def _line(self, step: Step) -> "Text":
        from rich.text import Text

        mark, style = _MARKS[step.state]
        line = Text(f"  {mark} {step.name}", style=style)
        line.append(f"  {self._amount(step)}{step.detail}", style="dim")
        return line

    def _amount(self, step: Step) -> str:
        if step.moved_bytes is None:
            return ""
        if step.state != "now" or not step.total_bytes:
            return f"{size(step.moved_bytes)} "
        return f"{size(step.moved_bytes)} of {size(step.total_bytes)}{self._pace(step)} "

    def _pace(self, step: Step) -> str:
        moved, total = step.moved_bytes or 0, step.total_bytes or 0
        now = time.monotonic()
        began, at = self._began.setdefault(step.name, (now, moved))
        return pace(moved=moved - at, left=total - moved, seconds=now - began)


def pace(*, moved: int, left: int, seconds: float) -> str:
    """Return rate and time left, or nothing while both are guesses."""
    if seconds < 1 or moved <= 0:
        return ""
    rate = moved / seconds
    return f", {size(rate)}/s, {duration(left / rate)} left"
