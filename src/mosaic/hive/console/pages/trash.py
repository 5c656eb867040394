"""The trash: what was uninstalled, until when its data is kept, and the way back."""

from litestar import Response, get, post
from litestar.response import Redirect

from mosaic.hive import actions, views
from mosaic.hive.console import forms, render
from mosaic.hive.console.pages.lookup import to_app
from mosaic.hive.console.pages.moving import number, why_not
from mosaic.hive.http import Asked
from mosaic.hive.runtime import Hive
from mosaic.hive.signed_in import SignedIn
from mosaic.wire.api import RestoreFromTrash


@get("/trash")
async def trash(hive: Hive, who: SignedIn, new: str = "") -> Response[str]:
    """List it; `new` is what was just put in."""
    entries = await views.list_trash(hive, who.account)
    devices = await views.list_devices(hive, who.account)
    there = {one.device for one in devices if one.connected}
    away = [one.installation for one in entries if not one.saved and one.device not in there]
    able = [one for one in devices if why_not(one, None) is None]
    return render.page("trash.html", who=who, entries=entries, devices=able, away=away, new=new)


@post("/trash/{installation:str}/restore")
async def restore(request: Asked, hive: Hive, who: SignedIn, installation: str) -> Redirect:
    """Bring it back with its data."""
    form = await forms.read(request, who)
    wish = RestoreFromTrash(
        device=form.text("device") or None,
        force=form.text("force") == "yes",
        lose_seconds=number(form.text("lose_seconds")),
    )
    return to_app((await actions.restore_from_trash(hive, who.account, installation, wish)).name)


handlers = [trash, restore]
