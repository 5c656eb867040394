"""The address of a store, as people type it: `/mnt/nas/backups`, `file:///…` or `s3://bucket/folder?endpoint=…`.

An address is no secret: the engine keeps and shows it. So nothing that looks
like a key may be in one, and a refusal never repeats what it refuses.
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

from mosaic.adapters.s3.location import LocationUnusable, S3Location
from mosaic.core.errors import Refused

_AMAZON = "https://s3.{region}.amazonaws.com"
_REGION = "us-east-1"
_WORDS = ("endpoint", "region", "addressing", "plain-http")
_EXAMPLE = "s3://bucket/folder?endpoint=https://s3.example.org or /mnt/nas/backups"


class StoreAddressRefused(Refused):
    """What was given is not the address of a store."""

    code = "store-address-refused"

    def __init__(self, reason: str, *, hint: str = f"give one like {_EXAMPLE}") -> None:
        super().__init__(reason, hint=hint)


@dataclass(frozen=True, slots=True)
class FolderAddress:
    """A folder."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class S3Address:
    """A folder in a bucket."""

    location: S3Location

    def __str__(self) -> str:
        where = self.location
        words = {"endpoint": where.endpoint, "region": where.region}
        if where.addressing != "path":
            words["addressing"] = where.addressing
        if where.allow_plain_http:
            words["plain-http"] = "yes"
        return f"s3://{where.bucket}/{where.prefix}?{urlencode(words, safe=':/')}"


StoreAddress: TypeAlias = FolderAddress | S3Address


def parse_address(text: str, *, region: str | None = None) -> StoreAddress:
    """Read an address; `str` of the answer says all of it and is read the same again.

    `region` counts where the address names none.

    Raises:
        StoreAddressRefused, LocationUnusable: it is not one, or it holds a secret.
    """
    if not text.isprintable():
        raise StoreAddressRefused("the store's address has characters that cannot be printed")
    if text.startswith("/"):
        return _folder(text)
    try:
        parts = urlsplit(text)
    except ValueError:
        raise StoreAddressRefused("the store's address is not well-formed") from None
    if "@" in parts.netloc:
        raise _secret_inside()
    match parts.scheme:
        case "file" if parts.netloc in ("", "localhost") and not parts.query:
            return _folder(unquote(parts.path))
        case "s3":
            return _bucket(parts, region)
        case _:
            raise StoreAddressRefused("the store's address is neither a folder's full path nor s3://…")


def _folder(text: str) -> FolderAddress:
    path = PurePosixPath(text)
    if not path.is_absolute() or ".." in path.parts or len(path.parts) < 2:
        raise StoreAddressRefused("the store's folder is not given by its full path")
    return FolderAddress(Path(path))


def _bucket(parts: SplitResult, region: str | None) -> S3Address:
    words = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := sorted(set(words) - set(_WORDS)):
        if any("key" in word.lower() or "secret" in word.lower() or "token" in word.lower() for word in unknown):
            raise _secret_inside()
        raise StoreAddressRefused(
            f"the store's address says {', '.join(unknown)}", hint=f"behind the ? it takes {', '.join(_WORDS)}"
        )
    if parts.fragment:
        raise StoreAddressRefused("the store's address has a # in it")
    where = words.get("region") or region or _REGION
    return S3Address(
        S3Location(
            endpoint=words.get("endpoint") or _AMAZON.format(region=where),
            bucket=parts.netloc,
            prefix=unquote(parts.path).strip("/"),
            region=where,
            addressing=_addressing(words.get("addressing", "path")),
            allow_plain_http=words.get("plain-http") == "yes",
        )
    )


def _addressing(text: str) -> Literal["path", "virtual"]:
    if text == "path":
        return "path"
    if text == "virtual":
        return "virtual"
    raise LocationUnusable("the addressing of a bucket is path or virtual", hint="leave it out if you are not sure")


def _secret_inside() -> StoreAddressRefused:
    return StoreAddressRefused(
        "the store's address has a key in it, which the engine would keep and show",
        hint="write the key into a file that only root may read, and name it: -o credentials=/path",
    )
