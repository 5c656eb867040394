"""Apps in files, for machines that reach no registry. Routes only; see `mosaic.wire.api` and `mosaic.wire.versions`."""

from collections.abc import AsyncIterator

from litestar import get, put
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Stream

from mosaic.adapters.oci_layout import Outgoing
from mosaic.hive import actions, exporting
from mosaic.hive.http import TheHive
from mosaic.hive.problems import DESCRIBED
from mosaic.hive.runtime import Hive
from mosaic.hive.signed_in import Owner
from mosaic.wire import api, versions
from mosaic.wire.packages import MAX_CATALOG_BYTES

_PIECE_BYTES = 256 * 1024


@get("/api/app-export", media_type="application/x-tar")
async def export(app: FromQuery[str], hive: TheHive, who: Owner, device: FromQuery[str] = "") -> Stream:
    """Return an app in one file, in the version that an install on that Device would take."""
    going = await exporting.export(hive, who.account, app, device or None)
    size = await hive.in_thread(lambda: going.size)
    return Stream(_pieces(hive, going), media_type="application/x-tar", headers={"Content-Length": str(size)})


@put(
    "/api/carried-apps/{app:str}",
    status_code=200,
    responses=DESCRIBED,
    request_max_body_size=MAX_CATALOG_BYTES * 3 // 2,
)
async def take_in(
    app: FromPath[str], data: JSONBody[versions.CarriedApp], hive: TheHive, who: Owner
) -> list[api.CatalogApp]:
    """Take in an app of a catalog that came in a file."""
    return await actions.take_in(hive, who.account, app, data)


async def _pieces(hive: Hive, going: Outgoing) -> AsyncIterator[bytes]:
    """Yield the file in pieces that are worth a way to a thread and back. It ends early where a blob is damaged."""
    pieces = going.pieces()

    def gathered() -> bytes:
        held = bytearray()
        for piece in pieces:
            held += piece
            if len(held) >= _PIECE_BYTES:
                break
        return bytes(held)

    while piece := await hive.in_thread(gathered):
        yield piece


handlers = [export, take_in]
