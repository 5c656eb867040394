"""What an app lets its owner do in it: asked of the Device that runs it, and run there. Nothing of it is kept here.

Secrets pass through as ciphertext that only the Device can open (G6).
"""

import msgspec

from mosaic.adapters.sql import devices, placements
from mosaic.adapters.sql.devices import Device
from mosaic.adapters.sql.engine import Tx
from mosaic.core.errors import MosaicError, NotFound, Refused
from mosaic.core.ids import AccountId, InstallationId
from mosaic.hive import ordering
from mosaic.hive.finding import find_installation
from mosaic.hive.ordering import DeviceOffline
from mosaic.hive.runtime import Hive
from mosaic.wire.actions import Acted, Action, Actions, RunAction
from mosaic.wire.command import ACTION_ANSWER_SECONDS, AppAction, CommandResult, ReadActions

_MOST_SEALED = 512 * 1024


class ActionRefused(Refused):
    """The Device did not do it, or the app's command failed; the sentence is the Device's."""

    code = "action-refused"


class ActionNotKnown(NotFound):
    """The app names no such action."""

    code = "action-not-known"


async def list_actions(hive: Hive, who: AccountId, installation: str) -> Actions:
    """Ask the Device what can be done. Raises DeviceOffline, DeviceSlow, DeviceTooOld, ActionRefused."""
    found, device = await hive.read(lambda tx: _runs_on(tx, who, installation))
    result = await ordering.order(hive, who, device.id, ReadActions(found))
    told = _output(result, device.name)
    try:
        actions = msgspec.json.decode(told, type=Actions).actions
    except msgspec.MsgspecError:
        raise ActionRefused(f"{device.name} said something unknown", hint="update the older of the two") from None
    return Actions(actions, found, device.name, device.wrapping_key, device.id, device.signing_key, device.key_proof)


async def run_action(hive: Hive, who: AccountId, installation: str, action: str, wish: RunAction) -> Acted:
    """Have the Device run an action. Raises as `list_actions` does, when the Device refuses it too."""
    if len(wish.sealed) > _MOST_SEALED:
        raise ActionRefused("its secrets are too long", hint="each is one line of text")
    found, device = await hive.read(lambda tx: _runs_on(tx, who, installation))
    body = AppAction(found, action, wish.values, wish.sealed)
    result = await ordering.order(hive, who, device.id, body, seconds=ACTION_ANSWER_SECONDS)
    return Acted(_output(result, device.name))


async def find_action(hive: Hive, who: AccountId, installation: str, action: str) -> tuple[Action, Actions]:
    """Return one action with all of them. Raises ActionNotKnown, and as `list_actions` does."""
    every = await list_actions(hive, who, installation)
    for each in every.actions:
        if each.name == action:
            return each, every
    names = ", ".join(each.name for each in every.actions) or "none"
    raise ActionNotKnown(f"it has no action {action[:60]!a}", hint=f"its actions: {names}")


def _output(result: CommandResult, device: str) -> str:
    if result.outcome == "done":
        return result.output
    error: MosaicError = ActionRefused(result.output[:4000] or f"{device} refused", hint=result.hint or "try again")
    raise error


def _runs_on(tx: Tx, who: AccountId, installation: str) -> tuple[InstallationId, Device]:
    found = find_installation(tx, who, installation)
    placement = placements.get(tx, found.id)
    assert placement is not None
    home = devices.get(tx, placement.home)
    if home is None:
        raise DeviceOffline(placement.home)
    return found.id, home
