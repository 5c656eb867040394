"""Devices: how each is, adding one, admitting one, and letting one go."""

import contextlib

import msgspec
from litestar import Response, get, post
from litestar.response import Redirect

from mosaic.core.device_texts import PASSPHRASE_AT, SERVE_FIRST
from mosaic.core.errors import Refused
from mosaic.hive import actions, views
from mosaic.hive.console import adding, forms, render
from mosaic.hive.console.pages.lookup import to as send_to
from mosaic.hive.console.pages.lookup import written
from mosaic.hive.console.pages.moving import number, why_not
from mosaic.hive.http import Asked
from mosaic.hive.present.devices import NothingReported
from mosaic.hive.runtime import Hive
from mosaic.hive.signed_in import SignedIn
from mosaic.wire.api import Admit, Device, Installation
from mosaic.wire.lan import SetLan
from mosaic.wire.removal import Removal


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
    """Put together what starts a Device, in the browser; and show who has joined."""
    account = await views.account(hive, who.account)
    found = await views.list_devices(hive, who.account)
    return render.page(
        "device-add.html",
        who=who,
        account=account,
        keys=written(account.keys),
        texts=adding.texts(hive.config.device_image),
        passphrase_at=PASSPHRASE_AT,
        serve_first=SERVE_FIRST,
        arrivals=adding.arrivals(found, hive.clock.wall_ns()),
    )


@get("/devices/{device:str}")
async def one(hive: Hive, who: SignedIn, device: str) -> Response[str]:
    """Show one machine: health with cause and remedy, disk, memory, and what belongs on it."""
    found = await views.get_device(hive, who.account, device)
    installations = await views.list_installations(hive, who.account)
    lan = None
    with contextlib.suppress(NothingReported):
        lan = (await views.last_report(hive, who.account, device)).lan
    return render.page(
        "device.html",
        who=who,
        device=found,
        devices=await views.list_devices(hive, who.account),
        here=_belonging(found, installations),
        upgrades=await actions.kept_upgrades(hive, who.account, device),
        lan=lan,
        root=_fingerprint(lan.root) if lan is not None else "",
    )


@post("/devices/{device:str}/doctor")
async def doctor(request: Asked, hive: Hive, who: SignedIn, device: str) -> Response[str]:
    """Have the machine make its checks, and show a line for each."""
    await forms.read(request, who)
    found = await views.get_device(hive, who.account, device)
    said = await actions.doctor(hive, who.account, device)
    return render.page("device-doctor.html", who=who, device=found, said=said.text)


@post("/devices/{device:str}/upgrades")
async def set_upgrades(request: Asked, hive: Hive, who: SignedIn, device: str) -> Redirect:
    """Have the machine take newer versions of Mosaic by itself, or no more."""
    form = await forms.read(request, who)
    await actions.set_upgrades(hive, who.account, device, on=form.text("on") == "yes")
    return send_to(f"/devices/{device}")


@post("/devices/{device:str}/lan")
async def set_network(request: Asked, hive: Hive, who: SignedIn, device: str) -> Redirect:
    """Have the machine add HTTPS or names on its own network, or no more. What is not in the form stays as it is."""
    form = await forms.read(request, who)
    wish = SetLan(*(form.text(name) == "yes" if form.text(name) else None for name in ("https", "names")))
    await actions.set_network(hive, who.account, device, wish)
    return send_to(f"/devices/{device}")


@get("/devices/{device:str}/admit")
async def plan_admit(hive: Hive, who: SignedIn, device: str) -> Response[str]:
    """Ask for the passphrase, in the browser only."""
    found = await views.get_device(hive, who.account, device)
    account = await views.account(hive, who.account)
    return render.page(
        "device-admit.html",
        who=who,
        device=found,
        account=account,
        keys=written(account.keys),
        proof=written(found.proof),
    )


@post("/devices/{device:str}/admit")
async def admit(request: Asked, hive: Hive, who: SignedIn, device: str) -> Redirect:
    """Take the owner's signature and the root key wrapped to the Device."""
    form = await forms.read(request, who)
    try:
        signed = msgspec.json.decode(form.text("admission"), type=Admit)
    except msgspec.MsgspecError:
        raise AdmissionMissing from None
    admitted = await actions.admit(hive, who.account, device, signed)
    return send_to(f"/devices/{admitted.device}")


@get("/devices/{device:str}/remove")
async def plan_remove(hive: Hive, who: SignedIn, device: str, to: str = "", force: str = "") -> Response[str]:
    """Show what becomes of its apps, and what would be lost. Changes nothing."""
    found = await views.get_device(hive, who.account, device)
    others = [one for one in await views.list_devices(hive, who.account) if one.device != found.device]
    first = await actions.plan_removal(hive, who.account, device, _wish(to))
    waits = bool(first.apps or first.in_trash)
    # What it has set aside goes only with it, and what cannot be handed over only without it.
    by_force = force == "yes" or bool(first.set_aside) or (waits and not first.reachable)
    wish = _wish(to, by_force=by_force)
    plan = await actions.plan_removal(hive, who.account, device, wish) if by_force else first
    installations = await views.list_installations(hive, who.account)
    lose = [f"{app.installation}:{app.lose_seconds}" for app in plan.apps if app.lose_seconds is not None]
    forced = {"force": "yes", "lose_seconds": " ".join(lose)} if by_force else {}
    return render.page(
        "device-remove.html",
        who=who,
        device=found,
        plan=plan,
        waits=waits,
        to=to,
        choices=[(one, why_not(one, None)) for one in others],
        by_force=by_force,
        forced=by_force and waits,
        stuck=any(app.problem for app in plan.apps),
        fields={"to": to, **forced},
        kept=[(one, each) for one in installations for each in one.set_aside if each.device == found.device],
    )


@post("/devices/{device:str}/remove")
async def remove(request: Asked, hive: Hive, who: SignedIn, device: str) -> Redirect:
    """Begin to let it go, as the plan said that was shown."""
    form = await forms.read(request, who)
    told = (each.partition(":") for each in form.text("lose_seconds").split())
    lose = {app: seconds for app, _, text in told if (seconds := number(text)) is not None}
    wish = _wish(form.text("to"), by_force=form.text("force") == "yes", lose=lose)
    left = await actions.begin_removal(hive, who.account, device, wish)
    return send_to("/devices" if left.removed else f"/devices/{left.device}/remove")


@post("/devices/{device:str}/keep")
async def keep(request: Asked, hive: Hive, who: SignedIn, device: str) -> Redirect:
    """Take its removal back."""
    await forms.read(request, who)
    await actions.cancel_removal(hive, who.account, device)
    return send_to(f"/devices/{device}")


def _wish(choice: str, *, by_force: bool = False, lose: dict[str, float] | None = None) -> Removal:
    """Return what the page's choice says: a Device, `stop`, or nothing for wherever there is room."""
    stops = choice == "stop"
    return Removal(to=None if stops else choice or None, stop=stops, force=by_force, lose_seconds=lose or {})


def _fingerprint(root: str) -> str:
    """Return the fingerprint of a root; "" where the Device told none, or one that nobody should trust."""
    try:
        if not root:
            return ""
        # A Hive whose Devices have no authority never needs what reads certificates.
        from mosaic.crypto.lan_authority import fingerprint, limited

        return fingerprint(limited(root))
    except ValueError:
        return ""


def _belonging(device: Device, installations: list[Installation]) -> list[Installation]:
    return [one for one in installations if one.device == device.device]


handlers = [devices, add, one, doctor, set_upgrades, set_network, plan_admit, admit, plan_remove, remove, keep]
