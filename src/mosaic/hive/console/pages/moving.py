"""Moving an installation: a plan that says what is lost, then the move itself, watched on the app's page."""

from litestar import Response, get, post
from litestar.response import Redirect

from mosaic.hive import actions, views
from mosaic.hive.console import forms, overview, render
from mosaic.hive.console.pages.lookup import to_app
from mosaic.hive.http import Asked
from mosaic.hive.runtime import Hive
from mosaic.hive.signed_in import SignedIn
from mosaic.wire.api import Device, Installation, Move, MoveForecast


@get("/apps/{name:str}/move", name="plan-move")
async def plan(hive: Hive, who: SignedIn, name: str, to: str = "") -> Response[str]:
    """Show where it can go, and what a move there would cost. Changes nothing."""
    app = await views.get_installation(hive, who.account, name)
    devices = await views.list_devices(hive, who.account)
    target = next((device for device in devices if to in (device.device, device.name)), None)
    target = target or next((device for device in devices if why_not(device, app) is None), None)
    forecast = await _forecast(hive, who, app, target)
    return render.page(
        "move.html",
        who=who,
        app=app,
        view=overview.of(app, devices),
        choices=[(device, why_not(device, app)) for device in devices],
        target=target,
        forecast=forecast,
    )


@post("/apps/{name:str}/move")
async def move(request: Asked, hive: Hive, who: SignedIn, name: str) -> Redirect:
    """Begin the move that was shown. A forced one names the seconds that its owner was shown."""
    form = await forms.read(request, who)
    lose = form.text("lose_seconds")
    wish = Move(to=form.text("to"), force=form.text("force") == "yes", lose_seconds=number(lose))
    return to_app((await actions.move(hive, who.account, name, wish)).name)


@post("/apps/{name:str}/call-off")
async def call_off(request: Asked, hive: Hive, who: SignedIn, name: str) -> Redirect:
    """Stop a move that has not arrived; the app goes on where it came from."""
    await forms.read(request, who)
    return to_app((await actions.cancel_move(hive, who.account, name)).name)


async def _forecast(hive: Hive, who: SignedIn, app: Installation, target: Device | None) -> MoveForecast | None:
    if target is None:
        return None
    return await views.move_forecast(hive, who.account, app.installation, target.device)


def why_not(device: Device, app: Installation | None) -> str | None:
    """Return why an app can't be put on this Device, None when it can."""
    if app is not None and device.device == app.device:
        return "It is here now"
    if not device.admitted:
        return "It waits to be admitted"
    if device.leaving:
        return "It is being removed"
    if not device.has_root_key:
        return "It has no key to open the data with"
    if not device.connected:
        return "It can't be chosen until it reports again"
    return None


def number(text: str) -> float | None:
    """Return the number that a field has, None when it has none."""
    try:
        return float(text)
    except ValueError:
        return None


handlers = [plan, move, call_off]
