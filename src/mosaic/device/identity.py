"""Who this Device is: its keys, the Hive that it pinned, and the account's root key once it has it.

One JSON file, 0600, replaced whole. It holds secrets: nothing of it is
logged, and printing an Identity shows the Device's name only.
"""

from pathlib import Path

import msgspec

from mosaic.adapters.private_file import write_private
from mosaic.core.errors import Corrupt, Refused
from mosaic.crypto.secret import Secret


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
    wrapped under them again, whatever the Hive says.
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

    def __repr__(self) -> str:
        return f"Identity({self.name!r}, …)"

    @property
    def root(self) -> Secret | None:
        """The account's root key; None until the Device has it."""
        return Secret(bytes.fromhex(self.root_key)) if self.root_key else None

    @property
    def formers(self) -> list[Secret]:
        """The root keys that were renewed since, the newest first."""
        return [Secret(bytes.fromhex(each)) for each in self.former_roots]


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
