"""What each command does. A closed union; its words are checked before anything is run (G8)."""

from collections.abc import Sequence
from typing import assert_never

from mosaic.adapters.docker.compose import MAX_LOG_LINES, project_name
from mosaic.core.errors import NotFound
from mosaic.device import checks
from mosaic.device.doing import stopping
from mosaic.device.doing.preparing import compose_file
from mosaic.device.machine import machine_state
from mosaic.device.means import Means
from mosaic.wire.command import CommandBody, DiskSpace, Doctor, ReadLogs, Restart


class NotHere(NotFound):
    """The installation does not run on this Device."""

    code = "installation-not-here"

    def __init__(self, installation: str) -> None:
        super().__init__(
            f"installation {installation[:40]!r} was not started on this Device",
            hint="`mosaic show NAME` says where it is",
        )


class ServiceUnknown(NotFound):
    """The app has no service of this name."""

    code = "service-unknown"

    def __init__(self, service: str, services: Sequence[str]) -> None:
        super().__init__(f"there is no service {service[:40]!r} in it", hint=f"its services: {', '.join(services)}")


async def obey(means: Means, body: CommandBody) -> str:
    """Carry out a command and return text for people. Raises MosaicError."""
    match body:
        case ReadLogs(installation, service, lines):
            return await _logs(means, installation, service, lines)
        case Restart(installation):
            _require_here(means, installation)
            await stopping.stop(means, installation)
            return "stopped; it is started again now"
        case DiskSpace():
            return _disk_space(means)
        case Doctor():
            return await checks.doctor(means.config, means.engine, means.storage)
        case _ as unreachable:
            assert_never(unreachable)


async def _logs(means: Means, installation: str, service: str | None, lines: int) -> str:
    _require_here(means, installation)
    file = compose_file(means, installation)
    if not file.exists():
        raise NotHere(installation)
    services = sorted(means.records.notes_of(installation).services)
    if service is not None and service not in services:
        raise ServiceUnknown(service, services)
    bounded = max(1, min(lines, MAX_LOG_LINES))
    project = project_name(means.device, installation)
    return await means.engine.logs(project, file, service=service, lines=bounded)


def _require_here(means: Means, installation: str) -> None:
    """Only what the ledger knows becomes a path or a project's name."""
    if means.records.notes.get(installation) is None:
        raise NotHere(installation)


def _disk_space(means: Means) -> str:
    machine = machine_state(means.config.state)
    lines = [_space("disk", machine.disk_total_bytes, machine.disk_free_bytes)]
    sight = means.lookout.latest
    if sight is not None:
        pool = sight.state.pool
        lines.append(_space(f"pool {pool.path}", pool.total_bytes, pool.free_bytes))
    return "\n".join(lines)


def _space(what: str, total_bytes: int, free_bytes: int) -> str:
    return f"{what}: {free_bytes / 2**30:.1f} GiB free of {total_bytes / 2**30:.1f} GiB"
