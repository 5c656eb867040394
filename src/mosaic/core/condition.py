"""Saying how an installation is: its services, and how well its data is kept.

Both answers have the same shape as a Device's health, and never hide one
another: an app can run well while its data is saved on one machine only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

from mosaic.core.health import Colour, Health, duration_words

LATE_SECONDS = 300
"""How old the newest replicated snapshot may be, with bytes waiting, before it is worth a warning."""


@dataclass(frozen=True, slots=True)
class ServiceSight:
    """One service as the engine sees it. `health` is None without a healthcheck.

    `restarts` says that the compose file asked for it to be restarted when it
    ends; one without that may finish with 0 and has then done its work.
    A link's container is healthy once it was reached from outside: `is_link`.
    """

    name: str
    state: Literal["created", "running", "paused", "restarting", "exited", "dead", "missing"]
    health: Literal["starting", "healthy", "unhealthy"] | None = None
    exit_code: int | None = None
    restarts: bool = False
    is_link: bool = False

    @property
    def finished(self) -> bool:
        """Whether it ended as it should: with 0, and not meant to be restarted."""
        return self.state == "exited" and self.exit_code == 0 and not self.restarts


@dataclass(frozen=True, slots=True)
class CopySight:
    """One store's copy of one `volume`. `instant_ns` is its newest snapshot's instant, None before the first."""

    store: str
    same_machine: bool
    state: Literal["pending", "replicating", "replicated", "error"]
    instant_ns: int | None
    volume: str = ""


def is_up(services: Sequence[ServiceSight]) -> bool:
    """Whether each service runs, or has done its work; what a Device calls `running`. False without services.

    A link that ended is none of this: the app runs without it, and its Device starts it again beside that.
    """
    own = app_services(services)
    return bool(own) and all(service.state == "running" or service.finished for service in own)


def is_healthy(services: Sequence[ServiceSight]) -> bool:
    """The health gate: up, and no healthcheck says otherwise or has yet to say."""
    own = app_services(services)
    return is_up(own) and all(service.health in (None, "healthy") or service.finished for service in own)


def app_services(services: Sequence[ServiceSight]) -> Sequence[ServiceSight]:
    """Return the services that say how the app is: all but its links, unless it has nothing else.

    A gateway that is away holds up no start, fails no update and moves no app.
    """
    return [service for service in services if not service.is_link] or services


def app_health(app: str, services: Sequence[ServiceSight], *, wanted: bool) -> Health:
    """Say how the app's services are. `wanted` is False when the owner stopped it."""
    if not wanted:
        up = [service.name for service in services if service.state == "running"]
        if up:
            return Health(Colour.AMBER, "Stopping", f"{_names(up)} of {app} still runs.")
        return Health(Colour.GREY, "Stopped", f"{app} is stopped on purpose.", f"`mosaic start {app}` starts it.")
    if not services:
        return Health(Colour.AMBER, "Waiting", f"{app} has not been started here yet.")
    worst = sorted((_service_health(app, service) for service in app_services(services)), key=_rank)[0]
    if worst.colour is not Colour.GREEN:
        return worst
    cut_off = next((service for service in services if service.is_link and _is_cut_off(service)), None)
    if cut_off is not None:
        cause = f"{app} runs, and its link, {cut_off.name}, does not reach it from outside."
        return Health(Colour.AMBER, "Cut off", cause, f"See why: `mosaic logs {app}`.")
    return Health(Colour.GREEN, "Running well", f"{app} runs.")


def _is_cut_off(link: ServiceSight) -> bool:
    return link.state != "running" or link.health == "unhealthy"


def _rank(health: Health) -> int:
    return [Colour.RED, Colour.AMBER, Colour.GREEN, Colour.GREY].index(health.colour)


def _names(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _service_health(app: str, service: ServiceSight) -> Health:
    logs = f"See why: `mosaic logs {app}`."
    if service.finished:
        return Health(Colour.GREEN, "Done", f"{service.name} finished.")
    match service.state:
        case "running":
            return _running_health(app, service)
        case "created" | "restarting":
            return Health(Colour.AMBER, "Starting", f"{service.name} is starting.")
        case "paused":
            return Health(Colour.AMBER, "Needs you", f"{service.name} is paused.", f"`mosaic restart {app}` wakes it.")
        case "exited" | "dead":
            code = "" if service.exit_code is None else f" with code {service.exit_code}"
            return Health(Colour.RED, "Not answering", f"{service.name} ended{code}.", logs)
        case "missing":
            return Health(Colour.RED, "Not answering", f"{service.name} has no container.", f"`mosaic start {app}`.")
        case _ as unreachable:
            assert_never(unreachable)


def _running_health(app: str, service: ServiceSight) -> Health:
    if service.health == "unhealthy":
        cause = f"{service.name} runs and fails its health check."
        return Health(Colour.RED, "Not answering", cause, f"See why: `mosaic logs {app}`.")
    if service.health == "starting":
        return Health(Colour.AMBER, "Starting", f"{service.name} has not passed its health check yet.")
    return Health(Colour.GREEN, "Running well", f"{service.name} runs.")


def data_health(copies: Sequence[CopySight], now_ns: int, *, waiting_bytes: int, unsaved: str = "") -> Health:
    """Say how well an installation's data is kept, from the copies of all its volumes, each volume's own store first.

    A store on the holder's own machine is never called a replica (G2): it dies
    with the machine that it should protect from. `unsaved` says what no snapshot
    has, if the Device found something.
    """
    volumes = _by_volume(copies)
    remote = [copy for copy in copies if not copy.same_machine]
    is_remote = bool(remote) and all(any(not copy.same_machine for copy in found) for found in volumes)
    words = last_replicated_words(remote if is_remote else copies, now_ns)
    # The first store keeps the heads: what it does not take, no other store gets.
    refusing = next((found[0] for found in volumes if found[0].state == "error"), None)
    if refusing is not None:
        cause = f"{refusing.store} does not take snapshots; {words}."
        return Health(Colour.RED, "Not saved", cause, "`mosaic doctor` says what the store answered.")
    if unsaved:
        return Health(Colour.AMBER, "Not all is saved", f"{unsaved}.", "`mosaic volume show` says what to do about it.")
    if not is_remote:
        return Health(
            Colour.AMBER,
            "Saved on this machine only",
            f"If this machine dies its data dies with it; {words}.",
            "Add a store elsewhere, `mosaic storage store add`, or move the app to another machine than the Hive's.",
        )
    failing = next((copy for copy in copies if copy.state == "error"), None)
    if failing is not None:
        cause = f"{failing.store} does not take snapshots; {words} elsewhere."
        return Health(Colour.AMBER, "A store fails", cause, "`mosaic storage store list` on its machine says why.")
    oldest = safe_instant_ns(remote)
    if oldest is None:
        return Health(Colour.AMBER, "Saving", "The first snapshot is not replicated yet.")
    said = f"{words[:1].upper()}{words[1:]}."
    if waiting_bytes and now_ns - oldest > LATE_SECONDS * 10**9:
        return Health(Colour.AMBER, "Behind", said, "Check the network of its device.")
    return Health(Colour.GREEN, "Replicated", said)


def safe_instant_ns(copies: Sequence[CopySight]) -> int | None:
    """Return the instant up to which everything is in some store: of the volumes' newest copies, the oldest.

    None if a volume has none.
    """
    newest = [max((one.instant_ns or 0 for one in found), default=0) for found in _by_volume(copies)]
    return min(newest, default=0) or None


def last_replicated_words(copies: Sequence[CopySight], now_ns: int) -> str:
    """Say when the data was last saved, with its age."""
    safe = safe_instant_ns(copies)
    if safe is None:
        return "nothing is saved yet"
    return f"last saved {duration_words(max(0, now_ns - safe) // 10**9)} ago"


def _by_volume(copies: Sequence[CopySight]) -> list[list[CopySight]]:
    found: dict[str, list[CopySight]] = {}
    for copy in copies:
        found.setdefault(copy.volume, []).append(copy)
    return list(found.values())
