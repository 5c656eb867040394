"""Giving an app new keys. Routes only; see `mosaic.wire.api`."""

from litestar import get, post
from litestar.params import FromPath

from mosaic.hive import actions
from mosaic.hive.http import TheHive
from mosaic.hive.signed_in import Owner
from mosaic.wire import api


@post("/api/installations/{installation:str}/rekey", status_code=200)
async def rekey(installation: FromPath[str], hive: TheHive, who: Owner) -> api.Rekeying:
    """Let another installation, with new keys, take the place of this one."""
    return await actions.rekey(hive, who.account, installation)


@get("/api/rekeyings/{installation:str}")
async def get_rekeying(installation: FromPath[str], hive: TheHive, who: Owner) -> api.Rekeying:
    """Say how it goes, or went."""
    return await actions.get_rekeying(hive, who.account, installation)


@post("/api/rekeyings/{installation:str}/cancel", status_code=200)
async def cancel_rekeying(installation: FromPath[str], hive: TheHive, who: Owner) -> api.Rekeying:
    """Bring the older one back, unless the newer one runs."""
    return await actions.cancel_rekeying(hive, who.account, installation)


handlers = [rekey, get_rekeying, cancel_rekeying]
