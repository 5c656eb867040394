"""What a catalog has for an installation: the version that its Device should have."""

from mosaic.adapters.sql import catalogs
from mosaic.adapters.sql.devices import Device
from mosaic.adapters.sql.installations import Installation
from mosaic.hive.catalog_choice import offer_for, taker_of
from mosaic.hive.catalogs import Offered, version_of
from mosaic.hive.present import sight
from mosaic.hive.present.devices import newest_report
from mosaic.hive.runtime import Hive


async def offer_of_catalog(hive: Hive, installation: Installation, device: Device) -> Offered | None:
    """Return the version that the installation's catalog has for the Device that it is on, which may be the one that it
    runs; None where there is none: the catalog was removed, or lists nothing but older ones for it.

    `digest`, `label` and `catalog.name` are what an update says. Nobody is asked: it is what the last refresh found.
    """
    if installation.catalog is None:
        return None
    name, seen = installation.catalog, sight.take(hive)
    catalog = await hive.read(lambda tx: catalogs.get(tx, installation.account, name))
    if catalog is None:
        return None
    holds = version_of(installation.label)
    taker = taker_of(device, newest_report(device, seen), holds=holds)
    targets = await hive.in_thread(lambda: hive.catalogs.listed(catalog))
    offered = offer_for(catalog, targets, installation.app, taker)
    # What it holds may have been withdrawn, and going back is never a catalog's to decide.
    is_older = offered is not None and holds is not None and offered.target.version < holds
    return None if is_older else offered
