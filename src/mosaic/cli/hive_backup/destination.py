"""Where copies of a Hive's database should go, from what its owner typed: a place, and the key of a bucket."""

from pathlib import Path

from mosaic.adapters.backup_files import Destination
from mosaic.adapters.s3.address import parse_key
from mosaic.adapters.s3.location import LocationUnusable, S3Credentials
from mosaic.cli.bucket_key import bucket_key


def destination_of(place: str, credentials: Path | None) -> Destination:
    """Return the destination; the key of a bucket is in the file, or is asked for.

    Raises:
        KeyUnusable, FileIsNotText, NothingToAskOn: there is no key.
    """
    if not place.startswith("s3:"):
        return Destination(place)
    key = parse_key(bucket_key(credentials))
    return Destination(place, key.access_key_id, key.secret_access_key, key.session_token)


def credentials_of(destination: Destination) -> S3Credentials:
    """Return the key that is kept with a destination. Raises LocationUnusable."""
    if destination.access_key_id is None or destination.secret_access_key is None:
        raise LocationUnusable(
            "no key of this S3 store is known",
            hint="set the place again, with a file that has its key: `mosaic hive backup set PLACE --credentials FILE`",
        )
    return S3Credentials(destination.access_key_id, destination.secret_access_key, destination.session_token)
