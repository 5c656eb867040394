"""Where an S3 store is and the key that opens it, checked before anything is sent there."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from mosaic.core.errors import Refused

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_REGION = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
_PREFIX = re.compile(r"([A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*", re.ASCII)


class LocationUnusable(Refused):
    """An S3 store cannot be reached by what was given."""

    code = "store-location-unusable"


@dataclass(frozen=True, slots=True, repr=False)
class S3Credentials:
    """A key of an S3 store. `session_token` is None for keys that last."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        return "S3Credentials(not shown)"


@dataclass(frozen=True, slots=True)
class S3Location:
    """A bucket, and the folder in it (`prefix`, "" for none) that Mosaic keeps to.

    `path` addressing asks `endpoint`/bucket/…, `virtual` asks bucket.`endpoint`/…; stores differ in
    which they answer. `ca_pem` names authorities that are trusted besides the machine's.

    Raises:
        LocationUnusable: what is given cannot be an S3 store, or would be asked without encryption
            over a network, and `allow_plain_http` is not set.
    """

    endpoint: str
    bucket: str
    prefix: str = ""
    region: str = "us-east-1"
    addressing: Literal["path", "virtual"] = "path"
    ca_pem: str | None = None
    allow_plain_http: bool = False

    def __post_init__(self) -> None:
        parts = _endpoint(self.endpoint)
        if not _BUCKET.fullmatch(self.bucket):
            raise LocationUnusable(f"{self.bucket!r} is not a bucket's name", hint="give the bucket's name alone")
        if not _REGION.fullmatch(self.region):
            raise LocationUnusable(f"{self.region!r} is not a region", hint="the store's pages name it: us-east-1")
        if self.prefix and not _PREFIX.fullmatch(self.prefix):
            raise LocationUnusable(f"{self.prefix!r} is not a folder in a bucket", hint="give one like backups/mosaic")
        if parts.scheme == "http" and not (self.is_loopback or self.allow_plain_http):
            raise LocationUnusable(
                f"{self.endpoint} is asked without encryption, so everybody in between can replace the answers",
                hint="give an https:// address, or allow plain HTTP if the network is your own",
            )
        if self.addressing == "virtual" and _address(parts) is not None:
            raise LocationUnusable(
                f"{self.endpoint} is a number, and the bucket's name cannot stand before it",
                hint="give the store's name instead, or use path addressing",
            )

    @property
    def is_loopback(self) -> bool:
        """Whether the store is on this very machine."""
        parts = _endpoint(self.endpoint)
        address = _address(parts)
        return parts.hostname == "localhost" if address is None else address.is_loopback

    @property
    def host(self) -> str:
        """The endpoint's name or number."""
        return _endpoint(self.endpoint).hostname or ""

    @property
    def url(self) -> str:
        """What requests begin with; with virtual addressing the bucket's name is in it."""
        parts = _endpoint(self.endpoint)
        host = f"{self.bucket}.{parts.netloc}" if self.addressing == "virtual" else parts.netloc
        return f"{parts.scheme}://{host}{parts.path.rstrip('/')}"

    @property
    def where(self) -> str:
        """The bucket in words, for messages."""
        return f"the bucket {self.bucket} at {self.endpoint.rstrip('/')}"


def _endpoint(endpoint: str) -> SplitResult:
    try:
        parts = urlsplit(endpoint)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    # Not repeated in the message: it may hold a password.
    if not usable or "@" in endpoint or parts.query or parts.fragment or not endpoint.isprintable():
        raise LocationUnusable(
            "the S3 address given is not an address without a password, a query or a fragment",
            hint="give one like https://s3.eu-central-1.amazonaws.com; the key is given apart from it",
        )
    return parts


def _address(parts: SplitResult) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(parts.hostname or "")
    except ValueError:
        return None
