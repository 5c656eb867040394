"""Links: which installation has one, what its gateways shall have, and the hashes of its tokens.

No secret of a token is here: Devices derive it from a key that the Hive never has.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import delete, select, update

from mosaic.adapters.sql import schema
from mosaic.adapters.sql.engine import Tx
from mosaic.core.ids import AccountId, InstallationId, LinkId
from mosaic.core.placement import Phase

_links = schema.links.c
_tokens = schema.link_tokens.c
_installations = schema.installations.c
_leases = schema.leases.c


@dataclass(frozen=True, slots=True)
class Link:
    """`token_number` is of the token that its Device gives it; `wanted` is the JSON that gateways shall have.

    `ends_older`: the token before ends as soon as the newest is known. `removed_ns` is None while it is wanted.
    """

    id: LinkId
    account: AccountId
    installation: InstallationId
    gateway: str
    created_ns: int
    token_number: int = 1
    ends_older: bool = False
    revision: int = 0
    wanted: str = ""
    removed_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """The hash of a token, by which root key it was derived, and until when it is good; None: no end."""

    number: int
    sha256: str
    root_id: str
    known_ns: int
    until_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a link's installation is: the lease's epoch (`term.n`), whether it is trashed, and who holds the lease."""

    epoch: str
    trashed: bool
    device: str | None = None


def add(tx: Tx, link: Link) -> None:
    """Write a new link. Its installation must have none."""
    tx.execute(
        schema.links.insert().values(
            id=link.id,
            account=link.account,
            installation=link.installation,
            gateway=link.gateway,
            token_number=link.token_number,
            ends_older=link.ends_older,
            revision=link.revision,
            wanted=link.wanted,
            created_ns=link.created_ns,
            removed_ns=link.removed_ns,
        )
    )


def get(tx: Tx, link: LinkId) -> Link | None:
    """Return one link, a removed one too while a gateway may have it."""
    row = tx.execute(select(schema.links).where(_links.id == link)).one_or_none()
    return _read(row) if row else None


def lock(tx: Tx, link: LinkId) -> Link | None:
    """Return one link that nobody else changes until the transaction's end."""
    row = tx.execute(select(schema.links).where(_links.id == link).with_for_update()).one_or_none()
    return _read(row) if row else None


def of_installation(tx: Tx, installation: InstallationId) -> Link | None:
    """Return the installation's link."""
    query = select(schema.links).where(_links.installation == installation, _links.removed_ns.is_(None))
    row = tx.execute(query).one_or_none()
    return _read(row) if row else None


def of_account(tx: Tx, account: AccountId) -> list[Link]:
    """Return the account's links, the oldest first."""
    query = select(schema.links).where(_links.account == account, _links.removed_ns.is_(None))
    return [_read(row) for row in tx.execute(query.order_by(_links.created_ns, _links.id))]


def every(tx: Tx) -> list[Link]:
    """Return all links of all accounts, removed ones too."""
    return [_read(row) for row in tx.execute(select(schema.links).order_by(_links.created_ns, _links.id))]


def places(tx: Tx, *, of: LinkId | None = None) -> dict[LinkId, Place]:
    """Return where each link's installation is, or that of one link."""
    query = (
        select(_links.id, _leases.term, _leases.n, _leases.holder_device, _installations.phase)
        .join(schema.installations, _installations.id == _links.installation)
        .join(schema.leases, _leases.installation == _links.installation)
    )
    if of is not None:
        query = query.where(_links.id == of)
    return {
        LinkId(row.id): Place(f"{row.term}.{row.n}", row.phase == Phase.TRASHED, row.holder_device)
        for row in tx.execute(query)
    }


def want(tx: Tx, link: LinkId, wanted: str, *, revision: int) -> None:
    """Keep what gateways shall have, under a number above all that were used."""
    _set(tx, link, wanted=wanted, revision=revision)


def rotate(tx: Tx, link: LinkId, *, number: int, ends_older: bool) -> None:
    """Want the token of that number."""
    _set(tx, link, token_number=number, ends_older=ends_older)


def move(tx: Tx, link: LinkId, gateway: str) -> None:
    """Have another gateway carry it."""
    _set(tx, link, gateway=gateway)


def mark_removed(tx: Tx, link: LinkId, *, now_ns: int) -> None:
    """Want it no more. Its names, ports and tokens go; its row stays until gateways have forgotten it."""
    _set(tx, link, removed_ns=now_ns)
    tx.execute(delete(schema.link_names).where(schema.link_names.c.link == link))
    tx.execute(delete(schema.link_ports).where(schema.link_ports.c.link == link))
    tx.execute(delete(schema.link_tokens).where(_tokens.link == link))


def forget(tx: Tx, link: LinkId) -> None:
    """Delete the row of a removed link that no gateway has any more."""
    tx.execute(delete(schema.links).where(_links.id == link, _links.removed_ns.is_not(None)))


def tokens(tx: Tx, link: LinkId) -> list[Token]:
    """Return the tokens whose hashes are known, the newest first."""
    return _by_link(tx, _tokens.link == link).get(link, [])


def every_token(tx: Tx) -> Mapping[LinkId, list[Token]]:
    """Return those of all links."""
    return _by_link(tx, _tokens.link.is_not(None))


def add_token(tx: Tx, link: LinkId, token: Token) -> None:
    """Write a hash. Its number must be new."""
    tx.execute(
        schema.link_tokens.insert().values(
            link=link,
            number=token.number,
            sha256=token.sha256,
            root_id=token.root_id,
            known_ns=token.known_ns,
            until_ns=token.until_ns,
        )
    )


def end_older(tx: Tx, link: LinkId, number: int, *, until_ns: int) -> None:
    """Let the tokens before a number end then, unless they end sooner."""
    sooner = _tokens.until_ns.is_(None) | (_tokens.until_ns > until_ns)
    older = (_tokens.link == link, _tokens.number < number, sooner)
    tx.execute(update(schema.link_tokens).where(*older).values(until_ns=until_ns))


def forget_tokens(tx: Tx, link: LinkId, *, before_ns: int) -> None:
    """Delete the hashes of tokens that ended before an instant."""
    tx.execute(delete(schema.link_tokens).where(_tokens.link == link, _tokens.until_ns < before_ns))


def _by_link(tx: Tx, condition: schema.Condition) -> dict[LinkId, list[Token]]:
    found: dict[LinkId, list[Token]] = {}
    query = select(schema.link_tokens).where(condition).order_by(_tokens.link, _tokens.number.desc())
    for row in tx.execute(query):
        token = Token(row.number, row.sha256, row.root_id, row.known_ns, row.until_ns)
        found.setdefault(LinkId(row.link), []).append(token)
    return found


def _set(tx: Tx, link: LinkId, **columns: schema.Value) -> None:
    tx.execute(update(schema.links).where(_links.id == link).values(**columns))


def _read(row: schema.Row) -> Link:
    return Link(
        id=LinkId(row.id),
        account=AccountId(row.account),
        installation=InstallationId(row.installation),
        gateway=row.gateway,
        created_ns=row.created_ns,
        token_number=row.token_number,
        ends_older=row.ends_older,
        revision=row.revision,
        wanted=row.wanted,
        removed_ns=row.removed_ns,
    )
