"""Epochs: the order in which leases were granted.

An epoch is (term, n). `n` grows by one with each grant; `term` grows when a
Hive that went back in time raises it, so that no epoch is ever granted twice.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Epoch:
    """Compares by term first. Written `term.n`."""

    term: int
    n: int

    def next(self) -> "Epoch":
        """Return the epoch of the grant after this one, in the same term."""
        return Epoch(self.term, self.n + 1)

    def __str__(self) -> str:
        return f"{self.term}.{self.n}"


def parse(text: str) -> Epoch:
    """Read what `str(epoch)` wrote. Raises ValueError for anything else."""
    term, dot, n = text.partition(".")
    if not dot or not (term.isascii() and term.isdigit() and n.isascii() and n.isdigit()):
        raise ValueError(f"{text!r} is not an epoch")
    return Epoch(int(term), int(n))
