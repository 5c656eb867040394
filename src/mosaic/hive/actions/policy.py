"""What an installation may do beyond policy: signed by its owner, kept here, believed by no Device without that."""

from mosaic.adapters.sql import accounts, events, installations, placements
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened
from mosaic.adapters.sql.installations import Installation
from mosaic.core.app import asks_for
from mosaic.core.errors import MosaicError
from mosaic.core.grants import in_order, require_asked
from mosaic.core.ids import AccountId
from mosaic.core.keep_rule import write_rule
from mosaic.crypto.grants import GrantWrong, is_signed
from mosaic.hive import app_check, keeping, offers
from mosaic.hive.compose_files import ComposeFile, compose_file
from mosaic.hive.finding import find_installation
from mosaic.hive.keys_check import PassphraseMissing
from mosaic.hive.runtime import Hive
from mosaic.wire import api
from mosaic.wire.grants import PolicyGrant


async def read_policy(hive: Hive, who: AccountId, installation: str) -> api.Policy:
    """Return what it is granted, and what its app asks for."""

    def look(tx: Tx) -> tuple[Installation, list[str], str]:
        found = find_installation(tx, who, installation)
        return found, _granted(tx, who, found), write_rule(keeping.rule_of(tx, found.id))

    found, granted, keep = await hive.read(look)
    return api.Policy(found.name, granted, await _asks(hive, found), keep)


async def set_policy(hive: Hive, who: AccountId, installation: str, grant: PolicyGrant) -> api.Policy:
    """Replace what it is granted. The app is stopped, checked and started again with that.

    Raises:
        GrantWrong: the owner did not sign this, or not for an installation of this name.
        GrantUnusable: it has a new grant that the app does not ask for.
    """
    wanted = set(in_order(grant.keys))
    seen = await hive.read(lambda tx: find_installation(tx, who, installation))
    asks = await _asks(hive, seen)

    def change(tx: Tx) -> Installation | None:
        found = find_installation(tx, who, seen.id)
        require_signed(tx, who, found.name, grant)
        placements.lock(tx, found.id)
        before = set(_granted(tx, who, found))
        require_asked(wanted - before, set(asks))
        if wanted == before:
            return None
        installations.set_grant(tx, found.id, grant)
        events.add(tx, Happened(who, "policy-changed", found.id, _told(found.name, grant)), now_ns=hive.clock.wall_ns())
        return found

    if await hive.write(change) is not None:
        hive.carry_on([seen.id])
    keep = await hive.read(lambda tx: write_rule(keeping.rule_of(tx, seen.id)))
    return api.Policy(seen.name, in_order(wanted), asks, keep)


def require_signed(tx: Tx, who: AccountId, name: str, grant: PolicyGrant) -> None:
    """Return when the account's owner signed the grants for that name. Raises GrantWrong, PassphraseMissing."""
    if not _is_owners(tx, who, name, grant):
        raise GrantWrong(name)


async def _asks(hive: Hive, found: Installation) -> list[str]:
    """Return what its app asks for, and what a newer version of it does: that is granted before it is updated."""
    asked = await hive.in_thread(lambda: _of_file(found, compose_file(hive.bundles, found.app_digest)))
    offer = await offers.newer(hive, found)
    if offer is None:
        return asked
    try:
        choice = await offers.take(hive, found, offer.digest)
        return sorted({*asked, *await hive.in_thread(lambda: _of_file(found, choice.file))})
    except MosaicError:
        # Whoever updates is told what is wrong with it.
        return asked


def _of_file(found: Installation, file: ComposeFile) -> list[str]:
    return asks_for(app_check.compose_of(file, installation=found.id, name=found.name, config=found.config))


def _granted(tx: Tx, who: AccountId, found: Installation) -> list[str]:
    """Return what counts: restored from the trash under another name, it is granted nothing any more."""
    if found.grant is None or not _is_owners(tx, who, found.name, found.grant):
        return []
    return found.grant.keys


def _is_owners(tx: Tx, who: AccountId, name: str, grant: PolicyGrant) -> bool:
    account = accounts.get(tx, who)
    if account is None or account.keys is None:
        raise PassphraseMissing
    return is_signed(grant.keys, grant.signature, owner_key=account.keys.owner_key, account=who, name=name)


def _told(name: str, grant: PolicyGrant) -> str:
    return f"{name} is granted {', '.join(grant.keys)}." if grant.keys else f"{name} is granted nothing beyond policy."
