"""The owner's grants to one installation, and what exactly is signed."""

from collections.abc import Sequence

import msgspec

GRANT_CONTEXT = b"mosaic grant v1\0"
"""The owner signs `account`, the installation's name, and the granted keys in order (text, joined by newlines)."""


class PolicyGrant(msgspec.Struct, frozen=True):
    """Everything that is granted to an installation; no keys take all of it back. `signature` (hex) by the owner."""

    keys: list[str]
    signature: str


def signed_text(*, account: str, name: str, keys: Sequence[str]) -> bytes:
    """Return what the owner signs; `keys` are in order (`core.grants.in_order`)."""
    return "\n".join([account, name, *keys]).encode()
