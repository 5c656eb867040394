"""Believing a catalog, refreshing it, and believing it no more."""

import hashlib
from dataclasses import replace

from mosaic.adapters.sql import accounts, catalogs, events
from mosaic.adapters.sql.catalogs import KeptCatalog
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened
from mosaic.core.catalog_address import require_catalog_address
from mosaic.core.errors import Conflict, NotFound, Refused, Unavailable
from mosaic.core.ids import AccountId
from mosaic.core.target import require_channel
from mosaic.crypto.approvals import is_trusted
from mosaic.hive import names, refreshing
from mosaic.hive.catalogs import MOST_CATALOGS
from mosaic.hive.keys_check import PassphraseMissing
from mosaic.hive.own_apps import OWN
from mosaic.hive.own_threads import in_own_thread
from mosaic.hive.present.catalogs import catalog as presented
from mosaic.hive.runtime import Hive
from mosaic.hive.sources import FOLDER
from mosaic.wire.versions import AddCatalog, Catalog


class CatalogUnknown(NotFound):
    """The account has no catalog of that name."""

    code = "catalog-unknown"

    def __init__(self, name: str, known: list[str]) -> None:
        has = f"there is {', '.join(known[:8])}" if known else "there is none yet"
        super().__init__(f"there is no catalog {name[:80]!r}", hint=f"`mosaic catalog sources` lists them; {has}")


class CatalogNameTaken(Conflict):
    """The account has a catalog of that name, or the name means something else."""

    code = "catalog-name-taken"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"there is a catalog named {name} already",
            hint=f"choose another name, or remove that one first: `mosaic catalog remove {name}`",
        )


class CatalogNotSigned(Refused):
    """The account's owner did not sign exactly this catalog."""

    code = "catalog-not-signed"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the catalog {name} is not signed by this account's owner, or not with this root, name and channel",
            hint="add it with `mosaic catalog add`, which signs it with your passphrase",
        )


class CatalogRefused(Refused):
    """This cannot be a catalog."""

    code = "catalog-refused"

    def __init__(self, reason: str, *, hint: str) -> None:
        super().__init__(reason, hint=hint)


async def add_catalog(hive: Hive, who: AccountId, wish: AddCatalog) -> Catalog:
    """Believe a catalog from the root on that the owner signed, and refresh it.

    A repository that does not answer now is asked again; one that is refused is not added.

    Raises:
        NameUnusable, CatalogNameTaken, CatalogRefused, CatalogNotSigned, TargetUnusable, PassphraseMissing.
        TrustRefused, ChannelMissing: the repository is not what the root leads to.
    """
    new = _checked(hive, who, wish)
    async with hive.catalogs.turn(who, new.name):
        await hive.read(lambda tx: _require_addable(tx, new, wish))
        # What a kill left of one that was removed.
        await hive.in_thread(lambda: hive.catalogs.forget(who, new.name))
        refreshed, problem = await _first_refresh(hive, new)
        refreshing.plan_next(hive, new, problem)

        def write(tx: Tx) -> None:
            _require_addable(tx, new, wish)
            catalogs.add(tx, refreshed)
            told = Happened(who, "catalog-added", new.name, f"The catalog {new.name} is believed from now on.")
            events.add(tx, told, now_ns=new.added_ns)

        await hive.write(write)
    hive.catalogs.changed.wake()
    if refreshed.problem is None:
        await refreshing.look_at_apps(hive, refreshed)
    return await shown(hive, who, new.name)


async def refresh_catalog(hive: Hive, who: AccountId, name: str) -> Catalog:
    """Ask its repository now. What fails is in the answer. Raises CatalogUnknown."""
    await refreshing.refresh(hive, await hive.read(lambda tx: find_catalog(tx, who, name)))
    return await shown(hive, who, name)


async def remove_catalog(hive: Hive, who: AccountId, name: str) -> None:
    """Believe it no more. What was installed from it runs on, and gets no update. Raises CatalogUnknown."""
    await hive.read(lambda tx: find_catalog(tx, who, name))
    async with hive.catalogs.turn(who, name):
        now_ns = hive.clock.wall_ns()

        def write(tx: Tx) -> None:
            found = find_catalog(tx, who, name)
            catalogs.remove(tx, who, found.name)
            text = f"The catalog {found.name} is removed. What was installed from it runs on."
            events.add(tx, Happened(who, "catalog-removed", found.name, text), now_ns=now_ns)

        await hive.write(write)
        await hive.in_thread(lambda: hive.catalogs.forget(who, name))


async def shown(hive: Hive, who: AccountId, name: str) -> Catalog:
    """Return the catalog as it is now. Raises CatalogUnknown."""
    found, now_ns = await hive.read(lambda tx: find_catalog(tx, who, name)), hive.clock.wall_ns()
    return await hive.in_thread(lambda: presented(hive.catalogs, found, now_ns=now_ns))


def find_catalog(tx: Tx, who: AccountId, name: str) -> KeptCatalog:
    """Return the account's catalog of that name. Raises CatalogUnknown."""
    found = None if "\0" in name else catalogs.get(tx, who, name)
    if found is None:
        raise CatalogUnknown(name, [one.name for one in catalogs.of_account(tx, who)])
    return found


def _checked(hive: Hive, who: AccountId, wish: AddCatalog) -> KeptCatalog:
    """Return what would be kept, when it makes sense; who signed it is not looked at."""
    # Imported here: TUF takes memory, and most Hives never need it.
    from mosaic.adapters.trust.first_root import read_first_root

    name = names.check(wish.trust.name)
    if name in (FOLDER, OWN):
        raise CatalogNameTaken(name)
    require_channel(wish.trust.channel)
    require_catalog_address(wish.url)
    if hashlib.sha256(wish.root).hexdigest() != wish.trust.root_sha256:
        raise CatalogRefused(
            "the root is not the one that was signed",
            hint="add it again with the root's file: `mosaic catalog add --root FILE`",
        )
    read_first_root(wish.root, where=name)
    return KeptCatalog(
        who, name, wish.url, wish.trust.channel, wish.root, wish.trust.signature, added_ns=hive.clock.wall_ns()
    )


def _require_addable(tx: Tx, new: KeptCatalog, wish: AddCatalog) -> None:
    account = accounts.get(tx, new.account)
    if account is None or account.keys is None:
        raise PassphraseMissing
    if not is_trusted(wish.trust, owner_key=account.keys.owner_key, account=new.account):
        raise CatalogNotSigned(new.name)
    known = [one.name for one in catalogs.of_account(tx, new.account)]
    if new.name in known:
        raise CatalogNameTaken(new.name)
    if len(known) >= MOST_CATALOGS:
        raise CatalogRefused(
            f"there are {len(known)} catalogs, and {MOST_CATALOGS} is the most",
            hint="remove one first: `mosaic catalog sources` lists them",
        )


async def _first_refresh(hive: Hive, new: KeptCatalog) -> tuple[KeptCatalog, Unavailable | None]:
    try:
        await in_own_thread(lambda: hive.catalogs.refresh(new, now_ns=new.added_ns))
    except Unavailable as error:
        return replace(new, problem=error.with_hint), error
    except (Refused, NotFound):
        await hive.in_thread(lambda: hive.catalogs.forget(new.account, new.name))
        raise
    return replace(new, refreshed_ns=new.added_ns), None
