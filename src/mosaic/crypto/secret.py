"""Bytes that must never be shown.

Nothing prints a Secret by accident: not a log line, a traceback, an f-string
or a JSON encoder. `reveal` is the one way to the bytes, and easy to search for.
"""

import hmac
from typing import NoReturn

_SHOWN = "Secret(…)"


class Secret:
    """A key, seed or code in memory. Equal to another in constant time; not hashable, not picklable."""

    __hash__ = None  # type: ignore[assignment]  # a dictionary of secrets would compare them by hash
    __slots__ = ("_raw",)

    def __init__(self, raw: bytes) -> None:
        self._raw = bytes(raw)

    def reveal(self) -> bytes:
        """Return the bytes. Whoever calls this must not let them out."""
        return self._raw

    def __len__(self) -> int:
        return len(self._raw)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._raw, other._raw)

    def __repr__(self) -> str:
        return _SHOWN

    def __format__(self, spec: str) -> str:
        return _SHOWN

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled")
