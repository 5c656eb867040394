"""The names of links, and how far the proof of each goes. Of those that count no two are the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from sqlalchemy import delete, func, select, update

from mosaic.adapters.sql import schema
from mosaic.adapters.sql.engine import Tx
from mosaic.core.ids import LinkId
from mosaic.core.name_proof import Claim, State

_names = schema.link_names.c
_STATES: Mapping[str, State] = {state: state for state in get_args(State)}


@dataclass(frozen=True, slots=True)
class Name:
    """`given` names are under the account's label and need no proof."""

    link: LinkId
    name: str
    given: bool
    claim: Claim


def add(tx: Tx, name: Name) -> None:
    """Write a new name. The link must not have it, and if it counts nobody else."""
    values = {**_of(name.claim), "counts_ns": _behind_all(tx, name.link, name.claim.since_ns)}
    tx.execute(schema.link_names.insert().values(link=name.link, name=name.name, given=name.given, **values))


def of_link(tx: Tx, link: LinkId) -> list[Name]:
    """Return a link's names: those that count first, of these the one that has counted longest.

    So the first stays it whatever name is added: an app is told that one.
    """
    return _by_link(tx, _names.link == link).get(link, [])


def every(tx: Tx) -> Mapping[LinkId, list[Name]]:
    """Return those of all links."""
    return _by_link(tx, _names.link.is_not(None))


def holder(tx: Tx, name: str) -> LinkId | None:
    """Return the link whose name it is, for good or until its proof has been gone for too long."""
    found = tx.scalar(select(_names.link).where(_names.name == name, _names.counts))
    return LinkId(found) if found is not None else None


def due(tx: Tx, *, now_ns: int) -> list[Name]:
    """Return the names whose proof is to be looked at, the longest due first."""
    query = select(schema.link_names).where(*_looked_at(), _names.next_ns <= now_ns).order_by(_names.next_ns)
    return [_read(row) for row in tx.execute(query)]


def next_due_ns(tx: Tx) -> int | None:
    """Return when the next one is due, None when there is none."""
    found: int | None = tx.scalar(select(func.min(_names.next_ns)).where(*_looked_at()))
    return found


def put_claim(tx: Tx, name: Name, claim: Claim) -> bool:
    """Write how far its proof goes, unless somebody changed that meanwhile; say whether it was written."""
    same = (*_is(name), _names.state == name.claim.state, _names.since_ns == name.claim.since_ns)
    values = _of(claim)
    if claim.counts and not name.claim.counts:
        values["counts_ns"] = _behind_all(tx, name.link, claim.since_ns)
    return bool(tx.execute(update(schema.link_names).where(*same).values(**values)).rowcount)


def rename(tx: Tx, name: Name, to: str) -> None:
    """Put another name in its place, which counts since the one before did. The link must not have it."""
    tx.execute(update(schema.link_names).where(*_is(name)).values(name=to))


def move(tx: Tx, link: LinkId, to: LinkId) -> None:
    """Give all names of a link to another one."""
    tx.execute(update(schema.link_names).where(_names.link == link).values(link=to))


def remove(tx: Tx, name: Name) -> None:
    """Forget it."""
    tx.execute(delete(schema.link_names).where(*_is(name)))


def _behind_all(tx: Tx, link: LinkId, since_ns: int) -> int:
    """Return an instant behind those of all the link's names: several come at one, and clocks are put back."""
    last: int | None = tx.scalar(select(func.max(_names.counts_ns)).where(_names.link == link))
    return max(since_ns, last + 1) if last is not None else since_ns


def _looked_at() -> tuple[schema.Condition, ...]:
    return ~_names.given, _names.state.in_(("waiting", "good", "amber"))


def _is(name: Name) -> tuple[schema.Condition, schema.Condition]:
    return _names.link == name.link, _names.name == name.name


def _of(claim: Claim) -> dict[str, str | int | bool | None]:
    return {
        "counts": claim.counts,
        "state": claim.state,
        "since_ns": claim.since_ns,
        "next_ns": claim.next_ns,
        "looks": claim.looks,
        "warned_ns": claim.warned_ns,
    }


def _by_link(tx: Tx, condition: schema.Condition) -> dict[LinkId, list[Name]]:
    found: dict[LinkId, list[Name]] = {}
    order = (_names.counts.desc(), _names.counts_ns, _names.given.desc(), _names.name)
    query = select(schema.link_names).where(condition).order_by(_names.link, *order)
    for row in tx.execute(query):
        found.setdefault(LinkId(row.link), []).append(_read(row))
    return found


def _read(row: schema.Row) -> Name:
    claim = Claim(_STATES[row.state], row.since_ns, row.next_ns, row.looks, row.warned_ns)
    return Name(LinkId(row.link), row.name, row.given, claim)
