"""The part of the catalog that is an account's own: packages whose manifests its owner signed.

What a package is never changes, so each is read once.
"""

from collections.abc import Sequence

from mosaic.adapters.sql.own_apps import OwnApp
from mosaic.core import package_reading
from mosaic.core.errors import MosaicError
from mosaic.core.package import PackageUnreadable
from mosaic.hive.bundles import Bundles
from mosaic.hive.catalog_entry import describe
from mosaic.wire.api import CatalogApp

OWN = "own"

_LABEL_DIGITS = 12


class OwnApps:
    """Reads what was imported. Call it in a worker thread."""

    def __init__(self, bundles: Bundles) -> None:
        self._bundles = bundles
        self._read: dict[tuple[str, str, str], CatalogApp] = {}

    def entries(self, own: Sequence[OwnApp]) -> list[CatalogApp]:
        """Return the entries of these apps; one that cannot be read any more says so."""
        return [self._entry(one) for one in own]

    def _entry(self, own: OwnApp) -> CatalogApp:
        key = (own.app, own.digest, own.signature)
        if key not in self._read:
            try:
                self._read[key] = entry_of(own, self._bundles)
            except MosaicError as error:
                return CatalogApp(own.app, own.app, "", own.digest, [], problem=error.with_hint, source=OWN)
        return self._read[key]


def entry_of(own: OwnApp, bundles: Bundles) -> CatalogApp:
    """Return what the catalog says of a package that is here. Raises what keeps it from being read."""
    package = package_reading.read(bundles.get(own.digest))
    if package.compose is None:
        raise PackageUnreadable("it has no compose file beside its bundle")
    return describe(
        bundles.get(package.compose.digest),
        app=own.app,
        digest=own.digest,
        title=package.about.name or "",
        source=OWN,
        label=package.about.version or own.digest.removeprefix("sha256:")[:_LABEL_DIGITS],
        approval=own.signature,
    )
