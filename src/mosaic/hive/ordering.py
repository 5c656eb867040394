"""Ordering something of a Device and waiting for what comes of it; both go into the audit log.

The row of the order is written before the command is sent, and its head goes
with it, so that the Device's own log knows it. A Hive that is killed in
between leaves an order without an answer, which says what happened.
"""

from typing import Literal

from mosaic.adapters.sql import audit, devices
from mosaic.adapters.sql.devices import Device
from mosaic.core.audit import Entry
from mosaic.core.errors import Refused, Unavailable
from mosaic.core.ids import AccountId, DeviceId
from mosaic.crypto.tokens import new_id
from mosaic.hive.channel.connections import Connection
from mosaic.hive.runtime import Hive
from mosaic.wire.audit import entry_of
from mosaic.wire.command import CommandBody, CommandResult, kind_of

ANSWER_SECONDS = 20.0


class DeviceOffline(Unavailable):
    """The Device is not connected."""

    code = "device-offline"

    def __init__(self, device: str) -> None:
        super().__init__(f"{device} is not connected", hint="start it; `mosaic device list` shows since when")


class DeviceSlow(Unavailable):
    """The Device did not answer in time."""

    code = "device-slow"

    def __init__(self, device: str, seconds: float) -> None:
        super().__init__(f"{device} did not answer within {seconds:g} s", hint="try again in a minute")


class DeviceTooOld(Refused):
    """The Device does not know this kind of command."""

    code = "device-too-old"

    def __init__(self, device: str, kind: str) -> None:
        super().__init__(f"{device} does not know the command {kind}", hint="update Mosaic on that machine")


class DeviceRefused(Refused):
    """The Device answered that it does not, and why."""

    code = "device-refused"


async def order(
    hive: Hive,
    who: AccountId,
    device: DeviceId,
    body: CommandBody,
    *,
    seconds: float = ANSWER_SECONDS,
    by: Literal["owner", "scheduler"] = "owner",
) -> CommandResult:
    """Have a Device carry out a command, and return what came of it. Raises DeviceOffline, DeviceSlow, DeviceTooOld."""
    found = await hive.read(lambda tx: devices.get(tx, device))
    name = found.name if found is not None else device
    connection = _spoken_to(hive, device, found, body, name)
    command = new_id()

    def ordered(outcome: str, other: str = "") -> Entry:
        at_ns = hive.clock.wall_ns()
        return entry_of(body, at_ns=at_ns, by=by, device=device, command=command, outcome=outcome, other=other)

    head = await hive.write(lambda tx: audit.append(tx, who, ordered("ordered")), worth="later")
    expires_ns = hive.clock.wall_ns() + int(seconds * 1e9)
    connection.order(body, expires_ns=expires_ns, command=command, audit=head.text)
    result = await connection.result(command, seconds=seconds)
    answered = ordered(result.outcome, result.audit) if result is not None else ordered("unanswered")
    await hive.write(lambda tx: audit.append(tx, who, answered), worth="later")
    if result is None:
        raise DeviceSlow(name, seconds)
    return result


def _spoken_to(hive: Hive, device: DeviceId, found: Device | None, body: CommandBody, name: str) -> Connection:
    connection = hive.connections.get(device)
    if connection is None or found is None or found.removed:
        raise DeviceOffline(name)
    if kind_of(body) not in connection.knows:
        raise DeviceTooOld(name, kind_of(body))
    return connection
