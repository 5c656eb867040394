"""Which of the heads that were ever accepted can still be gone back to.

A Hive keeps every head for good. The store keeps one under its own name
(a mirror) until retention lets it go, and deletes the mirror before any pack
that only this head needs (docs/format.md). So a head without a mirror is
gone, but for the newest ones, whose mirrors are put only after they were
accepted.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Protocol, TypeAlias, TypeVar

from mosaic.core.ids import HeadHash

Mirror: TypeAlias = tuple[int, str]
"""The sequence number and the hash of a head that a store has."""


class Numbered(Protocol):
    """A head by its hash and its place in the chain."""

    @property
    def hash(self) -> HeadHash: ...
    @property
    def seq(self) -> int: ...


H = TypeVar("H", bound=Numbered)


def still_there(accepted: Iterable[H], mirrored: Collection[Mirror]) -> Iterator[H]:
    """Yield the heads that are whole, in the order given.

    A store that has no mirror at all is one that keeps none: then every head counts.
    """
    newest = max((seq for seq, _ in mirrored), default=None)
    for one in accepted:
        if newest is None or one.seq > newest or (one.seq, one.hash) in mirrored:
            yield one
