"""How the Hive itself is: the copy of its database, a roll call, and its part of a recovery kit. Routes only."""

from litestar import get, post
from litestar.params import FromPath, JSONBody

from mosaic.hive import care
from mosaic.hive.http import TheHive
from mosaic.hive.signed_in import Owner
from mosaic.wire.hive_backup import HiveKit, HiveState, KitRequest


@get("/api/hive/state")
async def state(hive: TheHive, who: Owner) -> HiveState:
    """Say how the copy of the database is, and which Devices a recovered Hive still waits for."""
    return await care.state(hive, who.account)


@post("/api/hive/kit", status_code=200)
async def kit(data: JSONBody[KitRequest], hive: TheHive, who: Owner) -> HiveKit:
    """Return the Hive's part of a recovery kit, to who proves the passphrase."""
    return await care.kit(hive, who.account, data.auth_key)


@post("/api/hive/waived/{device:str}", status_code=200)
async def waive(device: FromPath[str], hive: TheHive, who: Owner) -> HiveState:
    """Go on without a Device that a recovered Hive waits for."""
    await care.waive(hive, who.account, device)
    return await care.state(hive, who.account)


handlers = [state, kit, waive]
