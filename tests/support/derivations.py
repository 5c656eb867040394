"""Argon2id whose price is paid once a test run for each password, salt and set of parameters.

What comes out is what the real one gave for the same words, and what it refuses is refused anew.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from unittest import mock

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from mosaic.crypto import passphrase


@cache
def _derived(content: bytes, salt: bytes, length: int, iterations: int, lanes: int, memory_cost: int) -> bytes:
    argon = Argon2id(salt=salt, length=length, iterations=iterations, lanes=lanes, memory_cost=memory_cost)
    return argon.derive(content)


class _Remembering:
    """Has as much of `Argon2id` as `crypto.passphrase` uses."""

    def __init__(self, *, salt: bytes, length: int, iterations: int, lanes: int, memory_cost: int) -> None:
        self._parameters = (salt, length, iterations, lanes, memory_cost)

    def derive(self, content: bytes) -> bytes:
        return _derived(content, *self._parameters)


@contextmanager
def remembered_derivations() -> Iterator[None]:
    """Have `crypto.passphrase` derive the same only once."""
    with mock.patch.object(passphrase, "Argon2id", _Remembering):
        yield
