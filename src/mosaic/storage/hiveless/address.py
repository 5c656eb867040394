"""The address of a volume's own store, as people type it behind `-o store=`.

The engine keeps and shows it, so nothing that looks like a key may be in it.
What an address means is `mosaic.storage.stores.address`'s; a plain path is
understood as well, and one text of it is kept.
"""

from pathlib import PurePosixPath
from typing import TypeAlias
from urllib.parse import quote, urlsplit

from mosaic.adapters.s3.address import write_bucket
from mosaic.adapters.s3.location import S3Location
from mosaic.core.errors import Refused
from mosaic.storage.stores.address import AddressUnusable, DeviceAddress, FolderAddress
from mosaic.storage.stores.address import parse_address as parse_any

_EXAMPLE = "/mnt/nas/backups or s3://bucket/folder?endpoint=https://s3.example.org"

StoreAddress: TypeAlias = FolderAddress | S3Location


class StoreAddressRefused(Refused):
    """What was given is not the address of a store that a volume can have for itself."""

    code = "store-address-refused"

    def __init__(self, reason: str, *, hint: str = f"give one like {_EXAMPLE}") -> None:
        super().__init__(reason, hint=hint)


def parse_address(text: str, *, region: str | None = None) -> StoreAddress:
    """Read an address. `region` counts where one of a bucket names none.

    Raises:
        StoreAddressRefused, LocationUnusable: it is none, or it holds a secret.
    """
    if not text.isprintable():
        raise StoreAddressRefused("the store's address has characters that cannot be printed")
    if text.startswith("/"):
        path = PurePosixPath(text)
        return _own(f"file://{quote(str(path) if not text.startswith('//') else '/' + text.lstrip('/'))}")
    if _holds_a_secret(text):
        raise StoreAddressRefused(
            "the store's address has a key in it, which the engine would keep and show",
            hint="write the key into a file that only root may read, and name it: -o credentials=/path",
        )
    if region is not None and text.startswith("s3://") and "region=" not in text:
        text += f"{'&' if '?' in text else '?'}region={quote(region)}"
    return _own(text)


def write_address(address: StoreAddress) -> str:
    """Return all of an address as one text, which is read the same again."""
    if isinstance(address, FolderAddress):
        return str(address.path)
    return write_bucket(address)


def _own(text: str) -> StoreAddress:
    try:
        found = parse_any(text)
    except AddressUnusable as error:
        raise StoreAddressRefused(error.message) from None
    if isinstance(found, DeviceAddress):
        raise StoreAddressRefused("another Device cannot be the only store of a volume")
    return found


def _holds_a_secret(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    words = [word.partition("=")[0].lower() for word in parts.query.split("&")]
    return "@" in parts.netloc or any("key" in word or "secret" in word or "token" in word for word in words)
