"""What each command does. A closed union; its words are checked before anything is run (G8)."""

from typing import assert_never

import msgspec

from mosaic.adapters.docker.compose import MAX_LOG_LINES, project_name
from mosaic.core.errors import Refused
from mosaic.device import app_actions, checks
from mosaic.device.doing import stopping
from mosaic.device.doing.preparing import compose_file
from mosaic.device.machine import machine_state
from mosaic.device.means import Means
from mosaic.device.outside import ask
from mosaic.device.requirements import NotHere, ServiceUnknown, require_here, require_not_updated
from mosaic.device.update_report import read_report
from mosaic.device.upgrading.upgrader import NotUpgradable
from mosaic.wire.actions import Actions
from mosaic.wire.audit import NONCE, Page
from mosaic.wire.command import (
    AppAction,
    CommandBody,
    DiskSpace,
    Doctor,
    ReadActions,
    ReadAudit,
    ReadLogs,
    Restart,
    SetNetwork,
    SystemCommand,
    UpdateReport,
    Upgrade,
)
from mosaic.wire.lan import LanState, LanWish


class NonceMalformed(Refused):
    """What the end of the audit log should be signed for is not a nonce."""

    code = "nonce-malformed"

    def __init__(self) -> None:
        super().__init__(
            "this is no nonce of 64 hex letters, so nothing is signed for it", hint="update the command line"
        )


async def obey(means: Means, body: CommandBody) -> str:
    """Carry out a command and return text for people. Raises MosaicError."""
    match body:
        case Restart(installation):
            require_here(means, installation)
            require_not_updated(means, installation)
            await stopping.stop(means, installation)
            return "stopped; it is started again now"
        case AppAction():
            return await app_actions.act(means, body)
        case Upgrade():
            upgrader = means.upgrading()
            if upgrader is None:
                raise NotUpgradable
            return await upgrader.begin(body)
        case SetNetwork(https, names):
            return msgspec.json.encode(_set_network(means, https, names)).decode()
        case _:
            return await _answer(means, body)


async def _answer(means: Means, body: SystemCommand) -> str:
    """Answer a question: nothing is changed by it."""
    match body:
        case ReadLogs(installation, service, lines):
            return await _logs(means, installation, service, lines)
        case UpdateReport(installation):
            require_here(means, installation)
            return await ask(read_report, means.config, installation)
        case ReadActions(installation):
            return msgspec.json.encode(Actions(await app_actions.tell(means, installation))).decode()
        case ReadAudit(after, nonce):
            return msgspec.json.encode(_audit(means, after, nonce)).decode()
        case DiskSpace():
            return _disk_space(means)
        case Doctor():
            hive = means.hive_address()
            every = checks.all_checks(means.config, means.engine, means.storage, hive, means.clock)
            return checks.lines(await checks.make(every))
        case _ as unreachable:
            assert_never(unreachable)


def _set_network(means: Means, https: bool | None, names: bool | None) -> LanState:
    """Note what is wished; who keeps the front and the names told does it."""
    before = means.records.device.lan
    wish = LanWish(before.https if https is None else https, before.names if names is None else names)
    if wish != before:
        means.records.device = msgspec.structs.replace(means.records.device, lan=wish)
    return LanState(wish)


def _audit(means: Means, after: int, nonce: str) -> Page:
    if nonce and not NONCE.fullmatch(nonce):
        raise NonceMalformed
    page = means.records.audit.page(after)
    if not nonce:
        return page
    return msgspec.structs.replace(page, signature=means.sign_audit_head(page.head, nonce))


async def _logs(means: Means, installation: str, service: str | None, lines: int) -> str:
    require_here(means, installation)
    file = compose_file(means, installation)
    if not file.exists():
        raise NotHere(installation)
    services = sorted(means.records.notes_of(installation).services)
    if service is not None and service not in services:
        raise ServiceUnknown(service, services)
    bounded = max(1, min(lines, MAX_LOG_LINES))
    project = project_name(means.device, installation)
    return await means.engine.logs(project, file, service=service, lines=bounded)


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
