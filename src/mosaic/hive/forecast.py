"""What a forced move would lose, and what speaks against a move."""

from mosaic.adapters.sql import devices, placements
from mosaic.adapters.sql.devices import Device
from mosaic.adapters.sql.engine import Tx
from mosaic.core.errors import Refused
from mosaic.core.ids import AccountId
from mosaic.hive.finding import find_device, find_installation
from mosaic.hive.present.installations import last_replicated_ns, lose_seconds
from mosaic.hive.present.sight import Sight
from mosaic.wire.api import MoveForecast


class DeviceNotReady(Refused):
    """The Device cannot take an installation now."""

    code = "device-not-ready"

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(problem, hint=hint)


class LossNotAccepted(Refused):
    """A forced move would lose more than the owner was shown."""

    code = "loss-not-accepted"

    def __init__(self, lose: str) -> None:
        super().__init__(
            f"this would lose {lose}",
            hint="look at the forecast again, and send what it says as `lose_seconds` to accept it",
        )


def is_ready(device: Device, sight: Sight) -> bool:
    """Whether the Device can take an installation now."""
    return not _against(device, sight)


def require_ready(device: Device, sight: Sight) -> None:
    """Return when the Device can take an installation. Raises DeviceNotReady."""
    for problem, hint in _against(device, sight):
        raise DeviceNotReady(problem, hint)


def _against(device: Device, sight: Sight) -> list[tuple[str, str]]:
    name = device.name
    if device.admission is None:
        return [(f"{name} has not been admitted", f"admit it first: `mosaic device admit {name}`")]
    against = []
    if device.leaving:
        against.append((f"{name} is being removed", "name another one: `mosaic device list` shows them"))
    if not device.has_root_key:
        against.append((
            f"{name} has no root key, so it cannot open the app's data",
            f"admit it again with the passphrase: `mosaic device admit {name}`",
        ))  # fmt: skip
    if device.id not in sight.connected:
        against.append((f"{name} is not connected", "start it, or name another one: `mosaic device list` shows them"))
    return against


LOSS_SLACK_SECONDS = 60.0
"""Time goes on between the forecast and the owner's answer."""


def forecast(tx: Tx, who: AccountId, installation: str, to: str | None, sight: Sight) -> MoveForecast:
    """Look at one move. Nothing is changed."""
    known = find_installation(tx, who, installation)
    placement = placements.get(tx, known.id)
    newest_ns = last_replicated_ns(tx, known.id)
    problems: list[str] = []
    if to is not None:
        target = find_device(tx, who, to)
        if placement is not None and target.id == placement.home:
            problems.append(f"{known.name} is on {target.name} already")
        problems += [problem for problem, _ in _against(target, sight)]
    home = devices.get(tx, placement.home) if placement else None
    released = placement is not None and placement.lease.released
    # Of a Device that was removed nothing is waited for, and what is lost with it was accepted then.
    is_gone = home is None or home.removed
    return MoveForecast(
        holder_connected=is_gone or (home is not None and home.id in sight.connected),
        newest_replicated_ns=newest_ns,
        lose_seconds=0.0 if released or is_gone else lose_seconds(newest_ns, sight.now_ns),
        problems=problems,
    )
