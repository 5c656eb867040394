"""Devices: how each is, adding one, admitting one, and letting one go."""

import msgspec
from litestar import Response, get, post
from litestar.response import Redirect

from mosaic.core.errors import Refused
from mosaic.hive import actions, views
from mosaic.hive.console import forms, render
from mosaic.hive.console.pages.lookup import to
from mosaic.hive.http import Asked
from mosaic.hive.runtime import Hive
from mosaic.hive.signed_in import SignedIn
from mosaic.wire.api import Admit, Device, Installation


class AdmissionMissing(Refused):
    """The form came without what the browser signs."""

    code = "admission-missing"

    def __init__(self) -> None:
        super().__init__(
            "this form has no signature: the browser makes it from the passphrase, with JavaScript",
            hint="allow JavaScript for this page, or use `mosaic device admit NAME`",
        )


@get("/devices")
async def devices(hive: Hive, who: SignedIn) -> Response[str]:
    """Show every machine and what is set in it."""
    found = await views.list_devices(hive, who.account)
    installations = await views.list_installations(hive, who.account)
    return render.page("devices.html", who=who, devices=found, installations=installations)


@get("/devices/add")
async def add(hive: Hive, who: SignedIn) -> Response[str]:
    """Make a join token, in the browser."""
    account = await views.account(hive, who.account)
    waiting = [device for device in await views.list_devices(hive, who.account) if not device.admitted]
    return render.page("device-add.html", who=who, account=account, keys=_written(account.keys), waiting=waiting)


@get("/devices/{device:str}")
async def one(hive: Hive, who: SignedIn, device: str) -> Response[str]:
    """Show one machine: health with cause and remedy, disk, memory, and what belongs on it."""
    found = await views.get_device(hive, who.account, device)
    installations = await views.list_installations(hive, who.account)
    return render.page(
        "device.html",
        who=who,
        device=found,
        devices=await views.list_devices(hive, who.account),
        here=_belonging(found, installations),
    )


@get("/devices/{device:str}/admit")
async def plan_admit(hive: Hive, who: SignedIn, device: str) -> Response[str]:
    """Ask for the passphrase, in the browser only."""
    found = await views.get_device(hive, who.account, device)
    account = await views.account(hive, who.account)
    return render.page("device-admit.html", who=who, device=found, account=account, keys=_written(account.keys))


@post("/devices/{device:str}/admit")
async def admit(request: Asked, hive: Hive, who: SignedIn, device: str) -> Redirect:
    """Take the owner's signature and the root key wrapped to the Device."""
    form = await forms.read(request, who)
    try:
        signed = msgspec.json.decode(form.text("admission"), type=Admit)
    except msgspec.MsgspecError:
        raise AdmissionMissing from None
    admitted = await actions.admit(hive, who.account, device, signed)
    return to(f"/devices/{admitted.device}")


@get("/devices/{device:str}/remove")
async def plan_remove(hive: Hive, who: SignedIn, device: str) -> Response[str]:
    """Say what removing does."""
    found = await views.get_device(hive, who.account, device)
    installations = await views.list_installations(hive, who.account)
    kept = [(one, each) for one in installations for each in one.set_aside if each.device == found.device]
    return render.page("device-remove.html", who=who, device=found, here=_belonging(found, installations), kept=kept)


@post("/devices/{device:str}/remove")
async def remove(request: Asked, hive: Hive, who: SignedIn, device: str) -> Redirect:
    """Let it go; refused while something belongs on it."""
    form = await forms.read(request, who)
    await actions.remove_device(hive, who.account, device, force=form.text("force") == "yes")
    return to("/devices")


def _belonging(device: Device, installations: list[Installation]) -> list[Installation]:
    return [one for one in installations if one.device == device.device]


def _written(keys: object) -> str:
    return msgspec.json.encode(keys).decode()


handlers = [devices, add, one, plan_admit, admit, plan_remove, remove]
