"""Asking a Device for the last lines that an app wrote. Passed on, never stored."""

from mosaic.adapters.sql import devices, placements
from mosaic.adapters.sql.engine import Tx
from mosaic.core.errors import Refused, Unavailable
from mosaic.core.ids import AccountId, DeviceId, InstallationId
from mosaic.hive.finding import find_installation
from mosaic.hive.runtime import Hive
from mosaic.wire.api import Logs
from mosaic.wire.command import ReadLogs

_ANSWER_SECONDS = 20.0
_MOST_LINES = 2000


class DeviceOffline(Unavailable):
    """The Device is not connected."""

    code = "device-offline"

    def __init__(self, device: str) -> None:
        super().__init__(f"{device} is not connected", hint="start it; `mosaic device list` shows since when")


class DeviceSlow(Unavailable):
    """The Device did not answer in time."""

    code = "device-slow"

    def __init__(self, device: str) -> None:
        super().__init__(f"{device} did not answer within {_ANSWER_SECONDS:g} s", hint="try again in a minute")


class LogsUnavailable(Refused):
    """The Device answered that it has none to give."""

    code = "logs-unavailable"


async def read_logs(hive: Hive, who: AccountId, installation: str, *, service: str | None, lines: int) -> Logs:
    """Ask the Device for the last lines. Raises DeviceOffline, DeviceSlow."""

    def look(tx: Tx) -> tuple[InstallationId, DeviceId, str]:
        found = find_installation(tx, who, installation)
        placement = placements.get(tx, found.id)
        assert placement is not None
        home = devices.get(tx, placement.home)
        return found.id, placement.home, home.name if home else placement.home

    found_id, device, name = await hive.read(look)
    connection = hive.connections.get(device)
    if connection is None:
        raise DeviceOffline(name)
    expires_ns = hive.clock.wall_ns() + int(_ANSWER_SECONDS * 1e9)
    body = ReadLogs(found_id, service, max(1, min(lines, _MOST_LINES)))
    result = await connection.result(connection.order(body, expires_ns=expires_ns), seconds=_ANSWER_SECONDS)
    if result is None:
        raise DeviceSlow(name)
    if result.outcome != "done":
        raise LogsUnavailable(result.output[:500] or f"{name} refused", hint=result.hint or "`mosaic doctor` on it")
    return Logs(result.output)
