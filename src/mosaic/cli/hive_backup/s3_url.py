"""Reading `s3://BUCKET/FOLDER?endpoint=https://…&region=…` and the file with the key that opens it."""

from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

import msgspec

from mosaic.adapters.backup_files import Destination
from mosaic.adapters.s3.location import LocationUnusable, S3Credentials, S3Location

_KNOWN = frozenset({"endpoint", "region", "addressing"})
_HINT = "give one like s3://BUCKET/FOLDER?endpoint=https://s3.example.org"


class _KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    access_key_id: str
    secret_access_key: str


def location_of(url: str) -> S3Location:
    """Return where the bucket is. Raises LocationUnusable."""
    parts = urlsplit(url)
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    if not given.keys() <= _KNOWN or "endpoint" not in given or "@" in parts.netloc:
        # Not repeated: somebody may have typed a key into it.
        raise LocationUnusable("the S3 address needs an endpoint, and takes a region and an addressing", hint=_HINT)
    addressing: Literal["path", "virtual"] = "virtual" if given.get("addressing") == "virtual" else "path"
    return S3Location(
        endpoint=given["endpoint"],
        bucket=parts.netloc,
        prefix=parts.path.strip("/"),
        region=given.get("region", "us-east-1"),
        addressing=addressing,
    )


def credentials_of(destination: Destination) -> S3Credentials:
    """Return the key that belongs to the destination. Raises LocationUnusable."""
    if destination.access_key_id is None or destination.secret_access_key is None:
        raise LocationUnusable("no key of this S3 store is known", hint="name a file that has it with `--s3-key-file`")
    return S3Credentials(destination.access_key_id, destination.secret_access_key)


def with_key_file(url: str, file: Path | None) -> Destination:
    """Return the destination with the key in a JSON file (`access_key_id`, `secret_access_key`)."""
    if file is None:
        return Destination(url)
    try:
        key = msgspec.json.decode(file.read_bytes(), type=_KeyFile)
    except msgspec.MsgspecError:
        raise LocationUnusable(
            f"{file} does not hold the key of an S3 store",
            hint='write {"access_key_id": "…", "secret_access_key": "…"} into it, readable by you alone',
        ) from None
    return Destination(url, key.access_key_id, key.secret_access_key)
