"""An installation's page, and what can be done with it at once: start, stop, restart, open, uninstall."""

from litestar import Response, get, post
from litestar.response import Redirect

from mosaic.core.errors import MosaicError
from mosaic.hive import actions, views
from mosaic.hive.console import forms, overview, render
from mosaic.hive.console.pages.lookup import names_of, to, to_app
from mosaic.hive.http import Asked
from mosaic.hive.runtime import Hive
from mosaic.hive.signed_in import SignedIn

_LOG_LINES = 200
_SNAPSHOTS = 100


@get("/apps/{name:str}")
async def installation(hive: Hive, who: SignedIn, name: str) -> Response[str]:
    """Show one installation: how it is, where, since when saved, and the work under way."""
    found = await views.get_installation(hive, who.account, name)
    devices = await views.list_devices(hive, who.account)
    volumes = [one for one in await views.list_volumes(hive, who.account) if one.installation == found.installation]
    view = overview.of(found, devices)
    link = next(
        (one for one in await actions.list_links(hive, who.account) if one.installation == found.installation), None
    )
    return render.page(
        "installation.html",
        who=who,
        app=found,
        view=view,
        devices=devices,
        volumes=volumes,
        names=names_of(devices),
        link=link,
    )


@get("/apps/{name:str}/snapshots")
async def snapshots(hive: Hive, who: SignedIn, name: str) -> Response[str]:
    """List what can be gone back to, and what drills found. What is in a snapshot cannot be shown here."""
    found = await views.get_installation(hive, who.account, name)
    pasts = await views.list_snapshots(hive, who.account, found.installation, shown=_SNAPSHOTS)
    return render.page("snapshots.html", who=who, app=found, pasts=sorted(pasts, key=lambda past: past.kind != "data"))


@get("/apps/{name:str}/logs")
async def logs(hive: Hive, who: SignedIn, name: str, service: str = "") -> Response[str]:
    """Show the last lines that its services wrote. They pass through and are stored nowhere."""
    found = await views.get_installation(hive, who.account, name)
    report = found.reports.get(found.device)
    services = [one.service for one in report.services] if report else []
    text, problem = "", None
    try:
        text = (
            await actions.read_logs(hive, who.account, found.installation, service=service or None, lines=_LOG_LINES)
        ).text
    except MosaicError as error:
        problem = error
    return render.page(
        "logs.html", who=who, app=found, services=services, service=service, lines=text.splitlines(), problem=problem
    )


@post("/apps/{name:str}/start")
async def start(request: Asked, hive: Hive, who: SignedIn, name: str) -> Redirect:
    """Start it where it is."""
    await forms.read(request, who)
    return to_app((await actions.start(hive, who.account, name)).name)


@post("/apps/{name:str}/stop")
async def stop(request: Asked, hive: Hive, who: SignedIn, name: str) -> Redirect:
    """Stop it where it is; starting it again undoes this."""
    await forms.read(request, who)
    return to_app((await actions.stop(hive, who.account, name)).name)


@post("/apps/{name:str}/restart")
async def restart(request: Asked, hive: Hive, who: SignedIn, name: str) -> Redirect:
    """Stop and start it once."""
    await forms.read(request, who)
    return to_app((await actions.restart(hive, who.account, name)).name)


@post("/apps/{name:str}/open")
async def set_open(request: Asked, hive: Hive, who: SignedIn, name: str) -> Redirect:
    """Let the network reach its ports, or only the machine itself."""
    form = await forms.read(request, who)
    wanted = form.text("open") == "yes"
    return to_app((await actions.set_open(hive, who.account, name, open_ports=wanted)).name, then="#address")


@get("/apps/{name:str}/uninstall")
async def plan_uninstall(hive: Hive, who: SignedIn, name: str) -> Response[str]:
    """Say what uninstalling does before it is done."""
    found = await views.get_installation(hive, who.account, name)
    devices = await views.list_devices(hive, who.account)
    return render.page("uninstall.html", who=who, app=found, view=overview.of(found, devices))


@post("/apps/{name:str}/uninstall")
async def uninstall(request: Asked, hive: Hive, who: SignedIn, name: str) -> Redirect:
    """Put it in the trash."""
    await forms.read(request, who)
    entry = await actions.uninstall(hive, who.account, name)
    return to(f"/trash?new={entry.installation}")


handlers = [installation, snapshots, logs, start, stop, restart, set_open, plan_uninstall, uninstall]
