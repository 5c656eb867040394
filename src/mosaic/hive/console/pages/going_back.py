"""Going back to an earlier snapshot: a plan that says what becomes of what is there now, then the wish itself."""

from litestar import Response, get, post
from litestar.response import Redirect

from mosaic.core.ids import AppDigest
from mosaic.hive import actions, views
from mosaic.hive.actions.going_back import SnapshotMissing
from mosaic.hive.console import forms, overview, render
from mosaic.hive.console.pages.lookup import to_app
from mosaic.hive.http import Asked
from mosaic.hive.runtime import Hive
from mosaic.hive.signed_in import SignedIn
from mosaic.wire.api import GoBack, Installation


@get("/apps/{name:str}/go-back")
async def plan(hive: Hive, who: SignedIn, name: str, to: str = "", conflict: str = "") -> Response[str]:
    """Say what going back to a snapshot, or to what was set aside, does. Changes nothing."""
    app = await views.get_installation(hive, who.account, name)
    devices = await views.list_devices(hive, who.account)
    instant_ns, theirs = _set_aside(app, conflict), None
    if not conflict:
        instant_ns, theirs = await views.snapshot(hive, who.account, app.installation, to)
    if instant_ns is None:
        raise SnapshotMissing(app.name, to or conflict)
    return render.page(
        "go-back.html",
        who=who,
        app=app,
        view=overview.of(app, devices),
        instant_ns=instant_ns,
        head=to,
        conflict=conflict,
        other_app=_other(app, theirs),
    )


@post("/apps/{name:str}/go-back")
async def go_back(request: Asked, hive: Hive, who: SignedIn, name: str) -> Redirect:
    """Want what was shown."""
    form = await forms.read(request, who)
    wish = GoBack(form.text("head") or None, form.text("conflict") or None, form.text("with_app") == "yes")
    return to_app((await actions.go_back(hive, who.account, name, wish)).name)


@post("/apps/{name:str}/stay")
async def stay(request: Asked, hive: Hive, who: SignedIn, name: str) -> Redirect:
    """Take the wish back."""
    await forms.read(request, who)
    return to_app((await actions.stay(hive, who.account, name)).name)


def _set_aside(app: Installation, conflict: str) -> int | None:
    kept = (one for volume in app.volumes for one in volume.conflicts)
    return next((one.instant_ns for one in kept if one.name == conflict), None)


def _other(app: Installation, theirs: AppDigest | None) -> AppDigest | None:
    return theirs if theirs is not None and theirs != app.app_digest else None


handlers = [plan, go_back, stay]
