"""Devices, as their owner sees them. Routes only; see `mosaic.wire.api`."""

from litestar import delete, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody

from mosaic.hive import actions, views
from mosaic.hive.http import TheHive
from mosaic.hive.signed_in import Owner
from mosaic.wire import api
from mosaic.wire.enrol import DeviceImage, NewJoinToken
from mosaic.wire.lan import LanState, SetLan
from mosaic.wire.removal import Removal, RemovalPlan
from mosaic.wire.report import Report
from mosaic.wire.upgrading import DeviceUpgrades, SetUpgrades


@get("/api/devices")
async def list_devices(hive: TheHive, who: Owner) -> list[api.Device]:
    """Return the account's Devices by name."""
    return await views.list_devices(hive, who.account)


@post("/api/devices/join-tokens", status_code=201)
async def new_join_token(data: JSONBody[NewJoinToken], hive: TheHive, who: Owner) -> None:
    """Let one Device in within 15 minutes."""
    await actions.new_join_token(hive, who.account, data)


@get("/api/device-image")
async def device_image(hive: TheHive, who: Owner) -> DeviceImage:  # noqa: ARG001  # strangers learn nothing
    """Return what Devices in containers are started from."""
    return DeviceImage(hive.config.device_image)


@get("/api/devices/{device:str}")
async def get_device(device: FromPath[str], hive: TheHive, who: Owner) -> api.Device:
    """Return one Device, by id or name."""
    return await views.get_device(hive, who.account, device)


@get("/api/devices/{device:str}/report")
async def last_report(device: FromPath[str], hive: TheHive, who: Owner) -> Report:
    """Return what the Device told last, as far as it is kept."""
    return await views.last_report(hive, who.account, device)


@post("/api/devices/{device:str}/doctor", status_code=200)
async def doctor(device: FromPath[str], hive: TheHive, who: Owner) -> api.Logs:
    """Have the Device make its checks, and return a line for each."""
    return await actions.doctor(hive, who.account, device)


@post("/api/devices/{device:str}/admit", status_code=200)
async def admit(device: FromPath[str], data: JSONBody[api.Admit], hive: TheHive, who: Owner) -> api.Device:
    """Admit a Device by the owner's signature."""
    return await actions.admit(hive, who.account, device, data)


@delete("/api/devices/{device:str}", status_code=204)
async def remove_device(device: FromPath[str], hive: TheHive, who: Owner, force: FromQuery[bool] = False) -> None:
    """Remove a Device that nothing belongs on; `force` gives up what it set aside."""
    await actions.remove_device(hive, who.account, device, force=force)


@get("/api/devices/{device:str}/removal")
async def plan_removal(
    device: FromPath[str],
    hive: TheHive,
    who: Owner,
    to: FromQuery[str | None] = None,
    stop: FromQuery[bool] = False,
    force: FromQuery[bool] = False,
) -> RemovalPlan:
    """Say what removing a Device would do. Changes nothing."""
    return await actions.plan_removal(hive, who.account, device, Removal(to, stop, force))


@post("/api/devices/{device:str}/removal", status_code=200)
async def begin_removal(device: FromPath[str], data: JSONBody[Removal], hive: TheHive, who: Owner) -> RemovalPlan:
    """Begin to remove a Device, after its apps have left."""
    return await actions.begin_removal(hive, who.account, device, data)


@delete("/api/devices/{device:str}/removal", status_code=204)
async def cancel_removal(device: FromPath[str], hive: TheHive, who: Owner) -> None:
    """Let a Device stay."""
    await actions.cancel_removal(hive, who.account, device)


@get("/api/devices/{device:str}/upgrade")
async def get_upgrades(device: FromPath[str], hive: TheHive, who: Owner) -> DeviceUpgrades:
    """Say how a Device is upgraded itself, and to what next. Changes nothing."""
    return await actions.get_upgrades(hive, who.account, device)


@put("/api/devices/{device:str}/upgrades")
async def set_upgrades(device: FromPath[str], data: JSONBody[SetUpgrades], hive: TheHive, who: Owner) -> DeviceUpgrades:
    """Opt a Device in to automatic upgrades of itself, or out."""
    return await actions.set_upgrades(hive, who.account, device, on=data.on)


@post("/api/devices/{device:str}/upgrade", status_code=200)
async def upgrade_device(device: FromPath[str], hive: TheHive, who: Owner) -> DeviceUpgrades:
    """Have a Device become the newest version that there is for it."""
    return await actions.upgrade_device(hive, who.account, device)


@put("/api/devices/{device:str}/lan")
async def set_network(device: FromPath[str], data: JSONBody[SetLan], hive: TheHive, who: Owner) -> LanState:
    """Have a Device add HTTPS or names on its own network, or no more."""
    return await actions.set_network(hive, who.account, device, data)


handlers = [
    list_devices,
    new_join_token,
    device_image,
    get_device,
    last_report,
    doctor,
    admit,
    remove_device,
    plan_removal,
    begin_removal,
    cancel_removal,
    get_upgrades,
    set_upgrades,
    upgrade_device,
    set_network,
]
