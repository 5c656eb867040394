"""Verifiers: what the Hive keeps of a password or of an `auth_key`.

Argon2id with server-side parameters in the standard encoded form, salted per
verifier. A password is guessable and gets 19 MiB; an `auth_key` has 256 bits,
so the same price is more than enough for it.
"""

import secrets

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

_MEMORY_KIB = 19 * 1024
_PASSES = 2
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def hash_password(password: str) -> str:
    """Return a salted verifier of a password or of an `auth_key`'s hex. Takes about 40 ms."""
    return Argon2id(
        salt=secrets.token_bytes(16), length=32, iterations=_PASSES, lanes=1, memory_cost=_MEMORY_KIB
    ).derive_phc_encoded(password.encode())


def check_password(password: str, verifier: str) -> bool:
    """Tell whether the verifier was made from this password. A verifier that is not one says no."""
    try:
        Argon2id.verify_phc_encoded(password.encode(), verifier)
    except (InvalidKey, ValueError):
        return False
    return True


def generate_password() -> str:
    """Return sixteen characters in four groups, about 79 bits, without ones that look alike."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))
