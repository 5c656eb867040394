"""Another root key for an account: all that hangs on it is replaced in one transaction, or none of it.

The Hive can open none of it (G6). What it can hold to: nothing that the older
root key wrapped is left out, and nothing that it wraps is taken afterwards.
"""

import re
from collections.abc import Mapping

from mosaic.adapters.sql import accounts, devices, events, installations, volumes
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened
from mosaic.core.errors import Conflict
from mosaic.core.ids import AccountId, DeviceId, VolumeId
from mosaic.crypto.password import check_password, hash_password
from mosaic.hive import roll_call
from mosaic.hive.actions.people import KeysChanged
from mosaic.hive.keys_check import KeysUnusable, PassphraseDiffers, PassphraseMissing, check_new_root
from mosaic.hive.links import tokens
from mosaic.hive.runtime import Hive
from mosaic.wire import api, root_key

_ENVELOPE = re.compile(r"(?:[0-9a-f]{2}){1,512}", re.ASCII)


class RootKeyRenewed(Conflict):
    """Something was wrapped under a root key that is not the account's present one."""

    code = "root-key-renewed"

    def __init__(self) -> None:
        super().__init__(
            "this was wrapped under another root key than the account's present one",
            hint="it goes on by itself once the present one is here; a Hive that came back from an older copy needs "
            "`mosaic keys renew`",
        )


def require_present_root(tx: Tx, who: AccountId, root_id: str) -> None:
    """Return when `root_id` names the account's root key, which stays it until the transaction's end."""
    accounts.lock(tx, who)
    account = accounts.get(tx, who)
    present = account.keys.root_id if account and account.keys else ""
    # Accounts of earlier versions have not said which theirs is, until their wrappings change.
    if present and root_id != present:
        raise RootKeyRenewed


async def root_reach(hive: Hive, who: AccountId) -> root_key.RootReach:
    """Return all that the account's root key wraps, and for which Devices it is wrapped."""

    def look(tx: Tx) -> root_key.RootReach:
        account = accounts.get(tx, who)
        names = {one.id: one.name for one in installations.of_account(tx, who)}
        return root_key.RootReach(
            keys=account.keys if account else None,
            seeds=[
                root_key.WrappedSeed(one.id, one.wrapped_seed, names.get(one.installation, ""))
                for one in volumes.of_account(tx, who)
            ],
            devices=[
                root_key.DeviceRoot(
                    one.id, one.name, one.wrapping_key, one.root_for_device, one.signing_key, one.key_proof
                )
                for one in devices.of_account(tx, who)
                if one.admission is not None
            ],
        )

    return await hive.read(look)


async def renew_root(hive: Hive, who: AccountId, change: root_key.RenewRoot) -> api.Account:
    """Replace the account's root key and all that hangs on it, after the passphrase was proved."""
    account = await hive.read(lambda tx: accounts.get(tx, who))
    if account is None or account.keys is None or account.auth_verifier is None:
        raise PassphraseMissing
    check_new_root(change.new, previous=account.keys)
    for envelope in (*change.seeds.values(), *change.devices.values()):
        if not _ENVELOPE.fullmatch(envelope):
            raise KeysUnusable("a wrapped key is not hex, or too long")
    verifier, proof = account.auth_verifier, change.previous_auth_key
    if not await hive.costly(lambda: check_password(proof, verifier)):
        raise PassphraseDiffers
    auth_verifier = await hive.costly(lambda: hash_password(change.new.auth_key))
    now_ns = hive.clock.wall_ns()

    def write(tx: Tx) -> set[DeviceId]:
        roll_call.require_none(tx)
        # First of all: it locks the account, so that no volume and no admission comes in between.
        if not accounts.set_keys(tx, who, change.new.keys, auth_verifier):
            raise KeysChanged
        _require_all(tx, who, change)
        volumes.wrap_again(tx, {VolumeId(volume): seed for volume, seed in change.seeds.items()})
        devices.give_root(tx, who, {DeviceId(device): root for device, root in change.devices.items()})
        reach = f"{_counted(change.devices, 'Device')} and {_counted(change.seeds, 'volume')}"
        tokens.root_was_renewed(tx, who, now_ns=now_ns)
        text = f"The root key was renewed, for {reach}."
        events.add(tx, Happened(who, "root-key-renewed", who, text), now_ns=now_ns)
        return {each.id for each in devices.of_account(tx, who)}

    own = await hive.write(write)
    hive.connections.wake(own)
    return api.Account(account.id, account.name, change.new.keys)


def _require_all(tx: Tx, who: AccountId, change: root_key.RenewRoot) -> None:
    """Return when nothing was made, admitted or removed since it was read. Raises KeysChanged."""
    kept = {one.id for one in volumes.of_account(tx, who)}
    admitted = {one.id for one in devices.of_account(tx, who) if one.admission is not None}
    if kept != change.seeds.keys() or admitted != change.devices.keys():
        raise KeysChanged


def _counted(things: Mapping[str, str], what: str) -> str:
    return f"{len(things)} {what}{'' if len(things) == 1 else 's'}"
