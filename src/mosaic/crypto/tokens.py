"""Random tokens, and the hash that is kept in their place.

A token has 256 bits, so a plain SHA-256 of it is as good as the token's own
secrecy; whoever reads the Hive's database can use none of them.
"""

import hashlib
import hmac
import secrets

_CODE_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def new_token() -> str:
    """Return 256 random bits as 43 characters that are safe in a header or a URL's path."""
    return secrets.token_urlsafe(32)


def new_code() -> str:
    """Return twelve characters in three groups for a person to type once, about 59 bits."""
    return "-".join("".join(secrets.choice(_CODE_ALPHABET) for _ in range(4)) for _ in range(3))


def new_id() -> str:
    """Return twelve characters of [a-z2-7], as installations and accounts are named."""
    return "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz234567") for _ in range(12))


def hash_token(token: str) -> str:
    """Return the SHA-256 (hex) that is stored and looked up."""
    return hashlib.sha256(token.encode()).hexdigest()


def same(one: str, other: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())
