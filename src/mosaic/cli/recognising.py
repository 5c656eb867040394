"""Recognising a Device by its keys before anything is encrypted to it: the Hive only names them (decision 58).

A Device is recognised when this machine knows its keys already; when they come
with what only a holder of its join token, or of the account's root key, can
make; or when its owner has compared their fingerprint.
"""

import sys
from dataclasses import dataclass

import click

from mosaic.adapters.api_client import HiveClient
from mosaic.cli import asking, known_devices
from mosaic.core.errors import Corrupt, Refused
from mosaic.crypto import device_keys
from mosaic.crypto.device_keys import DeviceKeys, fingerprint, is_fingerprint
from mosaic.crypto.secret import Secret
from mosaic.wire.actions import Actions
from mosaic.wire.api import Account, Device
from mosaic.wire.device_keys import KeyProof
from mosaic.wire.root_key import DeviceRoot

_NOT_THIS_HIVE = "nothing was sent; do not use this Hive before whoever runs it explains that"


class DeviceForged(Corrupt):
    """What the Hive says of a Device's keys cannot be true."""

    code = "device-forged"

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"the Hive names keys for {name} that are not its own: {problem}", hint=_NOT_THIS_HIVE)


class FingerprintDiffers(Corrupt):
    """The fingerprint that was given is not that of the keys that the Hive names."""

    code = "fingerprint-differs"

    def __init__(self, name: str, shown: str) -> None:
        super().__init__(
            f"the keys that the Hive names for {name} have the fingerprint {shown}, which is not the one given",
            hint="copy what `mosaic device fingerprint` prints on that machine; if it differs again, leave this Hive",
        )


class DeviceUnproved(Refused):
    """Nothing shows that the keys which the Hive names are the Device's own."""

    code = "device-unproved"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"nothing shows that the keys which the Hive names for {name} are its own, so nothing is encrypted to them",
            hint=f"run `mosaic device fingerprint` on that machine, and here "
            f"`mosaic device fingerprint {name} --is FINGERPRINT`",
        )


class DeviceKeysUntold(Refused):
    """The Hive does not tell a Device's keys."""

    code = "device-keys-untold"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the Hive does not tell all keys of {name}, so they cannot be recognised",
            hint="it runs an older version: update Mosaic on its machine, `mosaic upgrade` there",
        )


@dataclass(frozen=True, slots=True)
class Named:
    """A Device as the Hive names it. `proof` is None when it said nothing of its keys."""

    name: str
    keys: DeviceKeys
    proof: KeyProof | None


def named_owner(hive: HiveClient) -> str:
    """Return the owner key that the Hive names, where nobody opens it; "" without one."""
    keys = hive.get("/api/account", Account).keys
    return keys.owner_key if keys is not None else ""


def named(told: Device | DeviceRoot | Actions, owner_key: str) -> Named:
    """Return the keys of a Device, when they can be those of one machine that pinned this owner.

    Raises DeviceKeysUntold, DeviceForged.
    """
    if isinstance(told, Actions):
        name, keys = told.device, DeviceKeys(told.device_id, told.signing_key, told.wrapping_key, owner_key)
    else:
        name, keys = told.name, DeviceKeys(told.device, told.signing_key, told.wrapping_key, owner_key)
    if not keys.signing_key:
        raise DeviceKeysUntold(name)
    if not device_keys.are_of_one(keys):
        raise DeviceForged(name, "its id is that of another key")
    if told.proof is not None and not device_keys.are_signed(keys, told.proof):
        raise DeviceForged(name, "it did not sign them together with your owner key")
    return Named(name, keys, told.proof)


def is_known(one: Named, account: str) -> bool:
    """Say whether this machine knows the keys. Raises DeviceForged when it knows better."""
    known = known_devices.find(account, one.keys.device)
    if known is None:
        return False
    named_now = (one.keys.signing_key, one.keys.wrapping_key, one.keys.owner_key)
    if (known.signing_key, known.wrapping_key, known.owner_key) != named_now:
        raise DeviceForged(one.name, "this machine knows others")
    if known.is_removed:
        raise DeviceForged(one.name, "they are those of a Device that you removed")
    return True


def is_of_token(one: Named) -> bool:
    """Say whether the keys come with the binding of a join token that was made here. Raises DeviceForged."""
    binding = known_devices.binding_of(one.proof.token) if one.proof is not None and one.proof.by_token else None
    if one.proof is None or binding is None:
        return False
    if not device_keys.is_by_token(one.keys, one.proof, binding):
        raise DeviceForged(one.name, "whoever has them was not given the line that you made")
    return True


def has_root(one: Named, root: Secret) -> bool:
    """Say whether whoever has the keys has the account's root key."""
    return one.proof is not None and device_keys.is_by_root(one.keys, one.proof, root)


def compare(one: Named, typed: str) -> None:
    """Compare a fingerprint that the owner read on the Device's machine. Raises FingerprintDiffers."""
    if not is_fingerprint(typed, one.keys):
        raise FingerprintDiffers(one.name, fingerprint(one.keys))


def require(one: Named, account: str, root: Secret, *, typed: str | None = None) -> None:
    """Return when the Device is recognised, and remember its keys; a person may be asked to compare.

    Raises:
        DeviceForged, FingerprintDiffers: the Hive lies, or somebody mistyped.
        DeviceUnproved: nobody has compared.
    """
    known = is_known(one, account)
    if typed is not None:
        compare(one, typed)
    elif not (known or is_of_token(one) or has_root(one, root) or _is_compared(one)):
        raise DeviceUnproved(one.name)
    known_devices.remember(account, one.keys)


def _is_compared(one: Named) -> bool:
    if not sys.stdin.isatty():
        return False
    click.echo(
        f"{one.name} shows its fingerprint when it starts, and with `mosaic device fingerprint` on its machine.\n"
        f"The Hive names keys with this one:\n\n  {fingerprint(one.keys)}\n",
        err=True,
    )
    return asking.agree("Is it the same, letter by letter?", yes=False)
