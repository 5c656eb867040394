"""The blob endpoint: a volume's immutable objects (contract: `mosaic.wire.blobs`).

Only the Device that an installation belongs on may write its volumes' objects;
every admitted Device of the account may read them, because a restore or a
standby begins before the lease is granted, and so may the account itself,
whose command line opens them wherever it is signed in. Names are random and
bytes are ciphertext: nothing here can tell what they mean.
"""

import re
from itertools import islice

from litestar import Response, delete, get, put
from litestar.params import FromPath, FromQuery

from mosaic.adapters.blobs import FolderStore, ObjectDamaged, ObjectMissing, check_name
from mosaic.adapters.sql import placements, volumes
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.sessions import SpeaksFor
from mosaic.core.errors import Refused
from mosaic.core.ids import AccountId, VolumeId
from mosaic.core.lease import fenced, require_holder
from mosaic.hive import roll_call
from mosaic.hive.finding import VolumeUnknown
from mosaic.hive.http import Asked, TheHive
from mosaic.hive.runtime import Hive
from mosaic.hive.signed_in import Reader, Session, require_admitted, require_not_removed
from mosaic.wire.blobs import MAX_OBJECT_BYTES, ObjectList

_DELETABLE = ("p-", "h-")
_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{1,18})", re.ASCII)
_MOST_LISTED = 1000


class NotDeleted(Refused):
    """An object is not one that retention ever lets go."""

    code = "object-not-deleted"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} is neither a pack nor a head, and stays", hint="this is a mistake in the Device; please report it"
        )


class RangeUnsatisfiable(Refused):
    """The range is malformed, or the object ends before it."""

    code = "range-unsatisfiable"

    def __init__(self) -> None:
        super().__init__("the object does not have this range", hint="ask for bytes=first-last within it")


@put("/api/volumes/{volume:str}/objects/{name:str}", status_code=201, request_max_body_size=MAX_OBJECT_BYTES)
async def put_object(
    volume: FromPath[str],
    name: FromPath[str],
    request: Asked,
    hive: TheHive,
    session: Session,
) -> Response[None]:
    """Store an object for good. 200 when these very bytes are there, 409 when others are."""
    check_name(name)
    require_admitted(session)
    await hive.read(lambda tx: _require_writer(tx, VolumeId(volume), session))
    store = hive.blobs.volume(VolumeId(volume))
    async with hive.uploads.place(request.headers.get("Content-Length", "")):
        content = await hive.uploads.take(request.stream())
        # It may have taken minutes, and the Device been removed meanwhile.
        await hive.read(lambda tx: require_not_removed(tx, session))
        existed = await hive.in_thread(lambda: _put(store, name, content))
    return Response(None, status_code=200 if existed else 201)


@get("/api/volumes/{volume:str}/objects/{name:str}", media_type="application/octet-stream")
async def get_object(
    volume: FromPath[str],
    name: FromPath[str],
    request: Asked,
    hive: TheHive,
    reader: Reader,
) -> Response[bytes]:
    """Return an object, or the range of it that is asked for."""
    store = await _readable(hive, volume, reader)
    wanted = request.headers.get("Range")
    if wanted is None:
        content = await hive.in_thread(lambda: store.get(name))
        return Response(content, media_type="application/octet-stream", headers={"Accept-Ranges": "bytes"})
    found = _RANGE.fullmatch(wanted)
    if found is None or int(found[2]) < int(found[1]) or int(found[2]) >= MAX_OBJECT_BYTES:
        raise RangeUnsatisfiable
    first, last = int(found[1]), int(found[2])
    try:
        content = await hive.in_thread(lambda: store.get_range(name, first, last - first + 1))
    except ObjectDamaged:
        raise RangeUnsatisfiable from None
    headers = {"Content-Range": f"bytes {first}-{first + len(content) - 1}/*"}
    return Response(content, status_code=206, media_type="application/octet-stream", headers=headers)


@get("/api/volumes/{volume:str}/objects")
async def list_objects(
    volume: FromPath[str],
    hive: TheHive,
    reader: Reader,
    prefix: FromQuery[str] = "",
    after: FromQuery[str] = "",
    limit: FromQuery[int] = _MOST_LISTED,
) -> ObjectList:
    """Return a page of names, sorted."""
    store = await _readable(hive, volume, reader)
    wanted = max(1, min(limit, _MOST_LISTED))

    def page() -> ObjectList:
        found = list(islice((each for each in store.list(prefix) if each.name > after), wanted + 1))
        more = len(found) > wanted
        return ObjectList(found[:wanted], found[wanted - 1].name if more else None)

    return await hive.in_thread(page)


@delete("/api/volumes/{volume:str}/objects/{name:str}", status_code=204)
async def delete_object(volume: FromPath[str], name: FromPath[str], hive: TheHive, session: Session) -> None:
    """Delete a pack or a mirrored head for good. Only who holds the lease may, and nothing else is ever deleted."""
    check_name(name)
    require_admitted(session)
    if not name.startswith(_DELETABLE):
        raise NotDeleted(name)
    await hive.read(lambda tx: _require_holder(tx, VolumeId(volume), session))
    store = hive.blobs.volume(VolumeId(volume))
    await hive.in_thread(lambda: store.delete(name))


async def _readable(hive: Hive, volume: str, reader: AccountId) -> FolderStore:
    await hive.read(lambda tx: require_own(tx, VolumeId(volume), reader))
    return hive.blobs.volume(VolumeId(volume))


def require_own(tx: Tx, volume: VolumeId, account: AccountId) -> None:
    """Return when the volume is the account's. Raises VolumeUnknown."""
    if "\0" in volume or volumes.account_of(tx, volume) != account:
        raise VolumeUnknown


def _require_writer(tx: Tx, volume: VolumeId, session: SpeaksFor) -> None:
    require_own(tx, volume, session.account)
    # Where it belongs may be out of date, and a refusal would take the volume from the Device that has it.
    roll_call.require_none(tx)
    known = volumes.get(tx, volume)
    placement = placements.get(tx, known.installation) if known else None
    # While the lease is suspended nobody holds it, and home may go on: what counts is its head.
    if placement is None or placement.home != session.holder.device:
        raise fenced(placement.lease) if placement else VolumeUnknown()


def _require_holder(tx: Tx, volume: VolumeId, session: SpeaksFor) -> None:
    require_own(tx, volume, session.account)
    roll_call.require_none(tx)
    known = volumes.get(tx, volume)
    placement = placements.get(tx, known.installation) if known else None
    if placement is None:
        raise VolumeUnknown
    require_holder(placement.lease, session.holder, placement.lease.epoch)


def _put(store: FolderStore, name: str, content: bytes) -> bool:
    existed = _exists(store, name)
    store.put(name, content)
    return existed


def _exists(store: FolderStore, name: str) -> bool:
    try:
        store.get_range(name, 0, 0)
    except ObjectMissing:
        return False
    return True


handlers = [put_object, get_object, list_objects, delete_object]
