"""Which newer version of its app an installation could have: asked of where it came from.

Each source says what it offers (`newest`), cheaply. Of a version that is wanted
the compose file is had (`take`); all of it by `sources.keep`, before anything is
promised to anybody.
"""

from dataclasses import dataclass

from mosaic.adapters.sql import devices
from mosaic.adapters.sql.installations import Installation
from mosaic.core.errors import MosaicError
from mosaic.core.ids import AppDigest
from mosaic.hive import sources
from mosaic.hive.catalog import AppUnknown
from mosaic.hive.catalog_offers import offer_of_catalog
from mosaic.hive.catalogs import Offered
from mosaic.hive.compose_files import compose_file
from mosaic.hive.own_offers import is_own, offer_of_own
from mosaic.hive.runtime import Hive
from mosaic.hive.sources import Choice
from mosaic.hive.wishes import placement_of


@dataclass(frozen=True, slots=True)
class Offer:
    """A version that can be had: what people call it, and who vouches for it (see `wire.approval`)."""

    digest: AppDigest
    label: str = ""
    catalog: str | None = None
    approval: str | None = None


async def newest(hive: Hive, found: Installation) -> Offer:
    """Return what its source offers now, which may be the version that it runs.

    Raises:
        AppUnknown, AppUnusable: its source has nothing that could be run.
    """
    if found.catalog is not None:
        return await _of_catalog(hive, found)
    if await is_own(hive, found):
        return await _of_own(hive, found)
    return await _of_folder(hive, found)


async def newer(hive: Hive, found: Installation) -> Offer | None:
    """Return what its source offers, if that is another version than the one it runs; None when there is no source."""
    try:
        offer = await newest(hive, found)
    except MosaicError:
        return None
    return offer if offer.digest != found.app_digest else None


async def take(hive: Hive, found: Installation, digest: AppDigest) -> Choice:
    """Return a version that was offered, or that the installation ran before. `sources.keep` has it whole then.

    Raises:
        AppUnknown, AppUnusable, BundleMissing.
        MosaicError: what repository and registry say of a package that is not here.
    """
    offered = await _listed(hive, found)
    if offered is not None and offered.digest == digest:
        return await sources.choose_offered(hive, offered)
    newest_here = await newer(hive, found) if found.catalog is None else None
    is_here = await hive.in_thread(lambda: hive.bundles.has(digest))
    if not is_here and newest_here is not None and newest_here.digest == digest:
        return await sources.choose_of_folder(hive, found.app)
    # What it ran before, and an app of the owner's own, are here whole.
    file = await hive.in_thread(lambda: compose_file(hive.bundles, digest))
    return Choice(found.app, digest, file)


async def _of_catalog(hive: Hive, found: Installation) -> Offer:
    offered = await _listed(hive, found)
    if offered is None:
        raise AppUnknown(found.app, None)
    return Offer(offered.digest, offered.label, offered.catalog.name)


async def _listed(hive: Hive, found: Installation) -> Offered | None:
    """Return what its catalog lists for the Device that it is on; None for what came from no catalog, too."""
    device = await hive.read(lambda tx: devices.get(tx, placement_of(tx, found.id).home))
    return await offer_of_catalog(hive, found, device) if device is not None else None


async def _of_own(hive: Hive, found: Installation) -> Offer:
    entry = await offer_of_own(hive, found)
    if entry is None:
        raise AppUnknown(found.app, None)
    return Offer(AppDigest(entry.digest), entry.label, approval=entry.approval)


async def _of_folder(hive: Hive, found: Installation) -> Offer:
    entry = await hive.in_thread(lambda: hive.catalog.take(found.app))
    return Offer(AppDigest(entry.app.digest), entry.app.label)
