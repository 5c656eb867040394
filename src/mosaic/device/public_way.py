"""How an assigned app is reached from anywhere: what its link is given, and what the Hive is told of that.

A link's token is derived here, from the account's root key, whenever it is
needed. It lies in the app's rendered compose file and in its container, which
are this machine's; the Hive is told its hash.
"""

import hashlib
from collections.abc import Iterable

import msgspec

from mosaic.core.ids import LinkId
from mosaic.core.link_token import is_link_id
from mosaic.core.render_link import PublicWay
from mosaic.crypto import link_tokens
from mosaic.crypto.account import root_id_of
from mosaic.device.means import Means, RootKeyMissing
from mosaic.wire.assignment import Assignment
from mosaic.wire.device_links import AssignedLink, LinkTokenHash


def public_way(means: Means, item: Assignment) -> PublicWay | None:
    """Return the app's public way; None for LAN mode: without a link, or while no name of it counts.

    Raises:
        RootKeyMissing: this Device can derive no token yet.
    """
    link = item.link
    if link is None or not link.names:
        return None
    token = link_tokens.derive(means.root(), LinkId(link.id), link.token)
    # An older Hive names the lease's alone.
    return PublicWay(tuple(link.names), str(token), link.gateway, link.certificate, link.epoch or item.epoch or "0.0")


def fingerprint(way: PublicWay | None) -> str:
    """Return by what it is known again what links were made with, "" in LAN mode. No secret can be read from it."""
    if way is None:
        return ""
    told = (way.names, way.token, way.gateway, way.certificate, way.epoch)
    return hashlib.sha256(msgspec.json.encode(told)).hexdigest()


def token_hashes(means: Means, items: Iterable[Assignment]) -> list[LinkTokenHash]:
    """Return what the Hive is told of the tokens of these apps' links; nothing without the root key.

    Of a link that no token can be derived for, whose assignment is refused as well, nothing is told.
    """
    links = sorted(
        {item.installation: item.link for item in items if item.link is not None and _is_one(item.link)}.items()
    )
    try:
        root = means.root() if links else None
    except RootKeyMissing:
        root = None
    if root is None:
        return []
    tokens = [(link_tokens.derive(root, LinkId(link.id), link.token), link.token) for _, link in links]
    root_id = root_id_of(root)
    return [LinkTokenHash(token.link, number, link_tokens.hash_of(token), root_id) for token, number in tokens]


def _is_one(link: AssignedLink) -> bool:
    return is_link_id(link.id) and 1 <= link.token <= link_tokens.MOST_NUMBER
