"""Catalogs that the owner believes. Routes only; see `mosaic.wire.api`."""

from litestar import delete, get, post
from litestar.params import FromPath, JSONBody

from mosaic.hive import actions, views
from mosaic.hive.http import TheHive
from mosaic.hive.problems import DESCRIBED
from mosaic.hive.signed_in import Owner
from mosaic.wire.versions import AddCatalog, Catalog


@get("/api/catalogs")
async def list_catalogs(hive: TheHive, who: Owner) -> list[Catalog]:
    """Return the catalogs by name, with how fresh they are."""
    return await views.list_catalogs(hive, who.account)


@post("/api/catalogs", responses=DESCRIBED)
async def add(data: JSONBody[AddCatalog], hive: TheHive, who: Owner) -> Catalog:
    """Believe a catalog that the owner signed, from its first root on."""
    return await actions.add_catalog(hive, who.account, data)


@post("/api/catalogs/{name:str}/refresh", status_code=200)
async def refresh(name: FromPath[str], hive: TheHive, who: Owner) -> Catalog:
    """Ask its repository now."""
    return await actions.refresh_catalog(hive, who.account, name)


@delete("/api/catalogs/{name:str}", status_code=204)
async def remove(name: FromPath[str], hive: TheHive, who: Owner) -> None:
    """Believe it no more. What was installed from it runs on."""
    await actions.remove_catalog(hive, who.account, name)


handlers = [list_catalogs, add, refresh, remove]
