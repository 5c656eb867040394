"""The names of the sealed volume keys that lie in a store: each says what is in it."""

from blake3 import blake3

from mosaic.core.errors import Corrupt

PREFIX = "e-"


class StoredEnvelopeDamaged(Corrupt):
    """A sealed key in a store is not what its name says."""

    code = "stored-envelope-damaged"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} is not what its name says", hint="nothing has to be done: each store is given it anew"
        )


def envelope_name(sealed: bytes) -> str:
    """Return the name of a sealed key's object: the BLAKE3 hash of its bytes."""
    return PREFIX + blake3(sealed).hexdigest()


def check_envelope(name: str, sealed: bytes) -> None:
    """Raise StoredEnvelopeDamaged unless the bytes are those that the object was named for."""
    if envelope_name(sealed) != name:
        raise StoredEnvelopeDamaged(name)
