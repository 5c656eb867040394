"""What an account's own apps have for an installation: the newest version that its owner signed."""

from mosaic.adapters.sql import own_apps
from mosaic.adapters.sql.installations import Installation
from mosaic.hive.bundles import BundleMissing
from mosaic.hive.compose_files import is_package
from mosaic.hive.runtime import Hive
from mosaic.wire.api import CatalogApp


async def is_own(hive: Hive, installation: Installation) -> bool:
    """Whether it was installed from an app of its owner's own.

    That runs a package. What comes from a folder is a plain bundle, also where an own app has its name.
    """
    return installation.catalog is None and await hive.in_thread(lambda: _runs_package(hive, installation))


async def offer_of_own(hive: Hive, installation: Installation) -> CatalogApp | None:
    """Return the newest version of the own app that an installation is of, which may be the one that it runs.

    None when it is of a catalog or of a folder, or when its owner removed the app. `digest`, `label` and `approval` are
    what an update says; all of its parts are here.
    """
    own = await hive.read(lambda tx: own_apps.get(tx, installation.account, installation.app))
    if own is None or not await is_own(hive, installation):
        return None
    return await hive.in_thread(lambda: hive.own_apps.entries([own])[0])


def _runs_package(hive: Hive, installation: Installation) -> bool:
    try:
        return is_package(hive.bundles.get(installation.app_digest))
    except BundleMissing:
        return False
