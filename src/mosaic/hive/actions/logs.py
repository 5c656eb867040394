"""Asking a Device for the last lines that an app wrote, and what a failed update left. Passed on, never stored."""

from collections.abc import Callable

from mosaic.adapters.sql import devices, placements
from mosaic.adapters.sql.engine import Tx
from mosaic.core.errors import Refused
from mosaic.core.ids import AccountId, DeviceId, InstallationId
from mosaic.hive import ordering
from mosaic.hive.finding import find_installation
from mosaic.hive.runtime import Hive
from mosaic.wire.api import Logs
from mosaic.wire.command import CommandBody, ReadLogs, UpdateReport

_MOST_LINES = 2000


class LogsUnavailable(Refused):
    """The Device answered that it has none to give."""

    code = "logs-unavailable"


async def read_logs(hive: Hive, who: AccountId, installation: str, *, service: str | None, lines: int) -> Logs:
    """Ask the Device for the last lines. Raises DeviceOffline, DeviceSlow, LogsUnavailable."""
    bounded = max(1, min(lines, _MOST_LINES))
    return await _asked(hive, who, installation, lambda found: ReadLogs(found, service, bounded))


async def read_update_report(hive: Hive, who: AccountId, installation: str) -> Logs:
    """Ask the Device what the last update that failed left there. Raises DeviceOffline, DeviceSlow, LogsUnavailable."""
    return await _asked(hive, who, installation, UpdateReport)


async def _asked(hive: Hive, who: AccountId, installation: str, order: Callable[[InstallationId], CommandBody]) -> Logs:
    def look(tx: Tx) -> tuple[InstallationId, DeviceId, str]:
        found = find_installation(tx, who, installation)
        placement = placements.get(tx, found.id)
        assert placement is not None
        home = devices.get(tx, placement.home)
        return found.id, placement.home, home.name if home else placement.home

    found_id, device, name = await hive.read(look)
    result = await ordering.order(hive, who, device, order(found_id))
    if result.outcome != "done":
        raise LogsUnavailable(result.output[:500] or f"{name} refused", hint=result.hint or "`mosaic doctor` on it")
    return Logs(result.output)
