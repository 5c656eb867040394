"""The backup code: the seed of the Hive's own volume, as a person prints it in a recovery kit.

The volume holds the Hive's database and its own keys, encrypted like any
other volume. Its seed is the Hive's and no account's: it opens neither the
data of a volume nor a key of an account. Written as fourteen groups of four
base32 characters, of which the last is a checksum.
"""

import base64
import hashlib
import re

from mosaic.core.errors import Refused
from mosaic.crypto.secret import Secret

SEED_BYTES = 32
GROUP = 4
GROUPS = 14

_CHECKSUM_LABEL = b"mosaic backup checksum v1\0"
_MISREAD = str.maketrans("018", "OIB")
_SHAPE = re.compile(f"[A-Z2-7]{{{GROUP * GROUPS}}}")
_PADDING = "===="


class BackupCodeUnreadable(Refused):
    """What was given is not a backup code."""

    code = "backup-code-unreadable"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"this is not the backup code of a Hive: {reason}",
            hint="give all fourteen groups of four characters as they are printed in the recovery kit",
        )


def write(seed: Secret) -> str:
    """Return the fourteen groups of a seed."""
    text = base64.b32encode(seed.reveal()).decode().rstrip("=") + _checksum(seed.reveal())
    return "-".join(text[at : at + GROUP] for at in range(0, len(text), GROUP))


def read(text: str) -> Secret:
    """Read what `write` wrote, in any case and with any spaces or dashes. Raises BackupCodeUnreadable."""
    typed = re.sub(r"[\s-]", "", text).upper().translate(_MISREAD)
    if not _SHAPE.fullmatch(typed):
        raise BackupCodeUnreadable(f"it needs {GROUP * GROUPS} characters of A–Z and 2–7")
    raw = base64.b32decode(typed[:-GROUP] + _PADDING)
    if typed[-GROUP:] != _checksum(raw):
        raise BackupCodeUnreadable("a character is mistyped, for its checksum does not match")
    return Secret(raw)


def _checksum(raw: bytes) -> str:
    return base64.b32encode(hashlib.sha256(_CHECKSUM_LABEL + raw).digest()).decode()[:GROUP]
