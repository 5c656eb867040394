"""Reading from an installation whether the work that was asked for is done.

Pure functions of what the API shows; `mosaic.cli.follow` asks and draws.
"""

from dataclasses import dataclass
from typing import Literal

from mosaic.wire.api import Installation, TrashEntry
from mosaic.wire.report import InstallationReport, Step
from mosaic.wire.versions import Updating

SETTLED = "settled"
_OTHERS = "`mosaic volume snapshots` lists what else there is"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reason` and `remedy` say why it failed or does not get on; empty otherwise.

    `stuck` is a step that failed and that the Device tries again by itself.
    """

    state: Literal["working", "done", "failed", "stuck"]
    reason: str = ""
    remedy: str = ""


def arrived(installation: Installation, device: str) -> Verdict:
    """Judge whether the app is on `device` (an id) as it is wanted, running or stopped, and nothing is left to do."""
    if installation.device == device and installation.phase == SETTLED:
        return _as_wanted(installation)
    if installation.phase == SETTLED and installation.device != device:
        why = installation.problem or "the other Device could not take it"
        now = "It runs where it was before" if installation.wanted == "run" else "It is stopped where it was before"
        return Verdict("failed", f"{why.rstrip('.')}. {now}", f"`mosaic show {installation.name}` says how it stands")
    return _under_way(installation)


def called_off(installation: Installation) -> Verdict:
    """Judge whether the app is as it was before its move, running or stopped."""
    if installation.phase != SETTLED:
        return _under_way(installation)
    return _as_wanted(installation)


def running(installation: Installation) -> Verdict:
    """Judge whether the app runs, healthy, where it belongs."""
    if installation.phase != SETTLED:
        return _under_way(installation)
    return _running(installation)


def stopped(installation: Installation) -> Verdict:
    """Judge whether the app is stopped with its data replicated."""
    report = holder_report(installation)
    if report is not None and report.phase == "failed":
        return _stuck(report)
    if installation.wanted == "stop" and report is not None and report.phase == "stopped":
        return Verdict("done")
    return Verdict("working")


def went_back(installation: Installation, wish: str) -> Verdict:
    """Judge whether a wish to go back to an earlier snapshot is fulfilled, and the app is as it should be."""
    back = installation.going_back
    report = holder_report(installation)
    if back is None or back.id != wish:
        return Verdict("failed", "somebody asked for something else meanwhile")
    if back.ended_ns is None:
        # While it tries and its Device says so, the wish is open; its end says whether it worked.
        return _stuck(report) if report is not None and report.phase == "failed" else Verdict("working")
    if back.failure is not None:
        return Verdict("failed", f"it did not go back and is as it was: {back.failure}", _OTHERS)
    return _as_wanted(installation)


def updated(installation: Installation, wish: str) -> Verdict:
    """Judge whether a wish for another version is fulfilled; it waits, fetched, while its app is stopped."""
    update = installation.updating
    report = holder_report(installation)
    if update is None or update.id != wish:
        return Verdict("failed", "somebody asked for something else meanwhile")
    if update.outcome == "done":
        return _as_wanted(installation)
    if update.ended_ns is not None:
        return _not_updated(installation, update)
    if update.state is not None and update.state.stage == "fetched" and installation.wanted == "stop":
        return Verdict("done")
    return _stuck(report) if report is not None and report.phase == "failed" else Verdict("working")


def _not_updated(installation: Installation, update: Updating) -> Verdict:
    why = update.failure.message if update.failure is not None else "the Device did not say why"
    kept = f". What it wrote is kept as {update.kept}" if update.kept else ""
    remedy = update.failure.hint if update.failure is not None else ""
    command = f"`mosaic update {installation.name} --report` has what was written meanwhile"
    return Verdict("failed", f"it was not updated and runs as before: {why.rstrip('.')}{kept}", remedy or command)


def reached(installation: Installation, *, is_open: bool) -> Verdict:
    """Judge whether an app's ports are bound as they should be, beyond loopback or not. A stopped one's are not."""
    if installation.wanted == "stop":
        return Verdict("done")
    judged = running(installation)
    report = holder_report(installation)
    if judged.state != "done" or report is None:
        return judged
    bound = [port.host_ip != "::1" and not port.host_ip.startswith("127.") for port in report.ports]
    return judged if all(beyond == is_open for beyond in bound) else Verdict("working")


def left(entry: TrashEntry) -> Verdict:
    """Judge whether an uninstalled app is stopped, its containers gone, and its last data handed over."""
    if entry.saved:
        return Verdict("done")
    if entry.report is not None and entry.report.phase == "failed":
        return _stuck(entry.report)
    return Verdict("working")


def holder_report(installation: Installation) -> InstallationReport | None:
    """Return what the Device that the app belongs on says of it."""
    return installation.reports.get(installation.device)


def steps(installation: Installation) -> list[Step]:
    """Return the steps to watch now: of the Device that is at work, the target's during a move."""
    devices = [installation.target, installation.device]
    reports = [installation.reports[device] for device in devices if device in installation.reports]
    busy = [report.steps for report in reports if any(step.state == "now" for step in report.steps)]
    if busy:
        return busy[0]
    return reports[-1].steps if reports else []


def address(report: InstallationReport) -> list[str]:
    """Return the addresses that people open: the plain port first, then the names, then those for the network."""
    plain = [f"http://{_host(port.host_ip)}:{port.host_port}" for port in report.ports if port.protocol == "tcp"]
    named = [one for one in (report.url, report.secure_url) if one]
    # A port that is bound on every address is told once for each family.
    return [*dict.fromkeys([*plain, *named, *report.network_urls])]


def _as_wanted(installation: Installation) -> Verdict:
    return stopped(installation) if installation.wanted == "stop" else _running(installation)


def _running(installation: Installation) -> Verdict:
    report = holder_report(installation)
    if report is None or report.epoch != installation.epoch:
        return Verdict("working")
    if report.phase == "failed":
        return _stuck(report)
    if report.phase == "running" and report.healthy:
        return Verdict("done")
    return Verdict("working")


def _under_way(installation: Installation) -> Verdict:
    """Judge a move or an arrival: a Device that fails at it is stuck, and the Hive may yet send the app back."""
    for device in (installation.target, installation.device):
        report = installation.reports.get(device) if device is not None else None
        if report is not None and report.phase == "failed":
            return _stuck(report)
    return Verdict("working")


def _stuck(report: InstallationReport) -> Verdict:
    if report.problem is None:
        return Verdict("stuck", "the Device could not do it", "`mosaic logs` shows what the app said")
    return Verdict("stuck", report.problem.message, report.problem.hint)


def _host(address: str) -> str:
    if address in ("", "0.0.0.0", "::"):  # noqa: S104 (shown, not bound)
        return "127.0.0.1"
    return f"[{address}]" if ":" in address else address
