"""An S3 store as its owner types it: an address, and the text of the file with the key that opens it.

An address never holds a secret: it is shown, logged and kept in plain view.
Nothing of what is refused is repeated, for people write keys where they do
not belong.
"""

from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from mosaic.adapters.s3.location import LocationUnusable, S3Credentials, S3Location
from mosaic.core.errors import Refused

_WORDS = ("addressing", "endpoint", "plain-http", "region")
_AWS = "https://s3.{region}.amazonaws.com"
_KEY_WORDS = {"access_key_id": "id", "secret_access_key": "secret", "session_token": "token"}


class KeyUnusable(Refused):
    """What was given as a store's key is not one. It is not repeated: it is a secret."""

    code = "store-key-unusable"


def parse_bucket(url: str) -> S3Location:
    """Return what `s3://BUCKET/FOLDER?endpoint=https://…` names. Without an endpoint it is Amazon's of the region.

    Raises:
        LocationUnusable: it names no bucket.
    """
    try:
        parts = urlsplit(url)
        given = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        raise _unusable("it is not an address") from None
    if parts.scheme != "s3" or "@" in parts.netloc or parts.fragment or not url.isprintable():
        raise _unusable("it begins with something else than s3://, or has a user, a password or a fragment in it")
    said = dict(given)
    if not said.keys() <= set(_WORDS) or len(said) != len(given):
        raise _unusable(f"a bucket takes {', '.join(_WORDS)} behind the question mark, once each")
    region, addressing, plain = said.get("region", "us-east-1"), said.get("addressing", "path"), said.get("plain-http")
    if addressing not in ("path", "virtual") or plain not in (None, "yes", "no"):
        raise _unusable("addressing is path or virtual, and plain-http is yes or no")
    return S3Location(
        endpoint=said.get("endpoint", _AWS.format(region=region)),
        bucket=parts.netloc,
        prefix=unquote(parts.path).strip("/"),
        region=region,
        addressing="virtual" if addressing == "virtual" else "path",
        allow_plain_http=plain == "yes",
    )


def write_bucket(location: S3Location) -> str:
    """Return all of an address as one text, which is read the same again."""
    words = {"endpoint": location.endpoint, "region": location.region}
    if location.addressing != "path":
        words["addressing"] = location.addressing
    if location.allow_plain_http:
        words["plain-http"] = "yes"
    return f"s3://{location.bucket}/{location.prefix}?{urlencode(words, safe=':/')}"


def parse_key(text: str) -> S3Credentials:
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


def _unusable(reason: str) -> LocationUnusable:
    return LocationUnusable(
        f"that is not the address of a bucket: {reason}",
        hint="give one like s3://bucket/folder?endpoint=https://s3.example.com",
    )
