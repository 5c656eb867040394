"""What a Device asks for to install a package: its blobs, and who vouches for it (contract: `mosaic.wire.packages`)."""

import os
from collections.abc import AsyncIterator
from functools import partial

import msgspec
from litestar import Response, get
from litestar.di import Provide
from litestar.params import FromPath
from litestar.response import Stream

from mosaic.adapters.sql import installations
from mosaic.core import package_reading
from mosaic.core.ids import AppDigest
from mosaic.hive.actions.catalogs import find_catalog
from mosaic.hive.bundles import BundleMissing
from mosaic.hive.compose_files import is_package
from mosaic.hive.http import Asked, TheHive
from mosaic.hive.problems import answer_mosaic
from mosaic.hive.ranges import BeyondTheEnd, part_of
from mosaic.hive.runtime import Hive
from mosaic.hive.signed_in import Session, device_session, require_admitted

_PIECE_BYTES = 256 * 1024
_SESSION = {"session": Provide(device_session)}


@get("/api/device/packages/{manifest:str}/blobs/{digest:str}", dependencies=_SESSION)
async def blob(
    manifest: FromPath[str], digest: FromPath[str], request: Asked, hive: TheHive, session: Session
) -> Stream | Response[bytes]:
    """Return a blob that a package names, to a Device of an account that has installed it; or the range of it."""
    require_admitted(session)
    wanted = AppDigest(manifest.replace("\0", ""))
    if not await hive.read(lambda tx: installations.uses(tx, session.account, wanted)):
        raise BundleMissing(manifest)
    descriptor = await hive.in_thread(lambda: _open(hive, wanted, digest))
    size = os.fstat(descriptor).st_size
    try:
        part = part_of(request.headers.get("Range"), size)
    except BeyondTheEnd as error:
        os.close(descriptor)
        refusal = answer_mosaic(request, error)
        refusal.set_header("Content-Range", f"bytes */{size}")
        return refusal
    first, length = (0, size) if part is None else (part.first, part.length)
    headers = {"Accept-Ranges": "bytes", "Content-Length": str(length)}
    if part is not None:
        headers["Content-Range"] = f"bytes {first}-{first + length - 1}/{size}"
    return Stream(
        _pieces(hive, descriptor, first, length),
        status_code=200 if part is None else 206,
        media_type="application/octet-stream",
        headers=headers,
    )


@get("/api/device/catalogs/{name:str}", dependencies=_SESSION, media_type="application/json")
async def catalog(name: FromPath[str], hive: TheHive, session: Session) -> Response[bytes]:
    """Return all that a Device needs to check a catalog itself."""
    require_admitted(session)
    await hive.read(lambda tx: find_catalog(tx, session.account, name))
    async with hive.catalogs.turn(session.account, name):
        found = await hive.read(lambda tx: find_catalog(tx, session.account, name))
        content = await hive.in_thread(lambda: msgspec.json.encode(hive.catalogs.served(found)))
    return Response(content, media_type="application/json")


def _open(hive: Hive, manifest: AppDigest, digest: str) -> int:
    content = hive.bundles.get(manifest)
    if not is_package(content) or digest not in {one.digest for one in package_reading.read(content).every}:
        raise BundleMissing(digest)
    return os.open(hive.bundles.path(digest), os.O_RDONLY | os.O_CLOEXEC)


async def _pieces(hive: Hive, descriptor: int, first: int, length: int) -> AsyncIterator[bytes]:
    try:
        while length > 0:
            piece = await hive.in_thread(partial(os.pread, descriptor, min(length, _PIECE_BYTES), first))
            if not piece:
                # It ends too early: the connection is cut, and who asked knows by the length that he was told.
                return
            yield piece
            first, length = first + len(piece), length - len(piece)
    finally:
        os.close(descriptor)


handlers = [blob, catalog]
