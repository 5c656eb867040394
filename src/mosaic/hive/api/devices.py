"""Devices, as their owner sees them. Routes only; see `mosaic.wire.api`."""

from litestar import delete, get, post
from litestar.params import FromPath, FromQuery, JSONBody

from mosaic.hive import actions, views
from mosaic.hive.http import TheHive
from mosaic.hive.signed_in import Owner
from mosaic.wire import api


@get("/api/devices")
async def list_devices(hive: TheHive, who: Owner) -> list[api.Device]:
    """Return the account's Devices by name."""
    return await views.list_devices(hive, who.account)


@post("/api/devices/join-tokens", status_code=201)
async def new_join_token(data: JSONBody[api.NewJoinToken], hive: TheHive, who: Owner) -> None:
    """Let one Device in within 15 minutes."""
    await actions.new_join_token(hive, who.account, data)


@get("/api/devices/{device:str}")
async def get_device(device: FromPath[str], hive: TheHive, who: Owner) -> api.Device:
    """Return one Device, by id or name."""
    return await views.get_device(hive, who.account, device)


@post("/api/devices/{device:str}/admit", status_code=200)
async def admit(device: FromPath[str], data: JSONBody[api.Admit], hive: TheHive, who: Owner) -> api.Device:
    """Admit a Device by the owner's signature."""
    return await actions.admit(hive, who.account, device, data)


@delete("/api/devices/{device:str}", status_code=204)
async def remove_device(device: FromPath[str], hive: TheHive, who: Owner, force: FromQuery[bool] = False) -> None:
    """Remove a Device that nothing belongs on; `force` gives up what it set aside."""
    await actions.remove_device(hive, who.account, device, force=force)


handlers = [list_devices, new_join_token, get_device, admit, remove_device]
