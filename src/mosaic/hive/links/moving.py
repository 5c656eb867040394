"""Moving a link from one gateway to another: what it changes for its names, and the change itself.

The link stays the one that it is, with its token, its domains and its raw ports' names. A name that was given out
lies under a domain of the gateway that it leaves, so another is given out in its place, unless the other gateway
gives out names under the same domain. The gateway that it leaves is told a link without names and tokens, under a
later number, and not that it was removed: a removed link never comes back, and this one may.
"""

import itertools
from dataclasses import dataclass

from mosaic.adapters.sql import account_labels, link_names, link_pushes, links
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.gateways import Gateway
from mosaic.adapters.sql.link_names import Name
from mosaic.adapters.sql.links import Link
from mosaic.core import domain_name
from mosaic.core import link_names as given_names
from mosaic.crypto.word_list import friendly_word
from mosaic.hive.links import wanted

_DRAWS = 64


@dataclass(frozen=True, slots=True)
class Renamed:
    """A name that was given out, and the one that is given out in its place."""

    name: Name
    to: str


def renamed(tx: Tx, link: Link, to: Gateway) -> list[Renamed]:
    """Return the names of a link that are others at that gateway. Raises NoFreeName."""
    label = account_labels.get(tx, link.account)
    given = [name for name in link_names.of_link(tx, link.id) if name.given]
    if label is None:
        return []
    drawn: set[str] = set()
    found = []
    for name in given:
        if any(domain_name.is_under(name.name, base) for base in to.domains):
            continue
        words = itertools.islice(iter(friendly_word, ""), _DRAWS)
        new = given_names.default_name(
            name.name.partition(".")[0],
            label,
            to.domains[0],
            words,
            is_taken=lambda one: one in drawn or link_names.holder(tx, one) is not None,
        )
        drawn.add(new)
        found.append(Renamed(name, new))
    return found


def move(tx: Tx, link: Link, to: Gateway, *, now_ns: int) -> list[Renamed]:
    """Have a gateway carry a link, and the one before carry nothing of it. Returns which names are others now."""
    changed = renamed(tx, link, to)
    for one in changed:
        link_names.rename(tx, one.name, one.to)
    links.move(tx, link.id, to.id)
    if any(push.gateway == to.id for push in link_pushes.of_link(tx, link.id)):
        link_pushes.want_again(tx, link.id, to.id)
    else:
        link_pushes.add(tx, link.id, to.id)
    wanted.refresh(tx, link.id, now_ns=now_ns)
    # Two numbers: one for the gateway that it left, and the newest for the one that carries it.
    wanted.raise_above(tx, link.id, link.revision + 1, gateway=to.id)
    return changed
