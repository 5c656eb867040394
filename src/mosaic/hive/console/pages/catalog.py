"""The catalog, and installing from it: a plan first, then the steps on the app's page."""

from litestar import Response, get, post
from litestar.response import Redirect

from mosaic.core.errors import MosaicError, NotFound
from mosaic.hive import actions, names, views
from mosaic.hive.console import forms, render
from mosaic.hive.console.pages.lookup import to_app
from mosaic.hive.console.pages.moving import why_not
from mosaic.hive.http import Asked
from mosaic.hive.problems import status_of
from mosaic.hive.runtime import Hive
from mosaic.hive.signed_in import SignedIn
from mosaic.wire.api import CatalogApp, Install


class AppUnknown(NotFound):
    """No catalog has an app of this name."""

    code = "app-unknown"

    def __init__(self, app: str) -> None:
        super().__init__(f"no catalog has an app named {app}", hint="the catalog page lists what can be installed")


@get("/catalog")
async def catalog(hive: Hive, who: SignedIn, q: str = "") -> Response[str]:
    """List what can be installed, what can't and why."""
    apps = await views.list_catalog(hive)
    installations = await views.list_installations(hive, who.account)
    wanted = q.casefold().strip()
    found = [app for app in apps if wanted in f"{app.app} {app.title} {app.summary}".casefold()]
    return render.page(
        "catalog.html",
        who=who,
        apps=found,
        total=len(apps),
        query=q,
        installed={installation.app: installation.name for installation in installations},
    )


@get("/catalog/{app:str}")
async def plan(hive: Hive, who: SignedIn, app: str) -> Response[str]:
    """Show the plan: where it runs, what it keeps, how it is reached. Changes nothing."""
    return await _plan(hive, who, app, name="", device="", problem=None)


@post("/catalog/{app:str}")
async def install(request: Asked, hive: Hive, who: SignedIn, app: str) -> Response[str] | Redirect:
    """Install it, or show the plan again with what was refused."""
    form = await forms.read(request, who)
    name, device = form.text("name"), form.text("device")
    try:
        made = await actions.install(hive, who.account, Install(app=app, name=name or None, device=device or None))
    except MosaicError as refusal:
        return await _plan(hive, who, app, name=name, device=device, problem=refusal)
    return to_app(made.name)


async def _plan(
    hive: Hive, who: SignedIn, app: str, *, name: str, device: str, problem: MosaicError | None
) -> Response[str]:
    found = await _find(hive, app)
    devices = await views.list_devices(hive, who.account)
    installations = await views.list_installations(hive, who.account)
    return render.page(
        "install.html",
        who=who,
        status=status_of(problem) if problem else 200,
        app=found,
        choices=[(one, why_not(one, None)) for one in devices],
        chosen=device or next((one.device for one in devices if why_not(one, None) is None), ""),
        name=name or names.free(app, {one.name for one in installations}),
        problem=problem,
    )


async def _find(hive: Hive, app: str) -> CatalogApp:
    for one in await views.list_catalog(hive):
        if one.app == app:
            return one
    raise AppUnknown(app)


handlers = [catalog, plan, install]
