"""Finding the key of an S3 store: never in an option's value, which the engine keeps and shows.

First the file that was named, then `<state>/credentials/<bucket>`, then the
AWS_* variables of the daemon. A file is written like the one of other tools:

    aws_access_key_id = …
    aws_secret_access_key = …
    aws_session_token = …        (only for keys that end)
"""

import os
from collections.abc import Mapping
from pathlib import Path

from mosaic.adapters.s3.address import KeyUnusable, parse_key
from mosaic.adapters.s3.location import S3Credentials
from mosaic.core.errors import Refused
from mosaic.storage.hiveless.private import SecretFileRefused, read_secret

_WHAT = "file with the store's key"


class CredentialsMissing(Refused):
    """There is no key for the store."""

    code = "store-credentials-missing"

    def __init__(self, bucket: str, path: Path) -> None:
        super().__init__(
            f"there is no key for the bucket {bucket}",
            hint=f"write aws_access_key_id = … and aws_secret_access_key = … into {path} (chmod 600)",
        )


def find_credentials(
    bucket: str, *, named: Path | None, state: Path, environment: Mapping[str, str] | None = None
) -> S3Credentials:
    """Return the key for a bucket.

    Raises:
        CredentialsMissing: there is none.
        SecretFileRefused: a file is there, and cannot be used.
    """
    usual = state / "credentials" / bucket
    text = read_secret(named or usual, _WHAT)
    if text is not None:
        return _parse(named or usual, text)
    environment = os.environ if environment is None else environment
    key_id, secret = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    if named is None and key_id and secret:
        return S3Credentials(key_id, secret, environment.get("AWS_SESSION_TOKEN") or None)
    raise CredentialsMissing(bucket, named or usual)


def _parse(path: Path, text: str) -> S3Credentials:
    try:
        return parse_key(text)
    except KeyUnusable as error:
        raise SecretFileRefused(f"the {_WHAT} {path} cannot be used: {error.message}", hint=error.hint) from None
