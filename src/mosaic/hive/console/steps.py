"""Work that can be watched: each step says what it does, how far it is and how long it took."""

from collections.abc import Sequence
from dataclasses import dataclass

from mosaic.hive.console.words import NS, size, span
from mosaic.wire.api import Device, Installation
from mosaic.wire.report import InstallationReport, Step
from mosaic.wire.storage import Failure


@dataclass(frozen=True, slots=True)
class StepView:
    """One line of a list of steps. `percent` is None where nobody knows how much there is."""

    name: str
    state: str
    took: str
    told: str
    figures: tuple[str, ...] = ()
    percent: int | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What one Device does, or did last, for an installation."""

    device: str
    doing: str
    busy: bool
    steps: tuple[StepView, ...]
    problem: Failure | None


_DOING = {
    "fetching": "Fetching it on", "restoring": "Restoring on", "starting": "Starting on", "stopping": "Stopping on",
    "preparing": "Preparing", "prepared": "Prepared:", "replicating": "Replicating the last snapshot from",
    "failed": "Failed on", "fenced": "Fenced:",
}  # fmt: skip


def works(installation: Installation, devices: Sequence[Device], now_ns: int) -> list[Work]:
    """Return what each Device reports, the installation's own last: that is where the work ends."""
    names = {device.device: device.name for device in devices}
    order = sorted(installation.reports, key=lambda device: (device == installation.device, device))
    found = (_work(installation.reports[device], names.get(device, "a removed device"), now_ns) for device in order)
    return [work for work in found if work.steps or work.problem]


def _work(report: InstallationReport, device: str, now_ns: int) -> Work:
    busy = any(step.state in ("now", "waiting") for step in report.steps)
    return Work(
        device=device,
        doing=f"{_DOING.get(report.phase, 'Last done on')} {device}",
        busy=busy,
        steps=tuple(view(step, now_ns) for step in report.steps),
        problem=report.problem,
    )


def view(step: Step, now_ns: int) -> StepView:
    """Return a step in words, with bytes, rate and time left while it is under way."""
    seconds = _seconds(step, now_ns)
    moved, total = step.moved_bytes, step.total_bytes
    if step.state != "now":
        done = f"{size(moved)}. " if moved and step.state == "done" else ""
        return StepView(step.name, step.state, "" if seconds is None else span(seconds), done + step.detail)
    percent = min(100, 100 * moved // total) if moved is not None and total else None
    so_far = "just begun" if seconds is None or seconds < 1 else f"{span(seconds)} so far"
    return StepView(step.name, "now", so_far, step.detail, _figures(moved, total, seconds), percent)


def _figures(moved: int | None, total: int | None, seconds: float | None) -> tuple[str, ...]:
    if moved is None:
        return ()
    if total is None:
        return (size(moved),)
    figures = (f"{size(moved)} of {size(total)}",)
    if not moved or not seconds or seconds < 1:
        return figures
    rate = moved / seconds
    return (*figures, f"{size(rate)}/s", f"about {span(max(1.0, (total - moved) // rate))} left")


def _seconds(step: Step, now_ns: int) -> float | None:
    if step.started_ns is None:
        return None
    return max(0, (step.ended_ns or now_ns) - step.started_ns) / NS
