"""How things are, in the words of `mosaic.core`."""

from collections.abc import Sequence

from mosaic.core import condition, health
from mosaic.core.condition import CopySight, ServiceSight
from mosaic.wire import api
from mosaic.wire.report import InstallationReport, VolumeReport
from mosaic.wire.storage import NOT_ALL_SAVED


def on_wire(found: health.Health) -> api.Health:
    """Return it as the API says it."""
    return api.Health(found.colour.value, found.word, found.cause, found.remedy)


def app_health(
    name: str, report: InstallationReport | None, device: health.Health, *, wanted: bool, problem: str | None
) -> health.Health:
    """Say how the app is; when its Device is silent, that nobody knows."""
    if device.colour is health.Colour.RED:
        remedy = f"{device.remedy} Or move it: `mosaic move {name} --to DEVICE --force`."
        return health.Health(health.Colour.RED, device.word, device.cause, remedy)
    failure = report.problem if report and report.problem else None
    if failure is not None:
        return health.Health(health.Colour.RED, "Needs you", f"{failure.message}.", failure.hint)
    if problem is not None:
        return health.Health(health.Colour.AMBER, "Needs you", f"{problem}.", f"See more: `mosaic show {name}`.")
    services = [
        ServiceSight(each.service, each.state, each.health, each.exit_code, is_link=each.link)
        for each in (report.services if report else [])
    ]
    return condition.app_health(name, services, wanted=wanted)


def without_device(name: str) -> health.Health:
    """Say how an app is whose Device was removed: stopped, with its data in the stores."""
    return health.Health(
        health.Colour.AMBER,
        "Needs you",
        f"The device that {name} was on was removed, and it is stopped since; its data is kept.",
        f"Say where it goes: `mosaic move {name} --to DEVICE`.",
    )


def data_health(volumes: Sequence[VolumeReport], now_ns: int) -> health.Health:
    """Say how well the installation's data is kept."""
    copies = [
        CopySight(each.store, each.same_machine, each.state, each.instant_ns, volume.volume)
        for volume in volumes
        for each in volume.replicas
    ]
    problems = [each.problem for each in volumes if each.problem is not None]
    return condition.data_health(
        copies,
        now_ns,
        waiting_bytes=sum(each.waiting_bytes for each in volumes),
        unsaved=next((each.message for each in problems if each.code == NOT_ALL_SAVED), ""),
    )
