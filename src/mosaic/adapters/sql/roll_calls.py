"""The roll call of a Hive that lost some of its past: which Devices it waits for, and what the others said.

Kept among what the Hive remembers about itself, so that a Hive that is killed
meanwhile goes on waiting.
"""

import msgspec
from sqlalchemy import delete

from mosaic.adapters.sql import devices, schema, settings
from mosaic.adapters.sql.engine import Tx
from mosaic.core.ids import DeviceId
from mosaic.core.rewind import RollCall
from mosaic.wire.recollection import Recollection

_ROLL = "roll-call"
_TOLD = "recollection:"


class _Kept(msgspec.Struct, frozen=True):
    begun_ns: int
    awaited: list[str]


def begin(tx: Tx, *, now_ns: int) -> None:
    """Wait for every Device that is admitted. One that is under way goes on as it is."""
    if settings.get(tx, _ROLL) is not None:
        return
    awaited = [each.id for each in devices.every(tx) if each.admission is not None]
    settings.put(tx, _ROLL, _text(_Kept(now_ns, sorted(awaited))))


def current(tx: Tx) -> RollCall | None:
    """Return the roll call that is under way, None when there is none."""
    kept = settings.get(tx, _ROLL)
    if kept is None:
        return None
    awaited = msgspec.json.decode(kept, type=_Kept).awaited
    # Who was removed meanwhile tells nothing any more.
    there = {each.id for each in devices.every(tx)}
    return RollCall(behind=True, awaited=frozenset(DeviceId(each) for each in awaited) & there)


def is_on(tx: Tx) -> bool:
    """Say whether one is under way: nothing may be granted, moved or deleted."""
    return settings.get(tx, _ROLL) is not None


def save(tx: Tx, roll: RollCall) -> None:
    """Write whom it still waits for."""
    kept = settings.get(tx, _ROLL)
    assert kept is not None
    begun_ns = msgspec.json.decode(kept, type=_Kept).begun_ns
    settings.put(tx, _ROLL, _text(_Kept(begun_ns, sorted(roll.awaited))))


def put_told(tx: Tx, device: DeviceId, told: Recollection) -> None:
    """Keep what a Device said, in place of what it said before."""
    settings.put(tx, _TOLD + device, _text(told))


def told(tx: Tx) -> dict[DeviceId, Recollection]:
    """Return what every Device said in this roll call, of those that are still there."""
    said = {each.id: settings.get(tx, _TOLD + each.id) for each in devices.every(tx)}
    return {device: msgspec.json.decode(text, type=Recollection) for device, text in said.items() if text is not None}


def end(tx: Tx) -> None:
    """Forget the roll call and what was said in it."""
    names = schema.hive.c.name
    tx.execute(delete(schema.hive).where((names == _ROLL) | names.startswith(_TOLD, autoescape=True)))


def _text(value: msgspec.Struct) -> str:
    return msgspec.json.encode(value).decode()
