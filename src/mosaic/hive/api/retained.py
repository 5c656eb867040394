"""Letting snapshots go, pinning them, and keeping what somebody reads (contract: `mosaic.wire.blobs`).

All of it locks the row that a head commit locks, so that a snapshot is not let
go while it is being pinned or leased. What was let go stays so: its packs may
be deleted a day later.
"""

import re

from litestar import post, put
from litestar.params import FromPath, JSONBody

from mosaic.adapters.sql import heads, placements, read_leases, volumes
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.read_leases import ReadLease
from mosaic.adapters.sql.sessions import SpeaksFor
from mosaic.adapters.sql.volumes import Volume
from mosaic.core.epoch import parse
from mosaic.core.errors import Refused
from mosaic.core.ids import AccountId, HeadHash, VolumeId
from mosaic.core.lease import require_holder
from mosaic.core.placement import Placement
from mosaic.hive import keeping, roll_call
from mosaic.hive.api.heads import HeadMissing
from mosaic.hive.api.objects import require_own
from mosaic.hive.finding import VolumeUnknown
from mosaic.hive.http import TheHive
from mosaic.hive.signed_in import Reader, Session, require_admitted
from mosaic.wire import blobs as wire

_DAY_NS = 24 * 3600 * 10**9
_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_MOST_ASKED = 1000
_LONGEST_NAME = 100


class RetentionMalformed(Refused):
    """A field of a request about retention is not what it should be."""

    code = "retention-malformed"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not well-formed", hint="give a shorter one; or report it if you did not type it")


@post("/api/volumes/{volume:str}/retained", status_code=200, request_max_body_size=256 * 1024)
async def let_go(volume: FromPath[str], data: JSONBody[wire.Retain], hive: TheHive, session: Session) -> wire.Retained:
    """Let go of what retention does not keep. Only the holder may ask."""
    require_admitted(session)
    if len(data.mirrored) > _MOST_ASKED:
        raise RetentionMalformed("the list of heads")
    now_ns = hive.clock.wall_ns()
    return await hive.write(lambda tx: _let_go(tx, VolumeId(volume), data, session, now_ns))


@post("/api/volumes/{volume:str}/read-leases", status_code=200)
async def lease(
    volume: FromPath[str], data: JSONBody[wire.ReadLease], hive: TheHive, reader: Reader
) -> wire.ReadLeased:
    """Keep a head while it is read."""
    if not _ID.fullmatch(data.id):
        raise RetentionMalformed("the lease's id")
    now_ns = hive.clock.wall_ns()
    return await hive.write(lambda tx: _lease(tx, VolumeId(volume), data, reader, now_ns))


@put("/api/volumes/{volume:str}/heads/{head:str}/pin", status_code=200)
async def pin(
    volume: FromPath[str], head: FromPath[str], data: JSONBody[wire.Pin], hive: TheHive, reader: Reader
) -> wire.Pin:
    """Pin a snapshot, so that retention never lets it go, or take the pin away."""
    if data.name is not None and not (0 < len(data.name) <= _LONGEST_NAME and data.name.isprintable()):
        raise RetentionMalformed("the pin's name")

    def write(tx: Tx) -> wire.Pin:
        known, _ = _locked(tx, VolumeId(volume), reader)
        wanted = HeadHash(head.replace("\0", ""))
        if not heads.is_kept(tx, known.id, wanted):
            raise HeadMissing
        heads.pin(tx, known.id, wanted, data.name)
        return data

    return await hive.write(write)


def _let_go(tx: Tx, volume: VolumeId, asked: wire.Retain, session: SpeaksFor, now_ns: int) -> wire.Retained:
    roll_call.require_none(tx)
    known, placement = _locked(tx, volume, session.account)
    try:
        epoch = parse(asked.epoch)
    except ValueError:
        raise RetentionMalformed("the epoch") from None
    require_holder(placement.lease, session.holder, epoch)
    read_leases.forget_ended(tx, volume, now_ns=now_ns)
    leases = read_leases.held(tx, volume, now_ns=now_ns)
    decided = keeping.decide(tx, known, keeping.rule_of(tx, known.installation), now_ns=now_ns)
    heads.let_go(tx, [one.head for one in decided.let_go], now_ns=now_ns)
    signed = [heads.signed(tx, volume, one.snapshot.head) for one in decided.kept]
    return wire.Retained(
        kept=[one.hex() for one in signed if one is not None],
        let_go=[str(head) for head in heads.were_let_go(tx, volume, [HeadHash(one) for one in asked.mirrored])],
        oldest_reader=min((one.since_seq for one in leases), default=None),
    )


def _lease(tx: Tx, volume: VolumeId, asked: wire.ReadLease, account: AccountId, now_ns: int) -> wire.ReadLeased:
    known, placement = _locked(tx, volume, account)
    before = read_leases.get(tx, asked.id)
    if before is not None and (before.volume, before.head) != (volume, asked.head):
        raise RetentionMalformed("the lease's id, which is another lease's,")
    if asked.done:
        read_leases.end(tx, asked.id)
        return wire.ReadLeased(now_ns)
    head = HeadHash(asked.head)
    if not heads.is_kept(tx, volume, head):
        raise HeadMissing
    newest = placement.lease.newest[known.id]
    is_held = before is not None and before.until_ns > now_ns
    since = before.since_seq if before is not None and is_held else newest.seq if newest else 0
    read_leases.put(tx, ReadLease(asked.id, volume, head, since, now_ns + _DAY_NS))
    return wire.ReadLeased(now_ns + _DAY_NS)


def _locked(tx: Tx, volume: VolumeId, account: AccountId) -> tuple[Volume, Placement]:
    require_own(tx, volume, account)
    known = volumes.get(tx, volume)
    placement = placements.lock(tx, known.installation) if known else None
    if known is None or placement is None:
        raise VolumeUnknown
    return known, placement


handlers = [let_go, lease, pin]
