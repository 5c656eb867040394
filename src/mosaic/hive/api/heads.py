"""Heads of volumes: accepting them, and reading them (contract: `mosaic.wire.blobs`).

A head commit and a grant lock the same row, so that a head of an older epoch
can never come in after a later grant (G1). Accepted heads are kept for good.
"""

from litestar import get, post
from litestar.params import FromPath, FromQuery

from mosaic.adapters.sql import events, heads, placements, restores, volumes
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened
from mosaic.adapters.sql.sessions import SpeaksFor
from mosaic.core.errors import NotFound, Refused
from mosaic.core.ids import HeadHash, InstallationId, VolumeId
from mosaic.core.lease import OfferedHead, accept_head
from mosaic.core.placement import Placement
from mosaic.crypto import signing
from mosaic.crypto.hashing import head_hash
from mosaic.hive import past, roll_call, updates, wishes
from mosaic.hive.api.objects import require_own
from mosaic.hive.finding import VolumeUnknown
from mosaic.hive.http import Asked, TheHive
from mosaic.hive.signed_in import Reader, Session, require_admitted
from mosaic.wire.blobs import HeadAccepted, HeadAnswer, HeadEntry, HeadList
from mosaic.wire.head import BODY_BYTES, CONTEXT, HEAD_BYTES, Head, HeadUnreadable, parse

_MOST = 2**63


class HeadForged(Refused):
    """The head is not signed by the volume's key, or is another volume's."""

    code = "head-forged"

    def __init__(self, reason: str) -> None:
        super().__init__(f"this head cannot be taken: {reason}", hint="run `mosaic doctor` on the device that sent it")


class HeadMissing(NotFound):
    """No head of this hash was ever accepted for the volume."""

    code = "head-unknown"

    def __init__(self) -> None:
        super().__init__("the volume has no such head", hint="`mosaic volume list` shows the newest of each volume")


@post("/api/volumes/{volume:str}/heads", status_code=200, request_max_body_size=64 * 1024)
async def offer_head(
    volume: FromPath[str], request: Asked, hive: TheHive, session: Session, wish: FromQuery[str | None] = None
) -> HeadAccepted:
    """Accept a signed head. 409 `fenced` when a later epoch was granted, `head-stale` when it does not follow.

    `wish` is the wish to go back that the head fulfils.
    """
    require_admitted(session)
    signed = await request.body()
    head = _checked(VolumeId(volume), signed)
    name = head_hash(signed)
    now_ns = hive.clock.wall_ns()
    # Devices remember the newest ones themselves, and they come every few seconds. Wishes nobody else remembers.
    installation = await hive.write(
        lambda tx: _accept(tx, name, head, signed, session, now_ns, wish), worth="later" if wish is None else "soon"
    )
    hive.carry_on([installation])
    return HeadAccepted(name)


@get("/api/volumes/{volume:str}/heads")
async def list_heads(
    volume: FromPath[str],
    hive: TheHive,
    reader: Reader,
    before: FromQuery[int | None] = None,
    limit: FromQuery[int] = past.MOST_ON_A_PAGE,
) -> HeadList:
    """Return a page of the heads that can be gone back to, the newest first; `before` is where the last page ended."""
    wanted = max(1, min(limit, past.MOST_ON_A_PAGE))
    await hive.read(lambda tx: require_own(tx, VolumeId(volume), reader))
    mirrored = await past.mirrors(hive, VolumeId(volume))
    last = before if before is None else min(before, _MOST - 1)
    page = await hive.read(lambda tx: past.page(tx, VolumeId(volume), mirrored, before=last, limit=wanted))
    return HeadList([HeadEntry(one.hash, one.signed.hex(), one.accepted_ns, one.pin) for one in page.heads], page.next)


@get("/api/volumes/{volume:str}/heads/newest")
async def newest_head(volume: FromPath[str], hive: TheHive, reader: Reader) -> HeadAnswer:
    """Return the newest accepted head."""

    def look(tx: Tx) -> HeadAnswer:
        require_own(tx, VolumeId(volume), reader)
        found = heads.newest(tx, VolumeId(volume))
        return HeadAnswer(found[0], found[1].hex()) if found else HeadAnswer(None, None)

    return await hive.read(look)


@get("/api/volumes/{volume:str}/heads/{head:str}")
async def one_head(volume: FromPath[str], head: FromPath[str], hive: TheHive, reader: Reader) -> HeadAnswer:
    """Return one accepted head, however old."""
    wanted = HeadHash(head.replace("\0", ""))

    def look(tx: Tx) -> HeadAnswer:
        require_own(tx, VolumeId(volume), reader)
        signed = heads.signed(tx, VolumeId(volume), wanted)
        if signed is None:
            raise HeadMissing
        return HeadAnswer(wanted, signed.hex())

    return await hive.read(look)


def _checked(volume: VolumeId, signed: bytes) -> Head:
    head, signature = parse(signed)
    if head.volume != volume:
        raise HeadForged("it is another volume's")
    if not signing.verify(volume, CONTEXT, signed[:BODY_BYTES], signature):
        raise HeadForged("its signature is not the volume's")
    if max(head.seq, head.instant_ns, head.epoch.term, head.epoch.n) >= _MOST:
        raise HeadUnreadable(f"a number in it is beyond what any of its {HEAD_BYTES} bytes should say")
    return head


def _accept(
    tx: Tx, name: HeadHash, head: Head, signed: bytes, session: SpeaksFor, now_ns: int, wish: str | None = None
) -> InstallationId:
    require_own(tx, head.volume, session.account)
    roll_call.require_none(tx)
    known = volumes.get(tx, head.volume)
    before = placements.lock(tx, known.installation) if known else None
    if known is None or before is None:
        raise VolumeUnknown
    offered = OfferedHead(name, head.previous, head.seq, head.epoch)
    after = accept_head(before.lease, head.volume, offered, by=session.holder)
    if after != before.lease:
        heads.add(tx, name, head, signed, now_ns=now_ns)
        _tell(tx, known.installation, before, session, now_ns)
        if wish is not None:
            wishes.fulfil(tx, known.installation, wish, head, now_ns=now_ns)
        # What it goes back to counts with the head that has it, and with no other.
        goes_back = wish is not None or restores.open_one(tx, known.installation) is not None
        hear = updates.hear_head if goes_back else updates.adopt_head
        hear(tx, known.installation, head, now_ns=now_ns)
    return known.installation


def _tell(tx: Tx, installation: InstallationId, before: Placement, session: SpeaksFor, now_ns: int) -> None:
    text = f"Snapshot replicated under epoch {before.lease.epoch.n}."
    events.add(tx, Happened(session.account, "head-accepted", installation, text), now_ns=now_ns)


handlers = [offer_head, list_heads, newest_head, one_head]
