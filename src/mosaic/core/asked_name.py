"""The name that a visitor asks for, in TLS or in HTTP, as routes are keyed: lower-case ASCII, no dot at the end.

Letters, digits, hyphens and underscores are taken, since visitors of a name that
somebody could register are to be told apart from nonsense and from addresses, no more.
Whether a name belongs to anybody is asked elsewhere. Source: RFC 1123 2.1 for
lengths, RFC 6066 3 (no literal addresses, ASCII).
"""

import re

LONGEST = 253
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}", re.ASCII)
_NUMBERS_LAST = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", re.ASCII)


def asked_name(sent: bytes) -> str | None:
    """Return the name as routes have it; None when it can be nobody's: not ASCII, an address, empty, too long."""
    if len(sent) > LONGEST + 1 or not sent.isascii():
        return None
    name = sent.decode("ascii").lower().removesuffix(".")
    if len(name) > LONGEST or not _NAME.fullmatch(name):
        return None
    # What ends in a number is an IPv4 address, or meant to be taken for one.
    return None if _NUMBERS_LAST.fullmatch(name) else name
