"""The owner's word on whose apps may run: one version of one app, or whatever a catalog's root leads to.

Both are signed by the owner key, which only a browser or the CLI ever opens.
"""

import msgspec

APPROVAL_CONTEXT = b"mosaic approval v1\0"
"""The owner signs `account`, the app's name, and its package's digest (text, joined by newlines)."""

CATALOG_CONTEXT = b"mosaic catalog v1\0"
"""The owner signs `account`, the catalog's name, its channel, and the SHA-256 of its first root (hex; joined likewise).

That a root begins here, and this channel alone: an entry for another one is another signature.
"""


class Approval(msgspec.Struct, frozen=True):
    """That the owner wants this very version of an app to run. `signature` (hex) by the owner key."""

    digest: str
    signature: str


class SignedApp(msgspec.Struct, frozen=True):
    """What the export of an owner's own app says of who signed it (`approval.json`). `owner_key` is hex.

    It proves nothing by itself: who reads it checks the signature with the owner key that he knows.
    """

    account: str
    app: str
    owner_key: str
    approval: Approval


class CatalogTrust(msgspec.Struct, frozen=True):
    """That the owner believes a catalog. `root_sha256` and `signature` are hex."""

    name: str
    channel: str
    root_sha256: str
    signature: str


def approved_text(*, account: str, app: str, digest: str) -> bytes:
    """Return what the owner signs of a version of an app."""
    return "\n".join([account, app, digest]).encode()


def trusted_text(*, account: str, name: str, channel: str, root_sha256: str) -> bytes:
    """Return what the owner signs of a catalog."""
    return "\n".join([account, name, channel, root_sha256]).encode()
