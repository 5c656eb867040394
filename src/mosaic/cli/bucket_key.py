"""Asking for the key of a bucket, the same way wherever one is needed: from a file, else on the terminal."""

from pathlib import Path

import click

from mosaic.cli import asking

_OPTION = "--credentials"
_FILE = click.Path(dir_okay=False, exists=True, path_type=Path)

credentials_option = click.option(
    _OPTION, type=_FILE, help="The file with the bucket's key: access_key_id = … and secret_access_key = …."
)


def bucket_key(file: Path | None) -> str:
    """Return the text of a key, as `adapters.s3.address` reads it. Raises NothingToAskOn, FileIsNotText."""
    if file is not None:
        return asking.secret("key of the bucket (access_key_id = …)", file=file, option=_OPTION)
    key_id = asking.secret("access key id of the bucket", file=None, option=_OPTION)
    secret = asking.secret("secret access key", file=None, option=_OPTION)
    return f"access_key_id = {key_id}\nsecret_access_key = {secret}\n"
