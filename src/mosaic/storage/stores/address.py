"""Where a store is, as its owner types it, and the key that opens it.

An address never holds a secret: it is shown, logged and kept in plain view.
The key comes beside it, as the text of a file.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from mosaic.adapters.s3.location import S3Credentials, S3Location
from mosaic.core.errors import Refused

_S3_WORDS = {"endpoint", "region", "addressing", "plain-http"}
_AWS = "https://s3.{region}.amazonaws.com"
_KEY_WORDS = {"access_key_id": "id", "secret_access_key": "secret", "session_token": "token"}
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)
_EXAMPLES = "file:///mnt/nas/mosaic, s3://bucket/folder?endpoint=https://s3.example.com or mosaic://cellar:8475"


class AddressUnusable(Refused):
    """What was given is not the address of a store."""

    code = "store-address-unusable"


class KeyUnusable(Refused):
    """What was given as a store's key is not one. It is not repeated: it is a secret."""

    code = "store-key-unusable"


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
            return _bucket(parts)
        case "mosaic":
            return _device(parts)
        case _:
            raise _unusable("it begins with none of file://, s3:// and mosaic://")


def parse_s3_key(text: str) -> S3Credentials:
    """Return the key that a file holds: lines `access_key_id = …` and `secret_access_key = …`, as AWS's own are.

    Raises:
        KeyUnusable: it holds none.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        word, equals, value = line.partition("=")
        name = _KEY_WORDS.get(word.strip().lower().removeprefix("aws_"))
        if equals and name is not None and value.strip():
            if name in found:
                raise KeyUnusable("the file holds several keys", hint="give a file with one key alone")
            found[name] = value.strip().strip("\"'")
    if "id" not in found or "secret" not in found:
        raise KeyUnusable(
            "the file holds no key of an S3 store",
            hint="write two lines into it: access_key_id = … and secret_access_key = …",
        )
    return S3Credentials(found["id"], found["secret"], found.get("token"))


def _folder(parts: SplitResult) -> FolderAddress:
    path = Path(unquote(parts.path))
    if parts.netloc or parts.query or not path.is_absolute() or ".." in path.parts or path == Path("/"):
        raise _unusable("a folder is given by its whole path after file://")
    return FolderAddress(path)


def _bucket(parts: SplitResult) -> S3Location:
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(set(given) - _S3_WORDS)
    if unknown or len(given) != len(parse_qsl(parts.query, keep_blank_values=True)):
        # Its value is not repeated: people write keys there.
        raise _unusable(f"a bucket takes {', '.join(sorted(_S3_WORDS))} behind the question mark, once each")
    region = given.get("region", "us-east-1")
    if given.get("addressing", "path") not in ("path", "virtual") or given.get("plain-http", "no") not in ("yes", "no"):
        raise _unusable("addressing is path or virtual, and plain-http is yes or no")
    return S3Location(
        endpoint=given.get("endpoint", _AWS.format(region=region)),
        bucket=parts.netloc,
        prefix=unquote(parts.path).strip("/"),
        region=region,
        addressing="virtual" if given.get("addressing") == "virtual" else "path",
        allow_plain_http=given.get("plain-http") == "yes",
    )


def _device(parts: SplitResult) -> DeviceAddress:
    if not parts.hostname or not parts.port or parts.path.strip("/") or parts.query:
        raise _unusable("a Device is given by its name or number and its port")
    return DeviceAddress(parts.hostname, parts.port)


def _unusable(reason: str) -> AddressUnusable:
    return AddressUnusable(f"that is not the address of a store: {reason}", hint=f"give one like {_EXAMPLES}")
