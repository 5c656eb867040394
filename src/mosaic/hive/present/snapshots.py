"""Snapshots as the Console lists them: what heads say in clear. What is in one, the Hive cannot read."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from mosaic.adapters.sql import devices, drills
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.heads import Accepted
from mosaic.adapters.sql.volumes import Volume
from mosaic.core.consistency import Label, label
from mosaic.core.ids import AccountId, VolumeId
from mosaic.core.past_heads import Mirror
from mosaic.hive import past
from mosaic.wire.api import Drilled
from mosaic.wire.head import parse


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot. `device` is the name of the one that took it, `drilled` what the last drill of it found."""

    head: str
    seq: int
    instant_ns: int
    label: Label
    device: str
    drilled: Drilled | None


@dataclass(frozen=True, slots=True)
class VolumePast:
    """The newest snapshots of one volume; `older` says that there are more. The last drills of any of its snapshots."""

    volume: VolumeId
    kind: str
    snapshots: tuple[Snapshot, ...]
    older: bool
    proved: Drilled | None
    last_drill: Drilled | None


def volume_past(tx: Tx, account: AccountId, volume: Volume, mirrored: Collection[Mirror], *, shown: int) -> VolumePast:
    """Return the newest snapshots of a volume."""
    names = {str(each.id): each.name for each in devices.of_account(tx, account)}
    found = drills.of_volumes(tx, [volume.id]).get(volume.id, [])
    of_heads = {one.drill.head: one for one in found}
    page = past.page(tx, volume.id, mirrored, before=None, limit=shown)
    return VolumePast(
        volume=volume.id,
        kind=volume.kind,
        snapshots=tuple(_snapshot(one, names, of_heads) for one in page.heads),
        older=page.next is not None,
        proved=next((one for one in found if not one.drill.differing), None),
        last_drill=next(iter(found), None),
    )


def _snapshot(one: Accepted, names: Mapping[str, str], drilled: Mapping[str, Drilled]) -> Snapshot:
    head, _ = parse(one.signed)
    taken_by = names.get(head.device, "a removed device")
    return Snapshot(one.hash, head.seq, head.instant_ns, label(head.flags), taken_by, drilled.get(one.hash))
