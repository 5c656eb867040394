"""What hangs on an account's root key, and what is sent when another one takes its place."""

import msgspec

from mosaic.wire.account import AccountKeys, NewAccountKeys
from mosaic.wire.device_keys import KeyProof


class WrappedSeed(msgspec.Struct, frozen=True):
    """A volume's seed, wrapped (hex) under the account's root key. `name` is its app's."""

    volume: str
    wrapped_seed: str
    name: str = ""


class DeviceRoot(msgspec.Struct, frozen=True):
    """An admitted Device, and the root key wrapped to it (hex); None when it took it by the passphrase."""

    device: str
    name: str
    wrapping_key: str
    root_for_device: str | None
    signing_key: str = ""
    proof: KeyProof | None = None


class RootReach(msgspec.Struct, frozen=True):
    """All that hangs on the account's root key, at one moment. `keys` is None until a passphrase was set."""

    keys: AccountKeys | None
    seeds: list[WrappedSeed]
    devices: list[DeviceRoot]


class RenewRoot(msgspec.Struct, frozen=True):
    """Another root key: its wrappings, every volume's seed and every admitted Device, all of them or nothing.

    `seeds` and `devices` (by id, hex) name exactly what `RootReach` did.
    """

    new: NewAccountKeys
    previous_auth_key: str
    seeds: dict[str, str]
    devices: dict[str, str]
