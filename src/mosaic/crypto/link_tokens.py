"""A link's tokens: what it shows to a gateway, `lk_<link id>_<secret>` (`mosaic.core.link_token`).

The secret is derived from the account's root key, which Devices have and the
Hive never: each Device of the account derives the same one, so that after a
failover the link has the token that gateways know. Hive and gateways have its
SHA-256 alone. Rotation is the next number (docs/keys.md has the bytes):

    secret = hex(HKDF-SHA256(root key, info = "mosaic link secret v1" 0x00 link id 0x00 number))

Its hash is over the secret as it is written, 64 hex digits.
"""

import hashlib

from mosaic.core.ids import LinkId
from mosaic.core.link_token import LinkToken
from mosaic.crypto.passphrase import expand
from mosaic.crypto.secret import Secret

MOST_NUMBER = 10**6
_INFO = b"mosaic link secret v1\0"


def derive(root: Secret, link: LinkId, number: int) -> LinkToken:
    """Return the token of that number, from 1 on, which every Device of the account derives alike."""
    if not 1 <= number <= MOST_NUMBER:
        raise ValueError("a token's number is 1 or more")
    info = _INFO + link.encode() + b"\0" + str(number).encode()
    return LinkToken(link, expand(root.reveal(), info).hex())


def hash_of(token: LinkToken) -> str:
    """Return what Hive and gateways know a token by (hex)."""
    return hashlib.sha256(token.secret.encode()).hexdigest()
