"""Health as a shape: never colour alone, never a bare dot.

A Look is what the templates draw: a symbol of the sprite, a colour class and
the word. Which health there is was decided by the Hive; this only chooses how
it is drawn. The words of the design's Health table are kept.
"""

from dataclasses import dataclass

from mosaic.wire.api import Device, Health, Installation
from mosaic.wire.report import ServiceState
from mosaic.wire.storage import Replica

_BY_COLOUR = {"green": ("h-ok", "is-ok"), "amber": ("h-warn", "is-warn"), "red": ("h-bad", "is-bad")}
_UNDER_WAY = {"fetching", "restoring", "starting", "stopping", "preparing", "prepared", "replicating", "released"}
_PHASE_WORDS = {
    "fetching": "Fetching", "restoring": "Restoring", "starting": "Starting", "stopping": "Stopping",
    "preparing": "Preparing", "prepared": "Prepared", "replicating": "Replicating", "released": "Handed over",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Look:
    """`symbol` is in the sprite; `tone` colours it; `turns` while work is under way."""

    symbol: str
    tone: str
    word: str
    turns: bool = False


def of_device(device: Device) -> Look:
    """Draw a Device's health. One that nobody hears from is a broken ring, whatever its colour."""
    if not device.admitted:
        return Look("h-wait", "is-off", device.health.word)
    if not device.connected and device.health.colour in ("amber", "red"):
        return Look("h-lost", _BY_COLOUR[device.health.colour][1], device.health.word)
    return of_health(device.health)


def of_installation(installation: Installation) -> Look:
    """Draw an installation's health; what moves or restores is a ring with an arc."""
    health = installation.health
    if health.colour != "red" and is_under_way(installation):
        return Look(
            "h-busy", "is-busy", health.word if health.colour == "grey" else under_way(installation), turns=True
        )
    return of_health(health)


def of_health(health: Health) -> Look:
    """Draw by colour; grey is stopped on purpose."""
    symbol, tone = _BY_COLOUR.get(health.colour, ("h-off", "is-off"))
    return Look(symbol, tone, health.word)


def is_under_way(installation: Installation) -> bool:
    """Say whether a Device works on it or the Hive moves it."""
    if installation.phase not in ("settled", "parked"):
        return True
    report = installation.reports.get(installation.device)
    return report is not None and report.phase in _UNDER_WAY


def under_way(installation: Installation) -> str:
    """Return the word for the work under way."""
    if installation.target is not None:
        return "Moving"
    report = installation.reports.get(installation.device)
    return _PHASE_WORDS.get(report.phase, "Changing") if report else "Waiting for its device"


def of_service(service: ServiceState) -> Look:
    """Draw one container: its state, and what its healthcheck says."""
    if service.state == "running":
        if service.health == "unhealthy":
            return Look("h-bad", "is-bad", "Runs, and fails its check")
        if service.health == "starting":
            return Look("h-busy", "is-busy", "Starting", turns=True)
        return Look("h-ok", "is-ok", "Answers its check" if service.health else "Runs; it has no check")
    if service.state in ("exited", "dead"):
        code = "an unknown code" if service.exit_code is None else f"code {service.exit_code}"
        return Look(*(("h-off", "is-off") if service.exit_code == 0 else ("h-bad", "is-bad")), f"Ended with {code}")
    if service.state == "missing":
        return Look("h-wait", "is-off", "Not made yet")
    return Look("h-wait", "is-off", service.state.capitalize())


def of_replica(replica: Replica) -> Look:
    """Draw a store's copy. One on the same machine is no replica (G2)."""
    if replica.state == "error":
        return Look("h-bad", "is-bad", "The store refused it")
    if replica.same_machine:
        return Look("h-warn", "is-warn", "Saved on this machine only")
    if replica.state == "replicated":
        return Look("h-ok", "is-ok", "Replicated")
    if replica.state == "replicating":
        return Look("h-busy", "is-busy", "Replicating", turns=True)
    waiting = "Waiting for its first snapshot" if replica.instant_ns is None else "Newer data waits"
    return Look("h-wait", "is-off", waiting)
