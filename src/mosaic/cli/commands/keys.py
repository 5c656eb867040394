"""`mosaic keys renew`: another root key for the account, for when a Device that had the present one is in wrong hands.

Everything is wrapped on this machine. What opens the new wrappings is shown,
or written, before the Hive is told, and the Hive takes all of it or nothing.
"""

from pathlib import Path

import click

from mosaic.adapters.api_client import HiveClient
from mosaic.cli import asking, credentials, known_devices, recognising
from mosaic.cli.connection import connected
from mosaic.cli.keys_change import KeysUnsure, put_keys, show
from mosaic.cli.output import Output, json_option
from mosaic.cli.recognising import DeviceForged, DeviceUnproved
from mosaic.cli.unlocking import NoPassphrase
from mosaic.core.errors import MosaicError, Refused
from mosaic.core.ids import VolumeId
from mosaic.crypto import account as account_keys
from mosaic.crypto import envelope, passphrase, unwrap
from mosaic.crypto.account import Made, Opened
from mosaic.crypto.device_keys import fingerprint
from mosaic.wire.account import AccountKeys
from mosaic.wire.api import Account, Installation
from mosaic.wire.hive_backup import HiveKit, KitRequest
from mosaic.wire.root_key import DeviceRoot, RenewRoot, RootReach

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_NEW_FILE = click.Path(dir_okay=False, path_type=Path)


class RenewalNotConfirmed(Refused):
    """Nobody confirmed which Devices get the new root key."""

    code = "renewal-not-confirmed"

    def __init__(self, names: str) -> None:
        super().__init__(
            f"the root key was not renewed, for nobody confirmed that it goes to {names}",
            hint="remove what is not yours any more with `mosaic device remove`, then pass `--yes` to confirm",
        )


@click.group()
def keys() -> None:
    """The keys that the account's data is encrypted with."""


@keys.command()
@click.option("--out", "file", type=_NEW_FILE, help="Write the new recovery kit into this new file.")
@click.option("--yes", is_flag=True, help="Do not ask whether the Devices are the right ones.")
@click.option("--passphrase-file", type=_FILE, help="Read the passphrase from a file.")
@json_option
def renew(out: Output, file: Path | None, yes: bool, passphrase_file: Path | None) -> None:
    """Draw a new root key for the account, after a Device was lost or stolen.

    Remove that Device first. All others take the new key when they next
    reach the Hive; a new recovery code is shown, and the older one ends. The
    passphrase stays. Volumes that exist keep keys that the older root key
    opened: give each app new ones afterwards.
    """
    from mosaic.cli.hive_backup.kit import Kit, remove_kit, write_kit

    with connected() as hive:
        reach = hive.get("/api/account/root", RootReach)
        if reach.keys is None:
            raise NoPassphrase
        words = asking.secret("passphrase", file=passphrase_file, option="--passphrase-file")
        opened = unwrap.unlock(reach.keys, words)
        _confirm(reach, opened, yes=yes)
        change, made = renewed(reach, reach.keys, opened, words)
        proof = change.previous_auth_key
        of_hive = _kit_of_hive(hive, proof)
        account = hive.get("/api/account", Account)
        apps = [one.name for one in hive.get("/api/installations", list[Installation])]
        named = f"{account.name} ({account.account})"
        kit = Kit(named, hive.url, made.recovery_code, of_hive.backup_code, of_hive.to)
        if file is not None:
            write_kit(file, kit)
        else:
            show(kit.text(), as_json=out.as_json)
        try:
            put_keys(hive, change)
        except KeysUnsure:
            raise
        except MosaicError:
            if file is not None:
                remove_kit(file)
            raise
    value = {"version": change.new.keys.version, "devices": [one.name for one in reach.devices], "apps": apps}
    out.result(value if file else value | {"recovery_code": made.recovery_code}, _done(file, apps))


def _kit_of_hive(hive: HiveClient, proof: str) -> HiveKit:
    """Return the Hive's part of the kit. An account that did not set it up needs new keys no less, and goes without."""
    try:
        return hive.send("POST", "/api/hive/kit", KitRequest(proof), HiveKit)
    except Refused as refusal:
        if refusal.code != "not-the-hives-owner":
            raise
        return HiveKit("(whoever set the Hive up has it)", None)


def _confirm(reach: RootReach, opened: Opened, *, yes: bool) -> None:
    """Return when the owner knows every Device that gets the key, and none was slipped in by the Hive."""
    account = credentials.load().account
    names = ", ".join(_recognised(one, account, opened) for one in reach.devices) or "no Device"
    if not asking.agree(f"Give a new root key to {names}, and to nobody else?", yes=yes):
        raise RenewalNotConfirmed(names)


def _recognised(one: DeviceRoot, account: str, opened: Opened) -> str:
    """Return what the owner is asked about a Device whose key is its own.

    Raises DeviceForged, DeviceUnproved, DeviceKeysUntold.
    """
    envelope_of_owner = one.root_for_device
    if envelope_of_owner is not None and not unwrap.is_for_device(
        envelope_of_owner, wrapping_key=one.wrapping_key, owner_key=opened.owner_key
    ):
        raise DeviceForged(one.name, "you never wrapped anything to them")
    named = recognising.named(one, opened.owner_key)
    known = recognising.is_known(named, account)
    if not (known or envelope_of_owner is not None or recognising.has_root(named, opened.root)):
        raise DeviceUnproved(one.name)
    known_devices.remember(account, named.keys)
    return f"{one.name} ({fingerprint(named.keys)}{'' if known else ', new to this machine'})"


def renewed(reach: RootReach, keys_now: AccountKeys, opened: Opened, words: str) -> tuple[RenewRoot, Made]:
    """Draw the new root key, and wrap by it all that the older one opens. Raises EnvelopeDamaged."""
    made = account_keys.renew_root(keys_now, opened, words)
    seeds = {}
    for one in reach.seeds:
        volume = VolumeId(one.volume)
        seed = unwrap.open_volume_seed(one.wrapped_seed, opened.root, volume=volume)
        seeds[one.volume] = envelope.wrap_volume_seed(seed, made.opened.root, volume=volume)
    devices = {
        one.device: envelope.wrap_root_for_device(
            made.opened.root, wrapping_key=one.wrapping_key, owner_seed=opened.owner_seed
        )
        for one in reach.devices
    }
    proof = passphrase.derive(words, keys_now.kdf).auth_key.reveal().hex()
    return RenewRoot(made.new, proof, seeds, devices), made


def _done(file: Path | None, apps: list[str]) -> str:
    where = f"\nThe kit is in {file}: print it, and remove the file." if file else ""
    told = (
        f"The new root key counts, and the recovery code that came with it.{where}\n"
        "Keep the older kit until every Device has been connected once: a store that none of them reached since\n"
        "still opens by the older code alone."
    )
    if not apps:
        return told
    each = "\n".join(f"  mosaic volume rekey {name}" for name in apps)
    still = "Who has the older root key can read these apps' data, also what is written from now on, until you run"
    return f"{told}\n{still}\n{each}"
