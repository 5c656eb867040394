"""The catalog, and installing from it: a plan first, then the steps on the app's page."""

from litestar import Response, get, post
from litestar.response import Redirect

from mosaic.core.errors import MosaicError, NotFound
from mosaic.hive import actions, names, views
from mosaic.hive.console import forms, render
from mosaic.hive.console.pages.approving import approval_in
from mosaic.hive.console.pages.lookup import to_app, written
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
    apps = await views.list_catalog(hive, who.account)
    installations = await views.list_installations(hive, who.account)
    wanted = q.casefold().strip()
    found = [app for app in apps if wanted in f"{app.app} {app.title} {app.summary}".casefold()]
    return render.page(
        "catalog.html",
        who=who,
        apps=found,
        total=len(apps),
        query=q,
        installed={(one.catalog, one.app): one.name for one in installations},
        sources=await views.list_catalogs(hive, who.account),
        parted=_parted,
    )


@get(["/catalog/{app:str}", "/catalog/{source:str}/{app:str}"])
async def plan(hive: Hive, who: SignedIn, app: str, source: str = "") -> Response[str]:
    """Show the plan: where it runs, what it keeps, how it is reached. Changes nothing."""
    return await _plan(hive, who, _whole(source, app), name="", device="", problem=None)


@post(["/catalog/{app:str}", "/catalog/{source:str}/{app:str}"])
async def install(request: Asked, hive: Hive, who: SignedIn, app: str, source: str = "") -> Response[str] | Redirect:
    """Install it, or show the plan again with what was refused."""
    app = _whole(source, app)
    form = await forms.read(request, who)
    name, device = form.text("name"), form.text("device")
    try:
        wish = Install(app=app, name=name or None, device=device or None, approval=approval_in(form))
        made = await actions.install(hive, who.account, wish)
    except MosaicError as refusal:
        return await _plan(hive, who, app, name=name, device=device, problem=refusal)
    return to_app(made.name)


async def _plan(
    hive: Hive, who: SignedIn, app: str, *, name: str, device: str, problem: MosaicError | None
) -> Response[str]:
    found = await _find(hive, who, app)
    devices = await views.list_devices(hive, who.account)
    installations = await views.list_installations(hive, who.account)
    _, called = _parted(app)
    account = await views.account(hive, who.account)
    return render.page(
        "install.html",
        who=who,
        status=status_of(problem) if problem else 200,
        app=found,
        called=called,
        keys=written(account.keys) if account.keys else "",
        choices=[(one, why_not(one, None)) for one in devices],
        chosen=device or next((one.device for one in devices if why_not(one, None) is None), ""),
        name=name or names.free(called, {one.name for one in installations}),
        problem=problem,
    )


def _whole(source: str, app: str) -> str:
    """Return the name by which an app is installed, from its parts in an address."""
    return f"{source}/{app}" if source else app


def _parted(app: str) -> tuple[str, str]:
    """Return the source in an app's name, empty without one, and what it is called there."""
    source, _, plain = app.rpartition("/")
    return source, plain


async def _find(hive: Hive, who: SignedIn, app: str) -> CatalogApp:
    for one in await views.list_catalog(hive, who.account):
        if one.app == app:
            return one
    raise AppUnknown(app)


handlers = [catalog, plan, install]
