"""What gateways shall have of each link, kept with a number that grows whenever it changes.

It follows from the link's names that count, its tokens that are good, its raw ports and
the lease of its installation; an app in the trash keeps its link, without any of these there.

Its epoch is the one under which the Device that has the app came to have it. A Device that starts again gets
a later one, and its link, which runs on, is not to end for that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from mosaic.adapters.sql import link_names, link_ports, links
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.link_names import Name
from mosaic.adapters.sql.link_ports import WishedPort
from mosaic.adapters.sql.links import Link, Place, Token
from mosaic.core import epoch as epochs
from mosaic.core.ids import LinkId
from mosaic.wire.links import DesiredLink, PublicPort, TokenHash

_SECOND_NS = 10**9


class _Kept(DesiredLink, frozen=True):
    """What is kept here: also who came to have it under `epoch`, which gateways are not told."""

    device: str = ""


_MOST_TOKENS = 5
"""The newest; who rotates more often in a day does without an overlap."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a link has besides its row."""

    names: Sequence[Name]
    tokens: Sequence[Token]
    ports: Sequence[WishedPort]

    @classmethod
    def of(cls, tx: Tx, link: LinkId) -> "_Parts":
        return cls(link_names.of_link(tx, link), links.tokens(tx, link), link_ports.of_link(tx, link))


def refresh(tx: Tx, link: LinkId, *, now_ns: int) -> bool:
    """Keep what is wanted of a link now; say whether that is something else than before."""
    before = links.lock(tx, link)
    if before is None or before.removed_ns is not None:
        return False
    links.forget_tokens(tx, link, before_ns=now_ns)
    place = links.places(tx, of=link).get(link)
    wanted = _wanted(before, _Parts.of(tx, link), place, now_ns=now_ns)
    return _keep(tx, before, wanted)


def stale(tx: Tx, *, now_ns: int) -> list[LinkId]:
    """Return the links of which gateways shall have something else by now, of all accounts. Changes nothing."""
    names, tokens, ports = link_names.every(tx), links.every_token(tx), link_ports.every(tx)
    places = links.places(tx)
    found = []
    for link in links.every(tx):
        parts = _Parts(names.get(link.id, ()), tokens.get(link.id, ()), ports.get(link.id, ()))
        wanted = _wanted(link, parts, places.get(link.id), now_ns=now_ns)
        if link.removed_ns is None and _json(wanted) != link.wanted:
            found.append(link.id)
    return found


def told(link: Link, gateway: str) -> DesiredLink:
    """Return what a gateway is told of a link: of one that left it that nothing leads there.

    That is told under the number before the newest, so that the gateway takes the link in from a file, too.
    """
    known = msgspec.json.decode(link.wanted, type=DesiredLink)
    if gateway != link.gateway:
        return msgspec.structs.replace(known, revision=link.revision - 1, names=[], tokens=[], ports=[])
    return msgspec.structs.replace(known, revision=link.revision)


def since(link: Link, place: Place | None) -> str:
    """Return the epoch under which the Device that has the app came to have it: its link's."""
    return _since(link, place)[0]


def raise_above(tx: Tx, link: LinkId, revision: int, *, gateway: str) -> None:
    """Number what is wanted so that the gateway is told it above a revision that it has and this Hive does not know."""
    found = links.lock(tx, link)
    if found is None:
        return
    # One that it left is told under the number before the newest.
    above = revision + (1 if found.gateway == gateway else 2)
    if found.revision < above:
        links.want(tx, link, found.wanted, revision=above)


def _keep(tx: Tx, link: Link, wanted: _Kept) -> bool:
    text = _json(wanted)
    if text == link.wanted:
        return False
    links.want(tx, link.id, text, revision=link.revision + 1)
    return True


def _wanted(link: Link, parts: _Parts, place: Place | None, *, now_ns: int) -> _Kept:
    is_there = place is not None and not place.trashed
    epoch, device = _since(link, place)
    good = [token for token in parts.tokens if is_there and (token.until_ns is None or token.until_ns > now_ns)]
    return _Kept(
        revision=0,
        account=link.account,
        names=sorted(name.name for name in parts.names if is_there and name.claim.counts),
        tokens=[TokenHash(token.sha256, _seconds(token.until_ns)) for token in good[:_MOST_TOKENS]],
        epoch=epoch,
        device=device,
        ports=[PublicPort(port.protocol, port.public, port.inner, port.named) for port in parts.ports if is_there],
    )


def _since(link: Link, place: Place | None) -> tuple[str, str]:
    if place is None:
        return "0.0", ""
    kept = msgspec.json.decode(link.wanted, type=_Kept) if link.wanted else None
    if kept is None or not kept.device or place.device not in (None, kept.device):
        return place.epoch, place.device or ""
    if epochs.parse(kept.epoch).term != epochs.parse(place.epoch).term:
        # The Hive came back from an older copy since: what that has may be too old for gateways.
        return place.epoch, place.device or kept.device
    return kept.epoch, kept.device


def _seconds(instant_ns: int | None) -> float | None:
    return None if instant_ns is None else instant_ns / _SECOND_NS


def _json(wanted: _Kept) -> str:
    return msgspec.json.encode(wanted).decode()
