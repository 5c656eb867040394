"""The audit log: rows in a chain, in which nothing can be changed, removed, reordered or cut off unseen.

A row has a number (from 1, without gaps), what happened, the hash of the row
before it, and its own. `hash` is the SHA-256 (hex) of

    "mosaic audit v1" · zero byte · previous hash as 64 hex letters · zero byte · the entry as canonical JSON

where canonical JSON is `strict_json`'s, of a mapping with the row's number as
`n` and the members of `Entry`, all of them. The row before the first has the
hash 64 zeros.

A chain by itself shows everything but a cut at its end, or that all of it was
written anew. So the two sides keep each other's heads: a Hive sends its head
with each command, and the Device writes it into its own row; the Device
answers with its head, and the Hive writes that into its row.

Old rows may go, but only from the beginning, and only after a row of the kind
`let-go` was appended that says up to which number, and with which hash.

Rows never hold a secret: not a secret input, not what a command printed.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import Final

from mosaic.core import strict_json

NOTHING: Final = "0" * 64
"""The hash before the first row."""

LET_GO = "let-go"
_CONTEXT = b"mosaic audit v1\0"
_LONGEST = 1000
_LONGEST_KEY = 100
_MOST_SAID = 32


@dataclass(frozen=True, slots=True)
class Entry:
    """What happened.

    `at_ns` is by the clock of who wrote it. `by` is who wanted it: `owner`,
    `scheduler`, or `hive` for what it does by itself. `kind` is that of an
    event or the tag of a command, `subject` the installation (or what else it
    is about), `device` the Device that it went to. `said` are its parameters.
    `outcome` is `ordered`, `begun`, `done`, `refused`, `failed`, `expired` or
    `unanswered`, "" for what is over as soon as it is written. `command` is a
    command's id. `other` is the other side's head, as `head_text` writes it.
    """

    at_ns: int
    by: str
    kind: str
    subject: str = ""
    device: str = ""
    said: Mapping[str, str] = field(default_factory=dict)
    outcome: str = ""
    command: str = ""
    other: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a chain."""

    n: int
    previous: str
    hash: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: the number of its last row and that row's hash. `first` is the oldest row that is kept."""

    n: int = 0
    hash: str = NOTHING
    first: int = 1

    @property
    def text(self) -> str:
        """How the other side keeps it."""
        return head_text(self.n, self.hash)


def head_text(n: int, row_hash: str) -> str:
    """Write a head: the number, a space, the hash."""
    return f"{n} {row_hash}"


def read_head(text: str) -> tuple[int, str] | None:
    """Read what `head_text` wrote; None when it is no head."""
    number, _, found = text.partition(" ")
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        return None
    if len(found) != len(NOTHING) or not set(found) <= set("0123456789abcdef"):
        return None
    return int(number), found


def follow(head: Head, entry: Entry) -> Row:
    """Return the row that follows the head.

    Texts and their number are bounded, so that one row always fits an answer:
    a command is written down before it is looked at. What UTF-8 cannot say is
    replaced.
    """
    kept = replace(
        entry,
        subject=_plain(entry.subject),
        said=_bounded(entry.said),
        command=_plain(entry.command),
        other=_plain(entry.other),
    )
    return Row(head.n + 1, head.hash, row_hash(head.n + 1, head.hash, kept), kept)


def after(head: Head, row: Row) -> Head:
    """Return the head after a row was appended."""
    return replace(head, n=row.n, hash=row.hash)


def letting_go(up_to: Row, *, now_ns: int) -> Entry:
    """Return the entry after which the rows up to this one may go."""
    return Entry(now_ns, "hive", LET_GO, said={"up_to": head_text(up_to.n, up_to.hash)})


def row_hash(n: int, previous: str, entry: Entry) -> str:
    """Return the hash of a row with this content."""
    written = strict_json.write({"n": n, **asdict(entry)})
    return hashlib.sha256(_CONTEXT + previous.encode() + b"\0" + written).hexdigest()


def broken_at(rows: Sequence[Row]) -> str:
    """Return what is wrong with a chain by itself, as a sentence; "" when nothing is.

    Rows are in the order in which they are kept. The first may be a later one
    than 1 only where a row that follows says that the earlier ones were let go.
    """
    before: Row | None = None
    for row in rows:
        if before is not None and row.n != before.n + 1:
            if row.n <= before.n:
                return f"row {row.n} comes after row {before.n}: rows were put in another order"
            return f"{_rows(before.n + 1, row.n - 1)} removed"
        if before is not None and row.previous != before.hash:
            return f"row {row.n} does not follow row {before.n}: one of the two was replaced"
        if row.hash != _hash_of(row):
            return f"row {row.n} was changed"
        before = row
    return _beginning(rows)


def _beginning(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    first = rows[0]
    if first.n == 1:
        return "" if first.previous == NOTHING else "row 1 was replaced"
    named = head_text(first.n - 1, first.previous)
    if any(row.entry.kind == LET_GO and row.entry.said.get("up_to") == named for row in rows):
        return ""
    return f"{_rows(1, first.n - 1)} removed, and no row says that they were let go"


def _hash_of(row: Row) -> str:
    try:
        return row_hash(row.n, row.previous, row.entry)
    except UnicodeEncodeError:
        return ""


def _rows(first: int, last: int) -> str:
    return f"row {first} was" if first == last else f"rows {first} to {last} were"


def _bounded(said: Mapping[str, str]) -> dict[str, str]:
    kept = {_plain(key, _LONGEST_KEY): _plain(value) for key, value in islice(said.items(), _MOST_SAID)}
    more = len(said) - _MOST_SAID
    return {**kept, "…": f"{more} more"} if more > 0 else kept


def _plain(text: str, longest: int = _LONGEST) -> str:
    kept = text if len(text) <= longest else text[: longest - 1] + "…"
    return kept.encode(errors="replace").decode()
