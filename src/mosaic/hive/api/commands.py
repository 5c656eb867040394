"""What is ordered of Devices beyond assignments, and the audit logs. Routes only."""

from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody

from mosaic.hive import actions
from mosaic.hive.http import TheHive
from mosaic.hive.signed_in import Owner
from mosaic.wire.actions import Acted, Actions, RunAction
from mosaic.wire.audit import Page


@get("/api/installations/{installation:str}/actions")
async def list_actions(installation: FromPath[str], hive: TheHive, who: Owner) -> Actions:
    """Return what the version that runs lets its owner do."""
    return await actions.list_actions(hive, who.account, installation)


@post("/api/installations/{installation:str}/actions/{action:str}", status_code=200)
async def run_action(
    installation: FromPath[str], action: FromPath[str], data: JSONBody[RunAction], hive: TheHive, who: Owner
) -> Acted:
    """Run an action on the Device, and return what it printed."""
    return await actions.run_action(hive, who.account, installation, action, data)


@get("/api/audit")
async def read_audit(hive: TheHive, who: Owner, after: FromQuery[int] = 0) -> Page:
    """Return rows of the Hive's audit log after a number."""
    return await actions.read_audit(hive, who.account, after=after)


@get("/api/devices/{device:str}/audit")
async def read_device_audit(
    device: FromPath[str], hive: TheHive, who: Owner, after: FromQuery[int] = 0, nonce: FromQuery[str] = ""
) -> Page:
    """Return rows of a Device's own audit log after a number."""
    return await actions.read_device_audit(hive, who.account, device, after=after, nonce=nonce)


handlers = [list_actions, run_action, read_audit, read_device_audit]
