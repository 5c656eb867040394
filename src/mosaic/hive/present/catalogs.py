"""Catalogs as the API shows them. Reads disks: call it in a thread."""

from mosaic.adapters.sql.catalogs import KeptCatalog
from mosaic.hive.catalog_choice import newest
from mosaic.hive.catalogs import Catalogs
from mosaic.wire.versions import Catalog


def catalog(catalogs: Catalogs, known: KeptCatalog, *, now_ns: int) -> Catalog:
    """Return one catalog as the last whole refresh found it."""
    targets = newest(catalogs.listed(known))
    expires_ns, warnings = catalogs.standing(known, now_ns=now_ns)
    return Catalog(
        name=known.name,
        url=known.url,
        channel=known.channel,
        root_sha256=known.root_sha256,
        added_ns=known.added_ns,
        refreshed_ns=known.refreshed_ns,
        expires_ns=expires_ns,
        versions=[f"{one.hardware} {one.version}" for one in targets],
        apps=sorted({app for one in targets for app in one.apps}),
        problem=known.problem,
        warnings=warnings,
    )
