"""Building the Assignments of one Device from the database and from what all Devices said."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from msgspec import structs

from mosaic.adapters.sql import (
    accounts,
    device_upgrades,
    devices,
    installations,
    origins,
    placements,
    restores,
    roll_calls,
    volumes,
)
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.installations import Installation
from mosaic.adapters.sql.updates import open_one as open_update
from mosaic.adapters.sql.volumes import Volume
from mosaic.core import failover
from mosaic.core.failover import Assigned
from mosaic.core.goal import Goal
from mosaic.core.ids import DeviceId, InstallationId
from mosaic.core.lease import Holder
from mosaic.core.placement import Placement
from mosaic.hive import updates, wishes
from mosaic.hive.channel.sights import Heard, mentioned, seen
from mosaic.hive.links import assigned as assigned_links
from mosaic.wire import store_envelope
from mosaic.wire.account import AccountKeys
from mosaic.wire.assignment import Assignment, Origin, VolumeAssignment


@dataclass(frozen=True, slots=True)
class Told:
    """What a Device should be told. `revisions` are the placements' own; `root_id` names the account's root key.

    `upgrades`: its owner opted in to its automatic upgrades.
    """

    items: list[Assignment]
    revisions: Mapping[InstallationId, int]
    root_id: str = ""
    upgrades: bool = False


def assignments(tx: Tx, to: Holder, heard: Mapping[DeviceId, Heard], *, now_ns: int) -> Told | None:
    """Return everything that the Device should hold; None while the owner has not admitted it, or in a roll call."""
    if roll_calls.is_on(tx):
        return None
    device = devices.get(tx, to.device)
    if device is None or device.removed or device.admission is None:
        return None
    account = accounts.get(tx, device.account)
    keys = account.keys if account else None
    concerned = set(installations.concerning(tx, to.device))
    if to.device in heard:
        concerned |= mentioned(heard[to.device].report)
    items: list[Assignment] = []
    revisions: dict[InstallationId, int] = {}
    for installation_id in sorted(concerned):
        installation = installations.get(tx, installation_id)
        placement = placements.get(tx, installation_id)
        if installation is None or placement is None or installation.account != device.account:
            continue
        goals = failover.goals(placement, sights(placement, installation_id, heard), now_ns)
        if to.device in goals:
            kept = [volume_assignment(one, installation, keys) for one in volumes.of_installation(tx, installation_id)]
            is_there = _may_change(to.device, placement, goals)
            wish = restores.open_one(tx, installation_id) if is_there else None
            update = open_update(tx, installation_id) if is_there and wish is None else None
            version = updates.version_of(tx, installation, wish.app_digest) if wish else installation
            item = _assignment(version, placement, goals[to.device], to, kept)
            items.append(
                structs.replace(
                    item,
                    going_back=wishes.assigned(wish, installation) if wish else None,
                    update=updates.assigned(tx, update) if update else None,
                    origin=_origin(tx, installation_id, goals[to.device]),
                    link=assigned_links.of(tx, installation_id, goals[to.device].goal),
                )
            )
            revisions[installation_id] = placement.revision
    upgrades = device_upgrades.get(tx, to.device).is_on
    return Told(items, revisions, keys.root_id if keys else "", upgrades)


def sights(
    placement: Placement, installation: InstallationId, heard: Mapping[DeviceId, Heard]
) -> dict[DeviceId, failover.Report]:
    """Return what every Device said about the installation, of those that it concerns."""
    concerned = {placement.home, placement.other}
    return {
        device: seen(said, installation, placement.lease)
        for device, said in heard.items()
        if device in concerned or installation in mentioned(said.report)
    }


def _origin(tx: Tx, installation: InstallationId, assigned: Assigned) -> Origin | None:
    """Return what a fork begins with, as long as its data has no head of its own."""
    origin = origins.get(tx, installation) if assigned.goal in (Goal.RUN, Goal.STOP) else None
    source = volumes.get(tx, origin.volume) if origin is not None else None
    if origin is None or source is None:
        return None
    data = volumes.data_of(tx, installation)
    begun = data is not None and data.newest is not None
    return None if begun else Origin(source.id, source.wrapped_seed, origin.head)


def _may_change(device: DeviceId, placement: Placement, goals: Mapping[DeviceId, Assigned]) -> bool:
    return device == placement.home and goals[device].goal in (Goal.RUN, Goal.STOP)


def _assignment(
    installation: Installation,
    placement: Placement,
    assigned: Assigned,
    to: Holder,
    kept: Iterable[VolumeAssignment],
) -> Assignment:
    # Between a new session's welcome and its first report the lease is still the older session's.
    holds = assigned.epoch is not None and placement.lease.holder == to
    return Assignment(
        installation=installation.id,
        name=installation.name,
        app=installation.app,
        app_digest=installation.app_digest,
        config_revision=installation.config_revision,
        goal=assigned.goal.value,
        epoch=str(assigned.epoch) if holds else None,
        failover=placement.lease.policy.value,
        volumes=list(kept),
        images=installation.images,
        config=installation.config,
        grants=installation.grant.keys if installation.grant else [],
        grant_proof=installation.grant.signature if installation.grant else "",
        ports=installation.ports,
        open=installation.open,
        restart_count=installation.restart_count,
        catalog=installation.catalog or "",
        approval=installation.approval or "",
    )


def volume_assignment(volume: Volume, installation: Installation, keys: AccountKeys | None) -> VolumeAssignment:
    """Return the volume as Devices are told of it, with what its stores receive."""
    kind: Literal["data", "link"] = "link" if volume.kind == "link" else "data"
    envelope = _envelope(volume, installation, keys)
    return VolumeAssignment(volume.id, kind, volume.wrapped_seed, volume.base, volume.newest, envelope)


def _envelope(volume: Volume, installation: Installation, keys: AccountKeys | None) -> str | None:
    """Return what every store needs for a restore without this Hive; None before a passphrase was set."""
    if keys is None:
        return None
    return store_envelope.write(
        volume=volume.id,
        kind=volume.kind,
        wrapped_seed=volume.wrapped_seed,
        app=installation.app,
        app_digest=installation.app_digest,
        keys=keys,
    )
