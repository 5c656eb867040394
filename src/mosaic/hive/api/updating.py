"""Which version of its app an installation runs. Routes only; see `mosaic.wire.versions`."""

from litestar import get, post, put
from litestar.params import FromPath, JSONBody

from mosaic.hive import actions, views
from mosaic.hive.http import TheHive
from mosaic.hive.signed_in import Owner
from mosaic.wire.api import Installation, Logs
from mosaic.wire.versions import Follows, Generation, RollBack, UpdateApp, UpdatePlan


@post("/api/installations/{installation:str}/update", status_code=200)
async def update(installation: FromPath[str], data: JSONBody[UpdateApp], hive: TheHive, who: Owner) -> Installation:
    """Want another version of its app."""
    return await actions.update(hive, who.account, installation, data)


@post("/api/installations/{installation:str}/update-plan", status_code=200)
async def plan(installation: FromPath[str], data: JSONBody[UpdateApp], hive: TheHive, who: Owner) -> UpdatePlan:
    """Say what that would change."""
    return await actions.plan_update(hive, who.account, installation, data)


@post("/api/installations/{installation:str}/cancel-update", status_code=200)
async def cancel(installation: FromPath[str], hive: TheHive, who: Owner) -> Installation:
    """Take that wish back, as long as the new version does not count."""
    return await actions.cancel_update(hive, who.account, installation)


@put("/api/installations/{installation:str}/follows")
async def follow(installation: FromPath[str], data: JSONBody[Follows], hive: TheHive, who: Owner) -> Installation:
    """Take newer versions by itself, or not."""
    return await actions.follow(hive, who.account, installation, data)


@get("/api/installations/{installation:str}/generations")
async def generations(installation: FromPath[str], hive: TheHive, who: Owner) -> list[Generation]:
    """Return which versions it ran, the newest first."""
    return await views.list_generations(hive, who.account, installation)


@get("/api/installations/{installation:str}/update-report")
async def report(installation: FromPath[str], hive: TheHive, who: Owner) -> Logs:
    """Return what the last update that failed left on its Device."""
    return await actions.read_update_report(hive, who.account, installation)


@post("/api/installations/{installation:str}/rollback", status_code=200)
async def roll_back(installation: FromPath[str], data: JSONBody[RollBack], hive: TheHive, who: Owner) -> Installation:
    """Want an earlier version, with its data or with the present one."""
    return await actions.roll_back(hive, who.account, installation, data)


handlers = [update, plan, cancel, follow, generations, report, roll_back]
