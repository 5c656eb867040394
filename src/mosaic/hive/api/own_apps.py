"""Apps of the account's own. Routes only; see `mosaic.wire.api` and `mosaic.wire.versions`."""

from litestar import delete, put
from litestar.params import FromPath, JSONBody

from mosaic.core.package import MAX_BUNDLE_BYTES
from mosaic.hive import actions
from mosaic.hive.http import Asked, TheHive
from mosaic.hive.problems import DESCRIBED
from mosaic.hive.signed_in import Owner
from mosaic.wire import api, versions


@put("/api/own-apps/{app:str}/blobs/{digest:str}", status_code=204, request_max_body_size=MAX_BUNDLE_BYTES)
async def put_part(app: FromPath[str], digest: FromPath[str], request: Asked, hive: TheHive, who: Owner) -> None:
    """Take in one part of an app, before the manifest that names it."""
    announced = request.headers.get("Content-Length", "")
    await hive.imports.take(who.account, app, digest, request.stream(), announced=announced, in_thread=hive.in_thread)


@put("/api/own-apps/{app:str}", status_code=200, responses=DESCRIBED)
async def put_own_app(app: FromPath[str], data: JSONBody[versions.OwnApp], hive: TheHive, who: Owner) -> api.CatalogApp:
    """Keep an app whose parts have come."""
    return await actions.keep_own_app(hive, who.account, app, data)


@delete("/api/own-apps/{app:str}", status_code=204)
async def remove_own_app(app: FromPath[str], hive: TheHive, who: Owner) -> None:
    """Take an app of one's own off the catalog."""
    await actions.remove_own_app(hive, who.account, app)


handlers = [put_part, put_own_app, remove_own_app]
