"""Who this Device is: its keys, the Hive that it pinned, and the account's root key once it has it.

One JSON file, 0600, replaced whole. It holds secrets: nothing of it is
logged, and printing an Identity shows the Device's name only.
"""

from pathlib import Path

import msgspec

from mosaic.adapters.private_file import write_private
from mosaic.core.errors import Corrupt, Refused
from mosaic.crypto import device_keys, signing, x25519
from mosaic.crypto.device_keys import DeviceKeys
from mosaic.crypto.hashing import device_id
from mosaic.crypto.secret import Secret
from mosaic.wire.device_keys import KeyProof


class NotEnrolled(Refused):
    """The state folder has no identity."""

    code = "not-enrolled"

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path.parent} belongs to no Device yet",
            hint="`mosaic device add` on the Hive's machine prints the line to run here",
        )


class IdentityUnreadable(Corrupt):
    """The identity's file is not what this program wrote."""

    code = "identity-unreadable"

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"the identity in {path} cannot be read",
            hint="it is kept as it is; restore it from a backup, or join again from an empty state folder",
        )


class Identity(msgspec.Struct, frozen=True):
    """Keys are hex. `ca_pem` is what to trust for https. `root_key` is None until the Device has it.

    `former_roots` were the account's root key before it was renewed. They open
    what a Hive that came back from an older copy still has; nothing is ever
    wrapped under them again, whatever the Hive says. `joined_by` is the SHA-256
    of the join token's secret, and `by_token` what its binding said of the keys.
    """

    device: str
    name: str
    account: str
    hive_url: str
    hive_key: str
    ca_pem: str | None
    owner_key: str
    signing_seed: str
    wrapping_private: str
    root_key: str | None = None
    former_roots: list[str] = []
    joined_by: str = ""
    by_token: str = ""

    def __repr__(self) -> str:
        return f"Identity({self.name!r}, …)"

    @property
    def root(self) -> Secret | None:
        """The account's root key; None until the Device has it."""
        return Secret(bytes.fromhex(self.root_key)) if self.root_key else None

    @property
    def keys(self) -> DeviceKeys:
        """The public keys, and the owner's that was pinned."""
        return keys_of(self.signing_seed, self.wrapping_private, self.owner_key)

    @property
    def proof(self) -> KeyProof:
        """What this Device can say of its keys now."""
        seed = Secret(bytes.fromhex(self.signing_seed))
        return device_keys.prove(self.keys, seed, token=self.joined_by, by_token=self.by_token, root=self.root)

    @property
    def formers(self) -> list[Secret]:
        """The root keys that were renewed since, the newest first."""
        return [Secret(bytes.fromhex(each)) for each in self.former_roots]


def keys_of(signing_seed: str, wrapping_private: str, owner_key: str) -> DeviceKeys:
    """Return the public keys of the two private ones, beside the owner's (all hex)."""
    signing_key = signing.public_key(bytes.fromhex(signing_seed))
    wrapping_key = x25519.of(Secret(bytes.fromhex(wrapping_private))).public
    return DeviceKeys(device_id(bytes.fromhex(signing_key)), signing_key, wrapping_key, owner_key)


def load(path: Path) -> Identity:
    """Read the identity. Raises NotEnrolled when there is none, IdentityUnreadable when it is damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Identity)
    except FileNotFoundError:
        raise NotEnrolled(path) from None
    except msgspec.MsgspecError:
        # The cause is dropped: its text could repeat a key.
        raise IdentityUnreadable(path) from None


def store(path: Path, identity: Identity) -> None:
    """Replace the file; a kill between any two lines leaves the old one or the new one."""
    write_private(path, msgspec.json.encode(identity))
