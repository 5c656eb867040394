"""Where a store is, as its owner types it, and the key that opens it.

An address never holds a secret: it is shown, logged and kept in plain view.
The key comes beside it. What a bucket's address and its key are is
`mosaic.adapters.s3.address`'s to say.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit

from mosaic.adapters.s3.address import parse_bucket
from mosaic.adapters.s3.location import S3Location
from mosaic.core.errors import Refused

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)
_EXAMPLES = "file:///mnt/nas/mosaic, s3://bucket/folder?endpoint=https://s3.example.com or mosaic://cellar:8475"


class AddressUnusable(Refused):
    """What was given is not the address of a store."""

    code = "store-address-unusable"


@dataclass(frozen=True, slots=True)
class FolderAddress:
    """A folder that this machine can reach, on a disk or a network file system."""

    path: Path


@dataclass(frozen=True, slots=True)
class DeviceAddress:
    """Another Device that shares a folder."""

    host: str
    port: int


Address: TypeAlias = FolderAddress | S3Location | DeviceAddress


def check_store_name(name: str) -> str:
    """Return `name`. Raises AddressUnusable when no store can be called that."""
    if not _NAME.fullmatch(name) or name == "hive":
        raise AddressUnusable(
            f"{name!r} cannot be a store's name",
            hint="choose up to 32 small letters, digits and dashes; `hive` is the Hive's own store",
        )
    return name


def parse_address(url: str) -> Address:
    """Return the place that a store's address names.

    Raises:
        AddressUnusable, LocationUnusable: it names none; nothing of it is repeated that may be a password.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise _unusable("it is not an address") from None
    if "@" in parts.netloc or parts.fragment or not url.isprintable():
        raise _unusable("it has a user, a password or a fragment in it")
    match parts.scheme:
        case "file":
            return _folder(parts)
        case "s3":
            return parse_bucket(url)
        case "mosaic":
            return _device(parts)
        case _:
            raise _unusable("it begins with none of file://, s3:// and mosaic://")


def _folder(parts: SplitResult) -> FolderAddress:
    path = Path(unquote(parts.path))
    if parts.netloc or parts.query or not path.is_absolute() or ".." in path.parts or path == Path("/"):
        raise _unusable("a folder is given by its whole path after file://")
    return FolderAddress(path)


def _device(parts: SplitResult) -> DeviceAddress:
    if not parts.hostname or not parts.port or parts.path.strip("/") or parts.query:
        raise _unusable("a Device is given by its name or number and its port")
    return DeviceAddress(parts.hostname, parts.port)


def _unusable(reason: str) -> AddressUnusable:
    return AddressUnusable(f"that is not the address of a store: {reason}", hint=f"give one like {_EXAMPLES}")
