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
    """

    name: str
    state: Literal["created", "running", "paused", "restarting", "exited", "dead", "missing"]
    health: Literal["starting", "healthy", "unhealthy"] | None = None
    exit_code: int | None = None
    restarts: bool = False

    @property
    def finished(self) -> bool:
        """Whether it ended as it should: with 0, and not meant to be restarted."""
        return self.state == "exited" and self.exit_code == 0 and not self.restarts


@dataclass(frozen=True, slots=True)
class CopySight:
    """One store's copy of one volume. `instant_ns` is its newest snapshot's instant, None before the first."""

    store: str
    same_machine: bool
    state: Literal["pending", "replicating", "replicated", "error"]
    instant_ns: int | None


def is_up(services: Sequence[ServiceSight]) -> bool:
    """Whether each service runs, or has done its work; what a Device calls `running`. False without services."""
    return bool(services) and all(service.state == "running" or service.finished for service in services)


def is_healthy(services: Sequence[ServiceSight]) -> bool:
    """The health gate: up, and no healthcheck says otherwise or has yet to say."""
    return is_up(services) and all(service.health in (None, "healthy") or service.finished for service in services)


def app_health(app: str, services: Sequence[ServiceSight], *, wanted: bool) -> Health:
    """Say how the app's services are. `wanted` is False when the owner stopped it."""
    if not wanted:
        up = [service.name for service in services if service.state == "running"]
        if up:
            return Health(Colour.AMBER, "Stopping", f"{_names(up)} of {app} still runs.")
        return Health(Colour.GREY, "Stopped", f"{app} is stopped on purpose.", f"`mosaic start {app}` starts it.")
    if not services:
        return Health(Colour.AMBER, "Waiting", f"{app} has not been started here yet.")
    worst = sorted((_service_health(app, service) for service in services), key=_rank)[0]
    return worst if worst.colour is not Colour.GREEN else Health(Colour.GREEN, "Running well", f"{app} runs.")


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


def data_health(copies: Sequence[CopySight], now_ns: int, *, waiting_bytes: int) -> Health:
    """Say how well an installation's data is kept, from the copies of all its volumes.

    A store on the holder's own machine is never called a replica (G2): it dies
    with the machine that it should protect from.
    """
    remote = [copy for copy in copies if not copy.same_machine]
    failing = next((copy for copy in remote or copies if copy.state == "error"), None)
    if failing is not None:
        cause = f"{failing.store} does not take snapshots; {last_replicated_words(remote or copies, now_ns)}."
        return Health(Colour.RED, "Not saved", cause, "`mosaic doctor` says what the store answered.")
    if not remote:
        where = last_replicated_words(copies, now_ns)
        return Health(
            Colour.AMBER,
            "Saved on this machine only",
            f"If this machine dies its data dies with it; {where}.",
            "Move the app to another machine than the Hive's; `mosaic device add` lets one join.",
        )
    oldest = oldest_instant_ns(remote)
    if oldest is None:
        return Health(Colour.AMBER, "Saving", "The first snapshot is not replicated yet.")
    words = last_replicated_words(remote, now_ns)
    if waiting_bytes and now_ns - oldest > LATE_SECONDS * 10**9:
        return Health(Colour.AMBER, "Behind", f"{words[:1].upper()}{words[1:]}.", "Check the network of its device.")
    return Health(Colour.GREEN, "Replicated", f"{words[:1].upper()}{words[1:]}.")


def oldest_instant_ns(copies: Sequence[CopySight]) -> int | None:
    """Return the instant up to which everything is safe: the oldest of the copies' newest; None if one has none."""
    instants = [copy.instant_ns for copy in copies]
    known = [instant for instant in instants if instant is not None]
    return min(known) if known and len(known) == len(instants) else None


def last_replicated_words(copies: Sequence[CopySight], now_ns: int) -> str:
    """Say when the data was last saved, with its age."""
    oldest = oldest_instant_ns(copies)
    if oldest is None:
        return "nothing is saved yet"
    return f"last saved {duration_words(max(0, now_ns - oldest) // 10**9)} ago"
