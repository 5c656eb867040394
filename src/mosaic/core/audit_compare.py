"""Comparing the audit logs of a Hive and of a Device: each knows heads of the other.

`compare` says what does not fit together, and where. A side that was brought
back from an older copy has lost its last rows, and the other knows of them:
that is not the same as a log that somebody changed, and is said in other
words. It is told by the commands: of rows that are lost nothing is left, and
of rows that were written anew the command is still there, under another hash.
A Hive that came back has said so in a row of its own, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mosaic.core.audit import Row, broken_at, read_head

CAME_BACK = "hive-recovered"

Verdict: TypeAlias = Literal["changed", "cut", "came-back", "differs"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not fit. `side` is `hive` or the Device's name; `came-back` alone accuses nobody."""

    side: str
    verdict: Verdict
    text: str


def inspect(side: str, rows: Sequence[Row]) -> list[Finding]:
    """Look at one chain by itself."""
    problem = broken_at(rows)
    return [Finding(side, "changed", problem)] if problem else []


def still_has(side: str, rows: Sequence[Row], seen: str) -> list[Finding]:
    """Look for the end that the reader saw when he verified last, "" before he did."""
    head = read_head(seen)
    # What was let go is not looked for.
    if head is None or head[0] == 0 or (rows and head[0] < rows[0].n):
        return []
    n, found = head
    there = next((row for row in rows if row.n == n), None)
    if there is not None:
        text = f"row {n} of {side} is not the one that was there when it was verified here last"
        return [] if there.hash == found else [Finding(side, "changed", text)]
    if any(row.entry.kind == CAME_BACK for row in rows):
        text = f"{side} came back from an older copy: row {n} was there when it was verified here last, and is lost"
        return [Finding(side, "came-back", text)]
    text = f"row {n} of {side} is not there, and was when it was verified here last: it went back to an older copy, or "
    return [Finding(side, "cut", f"{text}the last rows were removed")]


def compare(hive: Sequence[Row], device: Sequence[Row], *, name: str, device_id: str) -> list[Finding]:
    """Compare a Hive's chain with one Device's, which was read before it."""
    return [
        *_lost_by_hive(hive, device, name),
        *_lost_by_device(hive, device, name, device_id),
        *_commands(hive, device, name),
    ]


def _lost_by_hive(hive: Sequence[Row], device: Sequence[Row], name: str) -> list[Finding]:
    """Look for the heads of the Hive that the Device noted."""
    lost = _not_in(hive, device)
    if not lost:
        return []
    first = min(n for n, _ in lost)
    here = {row.entry.command for row in hive if row.entry.command}
    if any(row.entry.command in here for _, row in lost):
        return [Finding("hive", "changed", f"row {first} of the Hive's log is not the one that {name} was told of")]
    came_back = [row.n for row in hive if row.entry.kind == CAME_BACK and row.n >= first]
    if came_back:
        text = f"the Hive came back from an older copy (row {came_back[-1]}): what it wrote before from row {first} on "
        return [Finding("hive", "came-back", f"{text}is lost, and {name} still knows of it")]
    text = (
        f"{name} knows row {first} of the Hive's log, which is not there: the Hive went back to an older copy of its "
    )
    return [Finding("hive", "cut", f"{text}database, or the last rows were removed")]


def _lost_by_device(hive: Sequence[Row], device: Sequence[Row], name: str, device_id: str) -> list[Finding]:
    noted = [head[0] for row in device if (head := read_head(row.entry.other)) is not None]
    # What the Hive wrote after the Device was read speaks of rows that could not be read.
    until = noted[-1] if noted else hive[-1].n if hive else 0
    lost = _not_in(device, [row for row in hive if row.entry.device == device_id and row.n <= until])
    if not lost:
        return []
    first = min(n for n, _ in lost)
    here = {row.entry.command for row in device if row.entry.command}
    if any(row.entry.command in here for _, row in lost):
        return [Finding(name, "changed", f"row {first} of the log of {name} is not the one that the Hive was told of")]
    text = f"the Hive knows row {first} of the log of {name}, which is not there: that machine went back to an older "
    return [Finding(name, "cut", f"{text}state, or the last rows were removed")]


def _not_in(chain: Sequence[Row], others: Sequence[Row]) -> list[tuple[int, Row]]:
    """Return the rows of the other side that name a head which is not in the chain, each with that head's number."""
    known = {row.n: row.hash for row in chain}
    # What was let go is not looked for.
    oldest = chain[0].n if chain else 1
    named = [(head, row) for row in others if (head := read_head(row.entry.other)) is not None]
    return [(n, row) for (n, found), row in named if n >= oldest and known.get(n) != found]


def _commands(hive: Sequence[Row], device: Sequence[Row], name: str) -> list[Finding]:
    """Each side says the same of a command that both know."""
    ordered: Mapping[str, Row] = {row.entry.command: row for row in hive if row.entry.outcome == "ordered"}
    for row in device:
        told = ordered.get(row.entry.command)
        if row.entry.command and told is not None and _meaning(told) != _meaning(row):
            text = f"row {row.n} of {name} and row {told.n} of the Hive say different things of one command"
            return [Finding(name, "differs", text)]
    return []


def _meaning(row: Row) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    return row.entry.kind, row.entry.subject, tuple(sorted(row.entry.said.items()))
