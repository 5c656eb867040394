"""The catalog, installations, the trash and volumes. Routes only; see `mosaic.wire.api`."""

from litestar import delete, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody

from mosaic.hive import actions, views
from mosaic.hive.http import TheHive
from mosaic.hive.signed_in import Owner
from mosaic.wire import api
from mosaic.wire.approval import Approval
from mosaic.wire.grants import PolicyGrant
from mosaic.wire.keeping import Keeping, SetKeeping


@get("/api/catalog")
async def list_catalog(hive: TheHive, who: Owner) -> list[api.CatalogApp]:
    """Return the apps that can be installed, and those that can't with the reason."""
    return await views.list_catalog(hive, who.account)


@get("/api/installations")
async def list_installations(hive: TheHive, who: Owner) -> list[api.Installation]:
    """Return what is installed, by name."""
    return await views.list_installations(hive, who.account)


@post("/api/installations", status_code=200)
async def install(data: JSONBody[api.Install], hive: TheHive, who: Owner) -> api.Installation:
    """Install an app from the catalog."""
    return await actions.install(hive, who.account, data)


@get("/api/installations/{installation:str}")
async def get_installation(installation: FromPath[str], hive: TheHive, who: Owner) -> api.Installation:
    """Return one installation, by id or name."""
    return await views.get_installation(hive, who.account, installation)


@delete("/api/installations/{installation:str}", status_code=200)
async def uninstall(installation: FromPath[str], hive: TheHive, who: Owner) -> api.TrashEntry:
    """Stop it and keep its data in the trash for 30 days."""
    return await actions.uninstall(hive, who.account, installation)


@post("/api/installations/{installation:str}/start", status_code=200)
async def start(installation: FromPath[str], hive: TheHive, who: Owner) -> api.Installation:
    """Want it running."""
    return await actions.start(hive, who.account, installation)


@post("/api/installations/{installation:str}/stop", status_code=200)
async def stop(installation: FromPath[str], hive: TheHive, who: Owner) -> api.Installation:
    """Want it stopped, with its volumes replicated."""
    return await actions.stop(hive, who.account, installation)


@post("/api/installations/{installation:str}/restart", status_code=200)
async def restart(installation: FromPath[str], hive: TheHive, who: Owner) -> api.Installation:
    """Stop and start it once."""
    return await actions.restart(hive, who.account, installation)


@post("/api/installations/{installation:str}/open", status_code=200)
async def set_open(
    installation: FromPath[str], data: JSONBody[api.Open], hive: TheHive, who: Owner
) -> api.Installation:
    """Bind its ports beyond loopback, or on loopback only."""
    return await actions.set_open(hive, who.account, installation, open_ports=data.open)


@put("/api/installations/{installation:str}/approval")
async def approve(installation: FromPath[str], data: JSONBody[Approval], hive: TheHive, who: Owner) -> api.Installation:
    """Approve the version that it runs."""
    return await actions.approve(hive, who.account, installation, data)


@get("/api/installations/{installation:str}/policy")
async def read_policy(installation: FromPath[str], hive: TheHive, who: Owner) -> api.Policy:
    """Return what it is granted beyond policy, and what its app asks for."""
    return await actions.read_policy(hive, who.account, installation)


@put("/api/installations/{installation:str}/policy")
async def set_policy(installation: FromPath[str], data: JSONBody[PolicyGrant], hive: TheHive, who: Owner) -> api.Policy:
    """Replace what it is granted; the owner key signed it."""
    return await actions.set_policy(hive, who.account, installation, data)


@get("/api/installations/{installation:str}/keeping")
async def read_keeping(installation: FromPath[str], hive: TheHive, who: Owner) -> Keeping:
    """Return what is kept of its snapshots."""
    return await actions.read_keeping(hive, who.account, installation)


@put("/api/installations/{installation:str}/keeping")
async def set_keeping(installation: FromPath[str], data: JSONBody[SetKeeping], hive: TheHive, who: Owner) -> Keeping:
    """Have something else kept from the next collection on."""
    return await actions.set_keeping(hive, who.account, installation, data)


@post("/api/installations/{installation:str}/move", status_code=200)
async def move(installation: FromPath[str], data: JSONBody[api.Move], hive: TheHive, who: Owner) -> api.Installation:
    """Begin to move it to another Device."""
    return await actions.move(hive, who.account, installation, data)


@post("/api/installations/{installation:str}/cancel-move", status_code=200)
async def cancel_move(installation: FromPath[str], hive: TheHive, who: Owner) -> api.Installation:
    """Stop a move that has not arrived."""
    return await actions.cancel_move(hive, who.account, installation)


@post("/api/installations/{installation:str}/restore", status_code=200)
async def go_back(
    installation: FromPath[str], data: JSONBody[api.GoBack], hive: TheHive, who: Owner
) -> api.Installation:
    """Want its data as it was in an earlier snapshot."""
    return await actions.go_back(hive, who.account, installation, data)


@post("/api/installations/{installation:str}/fork", status_code=200)
async def fork(installation: FromPath[str], data: JSONBody[api.Fork], hive: TheHive, who: Owner) -> api.Installation:
    """Install its app once more, with the data of one of its snapshots."""
    return await actions.fork(hive, who.account, installation, data)


@post("/api/installations/{installation:str}/cancel-restore", status_code=200)
async def stay(installation: FromPath[str], hive: TheHive, who: Owner) -> api.Installation:
    """Take that wish back, as long as it is open."""
    return await actions.stay(hive, who.account, installation)


@get("/api/installations/{installation:str}/move-forecast")
async def move_forecast(
    installation: FromPath[str],
    hive: TheHive,
    who: Owner,
    to: FromQuery[str | None] = None,
) -> api.MoveForecast:
    """Say what a forced move would lose, and what speaks against a move to `to`."""
    return await views.move_forecast(hive, who.account, installation, to)


@get("/api/installations/{installation:str}/logs")
async def read_logs(
    installation: FromPath[str],
    hive: TheHive,
    who: Owner,
    service: FromQuery[str | None] = None,
    lines: FromQuery[int] = 200,
) -> api.Logs:
    """Return the last lines of one service, or of all."""
    return await actions.read_logs(hive, who.account, installation, service=service, lines=lines)


@get("/api/trash")
async def list_trash(hive: TheHive, who: Owner) -> list[api.TrashEntry]:
    """Return what was uninstalled and can be restored."""
    return await views.list_trash(hive, who.account)


@post("/api/trash/{installation:str}/restore", status_code=200)
async def restore(
    installation: FromPath[str],
    data: JSONBody[api.RestoreFromTrash],
    hive: TheHive,
    who: Owner,
) -> api.Installation:
    """Bring an uninstalled app back with its data."""
    return await actions.restore_from_trash(hive, who.account, installation, data)


@get("/api/volumes")
async def list_volumes(hive: TheHive, who: Owner) -> list[api.Volume]:
    """Return the volumes of all installations, those in the trash too."""
    return await views.list_volumes(hive, who.account)


handlers = [
    list_catalog, list_installations, install, get_installation, uninstall, start, stop, restart, set_open,
    approve,
    read_policy, set_policy, read_keeping, set_keeping, go_back, fork, stay, move, cancel_move, move_forecast,
    read_logs, list_trash, restore,
    list_volumes,
]  # fmt: skip
