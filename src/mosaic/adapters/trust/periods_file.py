"""How long what a publisher signs is good for, where it is not as usual: a file beside his keys.

Beside the keys and not in the served folder, as it decides what is signed.
"""

import msgspec

from mosaic.adapters.private_file import write_private
from mosaic.adapters.trust.key_folder import KeyFolder
from mosaic.core.errors import Corrupt
from mosaic.core.expiry import DAY_SECONDS, Periods

_NAME = "periods.json"
LEAST_SECONDS = 3600
MOST_DAYS = 3650
MOST_SECONDS = MOST_DAYS * DAY_SECONDS


class PeriodsUnusable(Corrupt):
    """The file with the periods is not what this program wrote."""

    code = "periods-unusable"

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path} does not say how long what is signed is good for",
            hint=f"remove it, and set them again with `mosaic app keys periods`; each is 1 hour to {MOST_DAYS} days",
        )


def read_periods(keys: KeyFolder) -> Periods:
    """Return the periods that a publisher chose; the usual ones where there is no file. Raises PeriodsUnusable."""
    path = keys.folder / _NAME
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return Periods()
    try:
        periods = msgspec.json.decode(content, type=Periods)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise PeriodsUnusable(str(path)) from None
    if not all(LEAST_SECONDS <= one <= MOST_SECONDS for one in msgspec.to_builtins(periods).values()):
        raise PeriodsUnusable(str(path))
    return periods


def keep_periods(keys: KeyFolder, periods: Periods) -> None:
    """Use these from now on. What is signed already keeps its time."""
    write_private(keys.folder / _NAME, msgspec.json.encode(periods) + b"\n")
