"""The recovery code: 160 random bits that a person prints and files away.

Written as nine groups of four base32 characters; the first eight are the code,
the ninth is a checksum that tells a mistyped code from a wrong one.
"""

import base64
import hashlib
import re
import secrets

from mosaic.core.errors import Refused
from mosaic.crypto.secret import Secret

CODE_BYTES = 20
GROUP = 4
GROUPS = 9

_CHECKSUM_LABEL = b"mosaic recovery checksum v1\0"
# Characters that base32 lacks and that people read for ones that it has.
_MISREAD = str.maketrans("018", "OIB")
_SHAPE = re.compile(f"[A-Z2-7]{{{GROUP * GROUPS}}}")


class RecoveryCodeUnreadable(Refused):
    """What was typed is not a recovery code."""

    code = "recovery-code-unreadable"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"this is not a recovery code: {reason}",
            hint="type all nine groups of four characters as they are printed",
        )


def generate() -> Secret:
    """Return a new code's 20 bytes."""
    return Secret(secrets.token_bytes(CODE_BYTES))


def write(code: Secret) -> str:
    """Return the nine groups that are printed once."""
    text = base64.b32encode(code.reveal()).decode() + _checksum(code.reveal())
    return "-".join(text[at : at + GROUP] for at in range(0, len(text), GROUP))


def read(text: str) -> Secret:
    """Read what `write` wrote, in any case and with any spaces or dashes. Raises RecoveryCodeUnreadable."""
    typed = re.sub(r"[\s-]", "", text).upper().translate(_MISREAD)
    if not _SHAPE.fullmatch(typed):
        raise RecoveryCodeUnreadable(f"it needs {GROUP * GROUPS} characters of A–Z and 2–7")
    raw = base64.b32decode(typed[:-GROUP])
    if typed[-GROUP:] != _checksum(raw):
        raise RecoveryCodeUnreadable("a character is mistyped, for its checksum does not match")
    return Secret(raw)


def _checksum(raw: bytes) -> str:
    return base64.b32encode(hashlib.sha256(_CHECKSUM_LABEL + raw).digest()).decode()[:GROUP]
