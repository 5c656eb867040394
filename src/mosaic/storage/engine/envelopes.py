"""The names of the sealed volume keys that lie in a store: each says what is in it."""

from blake3 import blake3

PREFIX = "e-"


def envelope_name(sealed: bytes) -> str:
    """Return the name of a sealed key's object: the BLAKE3 hash of its bytes."""
    return PREFIX + blake3(sealed).hexdigest()
