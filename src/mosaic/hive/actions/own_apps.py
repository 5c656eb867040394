"""Apps of the account's own: kept once all their parts and their owner's signature are here, until he removes them."""

from collections.abc import Mapping
from pathlib import Path

from mosaic.adapters.sql import events, own_apps
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened
from mosaic.adapters.sql.own_apps import OwnApp
from mosaic.core import file_index, package_reading
from mosaic.core.errors import NotFound
from mosaic.core.ids import AccountId, AppDigest
from mosaic.core.oci_types import Digest, digest_of
from mosaic.core.package import AppManifest, PackageTooNew, PackageUnreadable
from mosaic.core.strict_json import NotStrict
from mosaic.hive import names, sources
from mosaic.hive.approved import require_approved
from mosaic.hive.catalog_entry import describe
from mosaic.hive.importing import ImportRefused
from mosaic.hive.own_apps import OWN
from mosaic.hive.runtime import Hive
from mosaic.wire import api, versions


class OwnAppUnknown(NotFound):
    """The account imported no app of this name."""

    code = "own-app-unknown"

    def __init__(self, app: str) -> None:
        super().__init__(
            f"no app of your own is called {app[:80]!r}", hint="`mosaic catalog list` shows them, with the source `own`"
        )


async def keep_own_app(hive: Hive, who: AccountId, app: str, told: versions.OwnApp) -> api.CatalogApp:
    """Keep an app whose parts have come, in place of its older version, and return its entry in the catalog.

    What is installed from the older one runs on.

    Raises:
        NameUnusable, ImportRefused, PartsMissing: nothing was kept.
        ApprovalWrong: the owner did not sign this very package under this name; the same holds.
    """
    names.check(app)
    digest = AppDigest(digest_of(told.manifest))
    await hive.read(lambda tx: require_approved(tx, who, app, digest, told.approval))
    own = OwnApp(who, app, digest, told.approval.signature, hive.clock.wall_ns())
    await hive.costly(lambda: _take_parts(hive, own, told.manifest))

    def change(tx: Tx) -> None:
        # Keys may have changed while the parts were read.
        require_approved(tx, who, app, digest, told.approval)
        before = own_apps.get(tx, who, app)
        if before is not None and (before.digest, before.signature) == (digest, own.signature):
            return
        own_apps.put(tx, own)
        text = f"{app} was imported." if before is None else f"Another version of {app} was imported."
        events.add(tx, Happened(who, "app-imported", app, text), now_ns=own.added_ns)

    await hive.write(change)
    await hive.in_thread(lambda: hive.imports.forget(who, app))
    # By the name that it is installed by, which is another one where a folder has an app of this name.
    for one in await sources.list_apps(hive, who):
        if one.source == OWN and one.app.rpartition("/")[2] == app:
            return one
    raise OwnAppUnknown(app)


async def remove_own_app(hive: Hive, who: AccountId, app: str) -> None:
    """Take an app off the catalog. What is installed from it runs on, and its package stays. Raises OwnAppUnknown."""

    def change(tx: Tx) -> None:
        if "\0" in app or not own_apps.remove(tx, who, app):
            raise OwnAppUnknown(app)
        text = f"{app} is no app of the catalog any more."
        events.add(tx, Happened(who, "app-removed", app, text), now_ns=hive.clock.wall_ns())

    await hive.write(change)


def _take_parts(hive: Hive, own: OwnApp, manifest: bytes) -> None:
    """Move what the manifest names to where it is kept for good, once all of it was looked at."""
    try:
        package = package_reading.read(manifest)
        parts = hive.imports.parts(own.account, own.app, package.every)
        _require_readable(package, parts, own.app)
    except (PackageUnreadable, PackageTooNew, NotStrict) as error:
        said = error.message if isinstance(error, PackageUnreadable | PackageTooNew) else f"its file index: {error}"
        raise ImportRefused(f"{own.app} cannot be imported: {said}") from None
    # A kill in between leaves parts that nothing names; the next import puts the same in their places.
    for digest, path in parts.items():
        hive.bundles.keep_file(path, digest)
    hive.bundles.keep(manifest)


def _require_readable(package: AppManifest, parts: Mapping[Digest, Path], app: str) -> None:
    """Refuse what no Device would run: better now than there."""
    if package.compose is None or package.index is None:
        raise PackageUnreadable("it has no file index, or no compose file beside its bundle")
    index = file_index.read(parts[package.index.digest].read_bytes())
    package_reading.require_one_compose_file(package, index)
    describe(parts[package.compose.digest].read_bytes(), app=app, digest="")
