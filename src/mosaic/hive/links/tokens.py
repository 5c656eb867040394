"""Tokens of links: their hashes as Devices tell them, and when the one before ends.

The token before stays good until the newest is known here, however long its Device takes, and for OVERLAP_NS more.
"""

import re

from mosaic.adapters import log
from mosaic.adapters.sql import accounts, events, installations, links, placements
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened
from mosaic.adapters.sql.links import Link, Token
from mosaic.core.errors import MosaicError
from mosaic.core.ids import AccountId, DeviceId, LinkId
from mosaic.crypto.link_tokens import MOST_NUMBER
from mosaic.hive.links import wanted
from mosaic.hive.runtime import Hive
from mosaic.wire.device_links import LinkTokenHash
from mosaic.wire.report import Report

OVERLAP_NS = 24 * 3600 * 10**9
_MOST_TOLD = 1000
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)


def news(tx: Tx, account: AccountId, device: DeviceId, report: Report) -> list[LinkTokenHash]:
    """Return the hashes in a report that are to be kept: of the newest number, from the Device that has the app."""
    known = accounts.get(tx, account)
    root_id = known.keys.root_id if known is not None and known.keys is not None else ""
    return [
        told
        for told in report.link_tokens[:_MOST_TOLD]
        if _HASH.fullmatch(told.sha256) and told.root_id == root_id and _is_news(tx, account, device, told)
    ]


async def take(hive: Hive, account: AccountId, device: DeviceId, report: Report) -> None:
    """Keep the hashes in a report that are news. What cannot be kept now is in the next report."""
    now_ns = hive.clock.wall_ns()
    try:
        if await hive.read(lambda tx: bool(news(tx, account, device, report))):
            await hive.write(lambda tx: hear(tx, account, device, report, now_ns=now_ns))
            hive.links.changed.wake()
    except MosaicError as error:
        log.warning("link_tokens_not_kept", device=device, code=error.code, reason=error.message)


def hear(tx: Tx, account: AccountId, device: DeviceId, report: Report, *, now_ns: int) -> bool:
    """Keep the hashes that a Device tells; say whether gateways are to be told something."""
    found = news(tx, account, device, report)
    for told in found:
        link = links.lock(tx, LinkId(told.link))
        # Looked at again under the lock: the first hash of a number counts.
        if link is None or any(token.number == told.number for token in links.tokens(tx, link.id)):
            continue
        links.add_token(tx, link.id, Token(told.number, told.sha256, told.root_id, now_ns))
        links.end_older(tx, link.id, told.number, until_ns=now_ns if link.ends_older else now_ns + OVERLAP_NS)
        wanted.refresh(tx, link.id, now_ns=now_ns)
    return bool(found)


def rotate(tx: Tx, link: Link, *, ends_older: bool, now_ns: int) -> None:
    """Want the next token of a link. One that its Device has not told yet is still to come: nothing is skipped."""
    number = link.token_number
    if any(token.number == number for token in links.tokens(tx, link.id)):
        number = min(number + 1, MOST_NUMBER)
    links.rotate(tx, link.id, number=number, ends_older=ends_older or (link.ends_older and number == link.token_number))
    app = installations.get(tx, link.installation)
    how = "without an overlap" if ends_older else "and the one before stays good for a day"
    text = f"The link of {app.name if app else link.id} gets another token, {how}."
    events.add(tx, Happened(link.account, "link-rotated", link.installation, text), now_ns=now_ns)


def root_was_renewed(tx: Tx, account: AccountId, *, now_ns: int) -> None:
    """Want another token of every link: the older ones follow from a root key that somebody else may have."""
    for link in links.of_account(tx, account):
        known = links.lock(tx, link.id)
        if known is not None and links.tokens(tx, known.id):
            rotate(tx, known, ends_older=True, now_ns=now_ns)


def _is_news(tx: Tx, account: AccountId, device: DeviceId, told: LinkTokenHash) -> bool:
    link = links.get(tx, LinkId(told.link)) if "\0" not in told.link else None
    if link is None or link.removed_ns is not None or link.account != account or link.token_number != told.number:
        return False
    placement = placements.get(tx, link.installation)
    if placement is None or placement.home != device:
        return False
    return all(token.number != told.number for token in links.tokens(tx, link.id))
