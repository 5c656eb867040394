"""Taking in a catalog's app that came in a file: its metadata is believed as its repository's would be, or not at all.

The catalog was added before, by its owner's word on its first root: a file adds
none. So it cannot take the Hive back to an older Target either.
"""

import hashlib
from collections.abc import Mapping

from mosaic.adapters.sql import catalogs, events
from mosaic.adapters.sql.catalogs import KeptCatalog
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened
from mosaic.adapters.trust.public_files import CHANNEL_ROLE
from mosaic.core import package_reading
from mosaic.core.errors import NotFound, Refused
from mosaic.core.ids import AccountId
from mosaic.core.oci_types import digest_of
from mosaic.core.package import PackageTooNew, PackageUnreadable
from mosaic.hive import carried_metadata, names, refreshing, views
from mosaic.hive.catalogs import NOBODY
from mosaic.hive.importing import ImportRefused
from mosaic.hive.own_threads import in_own_thread
from mosaic.hive.runtime import Hive
from mosaic.wire import api
from mosaic.wire.packages import MAX_CATALOG_BYTES
from mosaic.wire.versions import CarriedApp

_MOST_FILES = 2000
_LOOK_SECONDS = 5.0


class CatalogNotAdded(NotFound):
    """The account has no catalog that begins with a root of the file."""

    code = "catalog-not-added"

    def __init__(self) -> None:
        super().__init__(
            "no catalog that you believe begins with a root that this file is signed from",
            hint="add its catalog first: `mosaic catalog add NAME URL --root FILE`, with the root that its publisher "
            "gave you; nobody has to answer at URL",
        )


class AppNotSigned(Refused):
    """No Target of the catalog lists the package."""

    code = "app-not-signed"

    def __init__(self, digest: str, catalog: str) -> None:
        super().__init__(
            f"what {catalog} signed does not list the package {digest[:19]}…",
            hint="export it again where it is; nothing was imported",
        )


async def take_in(hive: Hive, who: AccountId, app: str, told: CarriedApp) -> list[api.CatalogApp]:
    """Take in what came, and return the catalog's entries of it. `app` is the name that its parts were sent under.

    Raises:
        CatalogNotAdded, AppNotSigned, ImportRefused, PartsMissing: nothing was kept.
        TrustRefused, RepositoryUnavailable: the root does not lead to it, its time is over, or it is older than what
            was seen; the same holds.
    """
    names.check(app)
    digest = digest_of(told.manifest)
    _require_small(told.metadata)
    catalog = _meant(await hive.read(lambda tx: catalogs.of_account(tx, who)), told.metadata)
    async with hive.catalogs.turn(who, catalog.name):
        # It may have been removed while we waited for the turn, and another one added under its name.
        now = await hive.read(lambda tx: catalogs.get(tx, who, catalog.name))
        if now is None or now.root != catalog.root:
            raise CatalogNotAdded
        now_ns = hive.clock.wall_ns()
        await hive.in_thread(lambda: _require_here(hive, who, app, told.manifest))
        await in_own_thread(lambda: _believe(hive, catalog, told.metadata, digest, now_ns))
        # What is signed is kept; killed before this, the import is done once more.
        await hive.costly(lambda: _keep(hive, who, app, told.manifest))

        def note(tx: Tx) -> None:
            before = catalogs.get(tx, who, catalog.name)
            if before is not None:
                catalogs.note(tx, before, refreshed_ns=now_ns, problem=None)
                text = f"An app of {catalog.name} was imported from a file."
                events.add(tx, Happened(who, "app-imported", catalog.name, text), now_ns=now_ns)

        await hive.write(note)
    # What came is here; what else is listed would be asked for where there may be no network.
    await refreshing.look_at_apps(hive, catalog, seconds=_LOOK_SECONDS)
    await hive.in_thread(lambda: hive.imports.forget(who, app))
    every = await views.list_catalog(hive, who)
    return [one for one in every if (one.source, one.digest) == (catalog.name, digest)]


def _meant(kept: list[KeptCatalog], metadata: Mapping[str, bytes]) -> KeptCatalog:
    """Return the catalog whose first root is among the metadata; of several, the one whose channel is, too.

    Whether it leads anywhere is TUF's to say.
    """
    roots = {hashlib.sha256(content).hexdigest() for name, content in metadata.items() if name.endswith("root.json")}
    found = [one for one in kept if one.root_sha256 in roots]
    if not found:
        raise CatalogNotAdded
    roles = {name.removesuffix(".json").partition(".")[2] for name in metadata}
    return next((one for one in found if CHANNEL_ROLE + one.channel in roles), found[0])


def _require_small(metadata: Mapping[str, bytes]) -> None:
    if len(metadata) > _MOST_FILES or sum(map(len, metadata.values())) > MAX_CATALOG_BYTES:
        raise ImportRefused("its metadata is larger than any catalog's")
    for name in metadata:
        if "/" in name or "\0" in name or name in ("", ".", "..") or len(name.encode(errors="replace")) > 200:
            raise ImportRefused(f"{name[:80]!a} is no file of a catalog's metadata")


def _require_here(hive: Hive, who: AccountId, app: str, manifest: bytes) -> None:
    try:
        hive.imports.parts(who, app, package_reading.read(manifest).every)
    except (PackageUnreadable, PackageTooNew) as error:
        raise ImportRefused(error.message) from None


def _believe(hive: Hive, catalog: KeptCatalog, metadata: Mapping[str, bytes], digest: str, now_ns: int) -> None:
    """Refresh what is trusted of the catalog from the metadata, once a client of its own found the package in it."""
    with carried_metadata.served_from(metadata) as address:
        if not carried_metadata.lists(hive.catalogs, catalog, address, digest, now_ns=now_ns):
            raise AppNotSigned(digest, catalog.name)
        hive.catalogs.trusted(catalog).elsewhere(address).refresh(NOBODY, now_ns=now_ns)


def _keep(hive: Hive, who: AccountId, app: str, manifest: bytes) -> None:
    for digest, path in hive.imports.parts(who, app, package_reading.read(manifest).every).items():
        hive.bundles.keep_file(path, digest)
    hive.bundles.keep(manifest)
