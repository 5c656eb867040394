"""Who this Device is: its keys, the Hive that it pinned, and the account's root key once it has it.

One JSON file, 0600, written whole. It holds secrets: nothing of it is logged.
"""

from pathlib import Path

import msgspec

from mosaic.core.errors import Refused


class NotEnrolled(Refused):
    """The state folder has no identity."""

    code = "not-enrolled"

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path.parent} belongs to no Device yet",
            hint="run `mosaic device run --join TOKEN`; `mosaic device add` on the Hive's machine prints the token",
        )


class Identity(msgspec.Struct, frozen=True):
    """Keys are hex. `ca_pem` is what to trust for https. `root_key` is None until the Device has it."""

    device: str
    name: str
    account: str
    hive_url: str
    hive_key: str
    ca_pem: str | None
    owner_key: str
    signing_seed: str
    wrapping_seed: str
    root_key: str | None = None


def load(path: Path) -> Identity:
    """Read the identity. Raises NotEnrolled when there is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Identity)
    except FileNotFoundError:
        raise NotEnrolled(path) from None
