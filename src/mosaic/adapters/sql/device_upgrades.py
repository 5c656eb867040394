"""What the Hive keeps of a Device's own upgrades: whether its owner opted in, the newest one, and what failed.

A row of the table that the Hive keeps its own notes in, named by the Device.
"""

import msgspec
from sqlalchemy import delete

from mosaic.adapters.sql import schema, settings
from mosaic.adapters.sql.engine import Tx
from mosaic.core.ids import DeviceId
from mosaic.wire.report import UpgradeState

MOST_FAILED = 20
_PREFIX = "upgrades "


class DeviceUpgrades(msgspec.Struct, frozen=True):
    """`is_on`: its owner opted in. `wish`, `catalog`, `label`, `digest` are what was ordered last, at `asked_ns`.

    `state` is what the Device said last of its newest one, `told` the newest
    wish whose end its owner was told. `failed` are packages that were
    put back there, or refused for good; only their owner orders them again.
    `running` is the package that it became last, of `version`.
    """

    is_on: bool = False
    wish: str = ""
    catalog: str = ""
    label: str = ""
    digest: str = ""
    asked_ns: int = 0
    state: UpgradeState | None = None
    told: str = ""
    failed: list[str] = []
    running: str = ""
    version: str = ""

    @property
    def is_under_way(self) -> bool:
        """Whether what was ordered last has no end yet."""
        return bool(self.wish) and (self.state is None or self.state.stage in ("fetching", "switching"))


def get(tx: Tx, device: DeviceId) -> DeviceUpgrades:
    """Return what is kept; nothing yet is an empty one."""
    found = settings.get(tx, _PREFIX + device)
    return msgspec.json.decode(found, type=DeviceUpgrades) if found is not None else DeviceUpgrades()


def put(tx: Tx, device: DeviceId, upgrades: DeviceUpgrades) -> None:
    """Write it in place of what was kept."""
    bounded = msgspec.structs.replace(upgrades, failed=upgrades.failed[-MOST_FAILED:])
    settings.put(tx, _PREFIX + device, msgspec.json.encode(bounded).decode())


def forget(tx: Tx, device: DeviceId) -> None:
    """Forget it: the Device was removed."""
    tx.execute(delete(schema.hive).where(schema.hive.c.name == _PREFIX + device))
