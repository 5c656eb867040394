"""The gate that a new version must pass: well without a break, for as long as its owner said.

Well is: each service is up, or has done its work; healthy where it has a
healthcheck; and the web port answers. A service that ended and is not to be
restarted, or fails its healthcheck, ends the trial at once. One that the app
wants restarted is started again a few times: some wait so for another one.
"""

from dataclasses import dataclass

from mosaic.core.condition import ServiceSight, app_health, app_services
from mosaic.core.errors import MosaicError
from mosaic.device.bell import Bell
from mosaic.device.doing import bringing_up
from mosaic.device.doing.preparing import compose_file
from mosaic.device.doing.starting import GATE_SECONDS, LOOK_SECONDS
from mosaic.device.means import Means
from mosaic.device.observe import containers_of, is_well, service_sights
from mosaic.device.outside import ask
from mosaic.wire.assignment import Assignment

MOST_RESTARTS = 4
"""So often services that ended are started again, after 5, 10, 15 and 20 s."""


class UpdateNotWell(MosaicError):
    """The new version was started, and is not well."""

    code = "update-not-well"

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"the new version of {name} was tried, and was not well: {why}",
            hint="the version before runs again, with its data; correct the app, then ask for the update again",
        )


@dataclass(frozen=True, slots=True)
class Look:
    """How the app is at one instant. `trouble` is None when it is well; `answer` is the web port's, if asked."""

    services: list[ServiceSight]
    answer: str | None
    trouble: str | None

    def is_lost(self, restarts: int) -> bool:
        """Whether waiting does not help, after so many restarts."""
        is_lost = any(_is_lost(service) for service in app_services(self.services))
        return is_lost or (self.has_ended and restarts >= MOST_RESTARTS)

    @property
    def has_ended(self) -> bool:
        """Whether some service has, that should not have."""
        return any(_has_ended(service) for service in app_services(self.services))


async def pass_gate(means: Means, item: Assignment, *, gate_seconds: int, bell: Bell) -> None:
    """Return once the app was well for `gate_seconds`. It must have become so within `GATE_SECONDS`.

    Raises:
        UpdateNotWell: it was not.
        Unavailable: the engine or the storage daemon did not answer.
    """
    begun_ns = restarted_ns = means.clock.boot_ns()
    restarts = 0
    well_ns: int | None = None
    while True:
        seen = await look(means, item)
        now_ns = means.clock.boot_ns()
        if seen.trouble is None:
            well_ns = now_ns if well_ns is None else well_ns
            if now_ns - well_ns >= gate_seconds * 10**9:
                return
        else:
            well_ns = None
        waited = (now_ns - begun_ns) / 10**9
        if seen.trouble is not None and (seen.is_lost(restarts) or waited > GATE_SECONDS):
            raise UpdateNotWell(item.name, seen.trouble)
        if seen.has_ended and now_ns - restarted_ns >= (restarts + 1) * LOOK_SECONDS * 10**9:
            restarts, restarted_ns = restarts + 1, now_ns
            await bringing_up.up(means, item, compose_file(means, item.installation))
        left = LOOK_SECONDS if well_ns is None else gate_seconds - (now_ns - well_ns) / 10**9
        await bell.wait(min(LOOK_SECONDS, left))


async def look(means: Means, item: Assignment) -> Look:
    """Look at the services, and ask the web port if they are well."""
    sight = await means.lookout.look()
    notes = means.records.notes_of(item.installation)
    services = service_sights(containers_of(sight, item.installation), notes.services)
    if not is_well(services):
        return Look(services, None, app_health(item.name, services, wanted=True).cause)
    if notes.web_port is None:
        return Look(services, None, None)
    answer = await ask(means.probe, notes.web_port)
    trouble = None if answer.is_well else f"port {notes.web_port}, where its web page should be, {answer.words}"
    return Look(services, answer.words, trouble)


def _is_lost(service: ServiceSight) -> bool:
    return (_has_ended(service) and not service.restarts) or service.health == "unhealthy"


def _has_ended(service: ServiceSight) -> bool:
    return service.state in ("exited", "dead", "missing") and not service.finished
