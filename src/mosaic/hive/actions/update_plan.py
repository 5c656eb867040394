"""What an update would change, said before anything is done."""

from mosaic.adapters.sql import devices, updates
from mosaic.core.app_difference import Difference, difference
from mosaic.core.ids import AccountId
from mosaic.hive import fetch_size
from mosaic.hive.app_check import compose_of
from mosaic.hive.compose_files import compose_file
from mosaic.hive.finding import find_installation
from mosaic.hive.own_threads import in_own_thread
from mosaic.hive.runtime import Hive
from mosaic.hive.version_choice import Chosen, choose
from mosaic.hive.wishes import placement_of
from mosaic.wire.versions import ServiceChange, UpdateApp, UpdatePlan


async def plan_update(hive: Hive, who: AccountId, installation: str, wish: UpdateApp) -> UpdatePlan:
    """Compare the version that runs with the one that an update would bring. Changes nothing.

    Raises:
        VersionUnknown, AlreadyRuns, NoNewerVersion: there is nothing to compare with.
        ComposeInvalid, VariablesUnknown, VariableRequired: the new version cannot be run with the present config.
    """
    found = await hive.read(lambda tx: find_installation(tx, who, installation))
    chosen = await choose(hive, found, wish.digest, wish.approval)
    differs = await hive.in_thread(lambda: _difference(hive, chosen))
    failed = await hive.read(lambda tx: updates.failures(tx, found.id, chosen.digest))
    fetch_bytes = await _fetch_bytes(hive, chosen)
    granted = set(found.grant.keys) if found.grant else set[str]()
    return UpdatePlan(
        app_digest_before=found.app_digest,
        app_digest_after=chosen.digest,
        label_before=found.label,
        label_after=chosen.offer.label,
        services=_services(differs),
        volumes_added=list(differs.volumes.added),
        volumes_removed=list(differs.volumes.removed),
        ports_added=list(differs.ports.added),
        ports_removed=list(differs.ports.removed),
        asks=[ask for ask in differs.asks_after if ask not in granted],
        fetch_bytes=fetch_bytes,
        failed=failed,
    )


async def _fetch_bytes(hive: Hive, chosen: Chosen) -> int | None:
    found = chosen.found
    device = await hive.read(lambda tx: devices.get(tx, placement_of(tx, found.id).home))
    if device is None:
        return None
    return await in_own_thread(
        lambda: fetch_size.fetch_bytes(
            chosen.choice,
            runs=found.app_digest,
            machine=device.architecture,
            bundles=hive.bundles,
            packages=hive.packages,
        )
    )


def _difference(hive: Hive, chosen: Chosen) -> Difference:
    found = chosen.found
    before, after = (
        compose_of(file, installation=found.id, name=found.name, config=found.config)
        for file in (compose_file(hive.bundles, found.app_digest), chosen.choice.file)
    )
    return difference(before, after)


def _services(differs: Difference) -> list[ServiceChange]:
    return [
        ServiceChange(
            service=one.service,
            image_before=one.image_before,
            image_after=one.image_after,
            environment_added=list(one.environment_added),
            environment_removed=list(one.environment_removed),
            environment_changed=list(one.environment_changed),
            settings=list(one.settings),
        )
        for one in differs.services
    ]
