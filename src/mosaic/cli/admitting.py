"""Letting a Device in on the command line, and showing by what it is recognised."""

from pathlib import Path

from mosaic.cli import credentials, known_devices, recognising
from mosaic.cli.connection import connected
from mosaic.cli.devices import find
from mosaic.cli.output import Output
from mosaic.cli.unlocking import unlock
from mosaic.crypto import admission
from mosaic.crypto.account import root_id_of
from mosaic.crypto.device_keys import fingerprint
from mosaic.crypto.envelope import wrap_root_for_device
from mosaic.wire.api import Admit, Device


def admit(out: Output, name: str, typed: str | None, passphrase_file: Path | None) -> None:
    """Sign for the Device, and wrap the root key to it where it has none. Raises as `recognising.require` does."""
    account = credentials.load().account
    with connected() as hive:
        found = find(hive, name)
        if typed is not None:
            # Before the passphrase is asked for.
            recognising.compare(recognising.named(found, recognising.named_owner(hive)), typed)
        opened, _ = unlock(hive, passphrase_file)
        one = recognising.named(found, opened.owner_key)
        recognising.require(one, account, opened.root, typed=typed)
        signed = admission.admit(opened.owner_seed, account=account, subject=one.keys.device)
        root = None
        if not found.has_root_key:
            root = wrap_root_for_device(opened.root, wrapping_key=one.keys.wrapping_key, owner_seed=opened.owner_seed)
        wish = Admit(signed, root, root_id_of(opened.root) if root else "")
        let_in = hive.send("POST", f"/api/devices/{one.keys.device}/admit", wish, Device)
    if one.proof is not None:
        known_devices.forget_binding(one.proof.token)
    out.result(let_in, f"{let_in.name} is admitted and can run apps.")


def show_here(out: Output, state: Path | None) -> None:
    """Show the fingerprint of the Device on this machine. Raises NotEnrolled."""
    from mosaic.cli.up.layout import Layout, state_folder
    from mosaic.device import identity

    found = identity.load(Layout(state_folder(state)).identity)
    shown = fingerprint(found.keys)
    out.result({"device": found.device, "name": found.name, "fingerprint": shown}, shown)


def show_named(out: Output, name: str, typed: str | None, passphrase_file: Path | None) -> None:
    """Show the fingerprint of the keys that the Hive names; remember them when `typed` is the same.

    What is remembered is with the owner key that the passphrase opens: a Device that the Hive told of another
    owner shows what the Hive named to us as well. Raises DeviceForged, FingerprintDiffers.
    """
    account = credentials.load().account
    with connected() as hive:
        found = find(hive, name)
        one = recognising.named(found, recognising.named_owner(hive))
        known = recognising.is_known(one, account)
        if typed is not None:
            # Before the passphrase is asked for.
            recognising.compare(one, typed)
            opened, _ = unlock(hive, passphrase_file)
            one = recognising.named(found, opened.owner_key)
            recognising.compare(one, typed)
            known_devices.remember(account, one.keys)
            known = True
    shown = fingerprint(one.keys)
    told = "This machine knows these keys." if known else f"Compare it with `mosaic device fingerprint` on {one.name}."
    value = {"device": one.keys.device, "name": one.name, "fingerprint": shown, "known": known}
    out.result(value, f"{shown}\n{told}")
