"""Devices that are being removed: the wish, from the owner's word until the Device is gone.

It is a row of the table that the Hive keeps its own notes in, named by the
Device; so a Device that leaves is known wherever Devices are read.
"""

from collections.abc import Mapping

import msgspec
from sqlalchemy import ColumnElement, delete, literal, select

from mosaic.adapters.sql import schema, settings
from mosaic.adapters.sql.engine import Tx
from mosaic.core.ids import DeviceId, InstallationId

_PREFIX = "leaving "
_hive = schema.hive.c


class Leaving(msgspec.Struct, frozen=True):
    """`targets` says where each app goes; one that it does not name is stopped."""

    device: DeviceId
    asked_ns: int
    targets: dict[InstallationId, DeviceId]

    def target(self, installation: InstallationId) -> DeviceId | None:
        """Return where the app goes, None when it is stopped."""
        return self.targets.get(installation)


def put(tx: Tx, leaving: Leaving) -> None:
    """Write the wish, in place of an earlier one of the same Device."""
    settings.put(tx, _PREFIX + leaving.device, msgspec.json.encode(leaving).decode())


def get(tx: Tx, device: DeviceId) -> Leaving | None:
    """Return the wish; None when the Device stays."""
    found = settings.get(tx, _PREFIX + device)
    return _read(found) if found is not None else None


def every(tx: Tx) -> list[Leaving]:
    """Return all of them, of all accounts."""
    query = select(_hive.value).where(_hive.name.startswith(_PREFIX, autoescape=True)).order_by(_hive.name)
    return [_read(value) for value in tx.scalars(query)]


def end(tx: Tx, device: DeviceId) -> bool:
    """Forget the wish; say whether there was one."""
    return bool(tx.execute(delete(schema.hive).where(_hive.name == _PREFIX + device)).rowcount)


def is_of(device: ColumnElement[str]) -> ColumnElement[bool]:
    """Return the condition under which a row of the table is the wish of the Device in that column."""
    return _hive.name == literal(_PREFIX) + device


def named(targets: Mapping[InstallationId, DeviceId | None]) -> dict[InstallationId, DeviceId]:
    """Return those that go somewhere."""
    return {installation: device for installation, device in targets.items() if device is not None}


def _read(value: str) -> Leaving:
    return msgspec.json.decode(value, type=Leaving)
