"""All apps that an account can install, from wherever they come, and which one a name means.

An app is called by its name where it is the first with it, else `source/app`:
folders come first, then the owner's own, then catalogs by their names.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec

from mosaic.adapters.bundle import digest as digest_of
from mosaic.adapters.sql import catalogs, devices, own_apps
from mosaic.adapters.sql.catalogs import KeptCatalog
from mosaic.adapters.sql.engine import Tx
from mosaic.core.errors import Conflict
from mosaic.core.ids import AccountId, AppDigest
from mosaic.core.target_choice import Taker
from mosaic.hive import catalog_choice
from mosaic.hive.catalog import AppUnknown
from mosaic.hive.catalog_choice import AppNotForDevice, taker_of
from mosaic.hive.catalogs import Offered
from mosaic.hive.compose_files import ComposeFile, compose_file, of_bundle
from mosaic.hive.finding import find_device
from mosaic.hive.own_apps import OWN
from mosaic.hive.own_threads import in_own_thread
from mosaic.hive.packages import Wanted
from mosaic.hive.present import sight
from mosaic.hive.present.devices import newest_report
from mosaic.hive.runtime import Hive
from mosaic.wire.api import CatalogApp

FOLDER = "folder"


class CatalogChanged(Conflict):
    """The catalog was removed while something was installed from it."""

    code = "catalog-changed"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the catalog {name} was removed meanwhile", hint="`mosaic catalog sources` shows what there is"
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """A version of an app that is about to be installed. `file` is its compose file; `bundle` or `wanted` is what the
    Hive's store must have first, neither when it has all. `approval` is the owner's signature (hex) over his own app.
    """

    app: str
    digest: AppDigest
    file: ComposeFile
    catalog: str | None = None
    label: str = ""
    bundle: bytes | None = None
    wanted: Wanted | None = None
    approval: str | None = None


async def list_apps(hive: Hive, who: AccountId) -> list[CatalogApp]:
    """Return every app by the name that it is installed by. Asks no registry."""
    kept, takers = await _known(hive, who)
    own = await hive.read(lambda tx: own_apps.of_account(tx, who))

    def look() -> list[CatalogApp]:
        catalogs = ((one.name, _entries(hive, one, takers)) for one in kept)
        return named([(FOLDER, hive.catalog.apps()), (OWN, hive.own_apps.entries(own)), *catalogs])

    return await hive.in_thread(look)


def named(sources: Iterable[tuple[str, Sequence[CatalogApp]]]) -> list[CatalogApp]:
    """Return the apps of all sources by name; one whose name was taken before it is called `source/app`. Pure."""
    found: dict[str, CatalogApp] = {}
    for source, apps in sources:
        for app in apps:
            name = app.app if app.app not in found else f"{source}/{app.app}"
            found[name] = msgspec.structs.replace(app, app=name)
    return [found[name] for name in sorted(found)]


async def choose(hive: Hive, who: AccountId, app: str, device: str | None) -> Choice:
    """Return what would be installed under that name, on that Device (id or name; None: the only one).

    Raises:
        AppUnknown, AppUnusable, AppNotForDevice, DeviceUnknown, DeviceUnclear.
        MosaicError: what repository and registry say of a package that is not here.
    """
    source, slash, plain = app.rpartition("/")
    if not slash and await hive.in_thread(lambda: hive.catalog.has(app)):
        return await choose_of_folder(hive, app)
    own = await _own(hive, who, plain) if source in ("", OWN) else None
    if own is not None:
        return own
    return await choose_offered(hive, await _offered(hive, who, source, plain, device, named_as=app))


async def choose_of_folder(hive: Hive, app: str) -> Choice:
    """Return the app of a folder as it is now. Raises AppUnknown, AppUnusable."""

    def look() -> Choice:
        bundle = hive.catalog.take(app).bundle
        # What cannot be packed is not taken.
        assert bundle is not None
        return Choice(app, digest_of(bundle), of_bundle(bundle), bundle=bundle)

    return await hive.in_thread(look)


async def choose_offered(hive: Hive, offered: Offered) -> Choice:
    """Return an app that a catalog offers. Raises as `CatalogApps.compose_file`."""
    wanted, file = await in_own_thread(lambda: hive.catalog_apps.compose_file(offered))
    return Choice(offered.app, offered.digest, file, offered.catalog.name, offered.label, wanted=wanted)


async def keep(hive: Hive, choice: Choice) -> None:
    """Have what was chosen in the Hive's store, whole and durable. Raises as `Packages.have`."""
    bundle, wanted = choice.bundle, choice.wanted
    if bundle is not None:
        await hive.in_thread(lambda: hive.bundles.keep(bundle))
    if wanted is not None:
        await hive.packages.have(wanted)


def require_still_there(tx: Tx, who: AccountId, choice: Choice) -> None:
    """Return when the catalog that the choice is from is still the account's. Raises CatalogChanged."""
    if choice.catalog is not None and catalogs.get(tx, who, choice.catalog) is None:
        raise CatalogChanged(choice.catalog)


async def _own(hive: Hive, who: AccountId, app: str) -> Choice | None:
    """Return the account's own app of that name, of which everything is here."""
    if "\0" in app or (own := await hive.read(lambda tx: own_apps.get(tx, who, app))) is None:
        return None
    file = await hive.in_thread(lambda: compose_file(hive.bundles, own.digest))
    entry = await hive.in_thread(lambda: hive.own_apps.entries([own])[0])
    return Choice(app, own.digest, file, label=entry.label, approval=own.signature)


async def _offered(hive: Hive, who: AccountId, source: str, app: str, device: str | None, *, named_as: str) -> Offered:
    seen = sight.take(hive)
    kept, takers = await _known(hive, who)
    for catalog in (one for one in kept if source in ("", one.name)):
        targets = await hive.in_thread(partial(hive.catalogs.listed, catalog))
        # As the list has it: with another answer here a listed name would mean nothing, or another catalog's app.
        if not any(one.app == app for part in catalog_choice.offered(catalog, targets, takers) for one in part):
            continue
        where = await hive.read(lambda tx: find_device(tx, who, device))
        taker = taker_of(where, newest_report(where, seen))
        offered = catalog_choice.offer_for(catalog, targets, app, taker)
        if offered is None:
            published = {one.hardware for one in catalog_choice.takeable(targets) if app in one.apps}
            raise AppNotForDevice(catalog.name, app, where.name, taker.hardware, published)
        return offered
    raise AppUnknown(named_as, [one.app for one in await list_apps(hive, who)])


async def _known(hive: Hive, who: AccountId) -> tuple[list[KeptCatalog], list[Taker]]:
    """Return the account's catalogs, and its admitted Devices as roll-outs see them."""
    seen = sight.take(hive)

    def look(tx: Tx) -> tuple[list[KeptCatalog], list[Taker]]:
        admitted = [one for one in devices.of_account(tx, who) if one.admission is not None]
        return catalogs.of_account(tx, who), [taker_of(one, newest_report(one, seen)) for one in admitted]

    return await hive.read(look)


def _entries(hive: Hive, catalog: KeptCatalog, takers: Sequence[Taker]) -> list[CatalogApp]:
    for_us, for_others = catalog_choice.offered(catalog, hive.catalogs.listed(catalog), takers)
    found = [hive.catalog_apps.entry(one) for one in for_us]
    for one in for_others:
        problem = f"this version is for {one.target.hardware}, or is not rolled out to any of your devices yet"
        found.append(msgspec.structs.replace(hive.catalog_apps.entry(one), problem=problem))
    return sorted(found, key=lambda entry: entry.app)
