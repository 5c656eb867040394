"""Another version of an app: a plan that says what differs, then the wish; which versions it ran; following."""

from litestar import Response, get, post
from litestar.response import Redirect

from mosaic.hive import actions, views
from mosaic.hive.console import forms, overview, render
from mosaic.hive.console.pages.lookup import to_app
from mosaic.hive.http import Asked
from mosaic.hive.runtime import Hive
from mosaic.hive.signed_in import SignedIn
from mosaic.wire.versions import Follows, UpdateApp


@get("/apps/{name:str}/update")
async def plan(hive: Hive, who: SignedIn, name: str) -> Response[str]:
    """Say what an update to the newest version changes. Changes nothing."""
    app = await views.get_installation(hive, who.account, name)
    devices = await views.list_devices(hive, who.account)
    found = await actions.plan_update(hive, who.account, name, UpdateApp())
    return render.page("update.html", who=who, app=app, view=overview.of(app, devices), plan=found)


@post("/apps/{name:str}/update", name="update-app")
async def update(request: Asked, hive: Hive, who: SignedIn, name: str) -> Redirect:
    """Want the version that was shown."""
    form = await forms.read(request, who)
    wish = UpdateApp(form.text("digest") or None, again=form.text("again") == "yes")
    return to_app((await actions.update(hive, who.account, name, wish)).name)


@post("/apps/{name:str}/keep-version")
async def cancel(request: Asked, hive: Hive, who: SignedIn, name: str) -> Redirect:
    """Take the wish back."""
    await forms.read(request, who)
    return to_app((await actions.cancel_update(hive, who.account, name)).name)


@post("/apps/{name:str}/follow")
async def follow(request: Asked, hive: Hive, who: SignedIn, name: str) -> Redirect:
    """Take newer versions by itself, or not."""
    form = await forms.read(request, who)
    wish = Follows(form.text("follows") == "yes")
    return to_app((await actions.follow(hive, who.account, name, wish)).name, then="#about")


@get("/apps/{name:str}/versions")
async def generations(hive: Hive, who: SignedIn, name: str) -> Response[str]:
    """List which versions it ran, each with the way back to it and to its data."""
    app = await views.get_installation(hive, who.account, name)
    ran = await views.list_generations(hive, who.account, name)
    return render.page("versions.html", who=who, app=app, ran=ran)


handlers = [plan, update, cancel, follow, generations]
