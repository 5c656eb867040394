"""The Hive's end of a channel: one WebSocket per Device, a deadline on every wait.

Sending and receiving are two tasks: one sends whenever something changed that
the Device should know, the other takes reports and answers. Either ending ends
the channel; the Device comes again by itself.
"""

from collections.abc import Awaitable

import anyio
import msgspec
from litestar import websocket
from litestar.exceptions import WebSocketDisconnect, WebSocketException

from mosaic.adapters import log
from mosaic.adapters.sql import devices, events, installations, roll_calls
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened
from mosaic.core.errors import MosaicError
from mosaic.core.ids import DeviceId, InstallationId
from mosaic.hive import device_upgrading, roll_call
from mosaic.hive.channel import assigning, handshake
from mosaic.hive.channel.assigning import Told
from mosaic.hive.channel.connections import Connection
from mosaic.hive.channel.handshake import TurnedAway
from mosaic.hive.channel.sights import Heard, heard_again, mentioned
from mosaic.hive.http import Socket, TheHive
from mosaic.hive.links import tokens
from mosaic.hive.runtime import Hive
from mosaic.wire.channel import (
    PATH,
    Answered,
    FromDevice,
    FromHive,
    Goodbye,
    Hello,
    Ordered,
    Proof,
    ReportAgain,
    Reported,
    ReportHeard,
)
from mosaic.wire.heartbeat import Heartbeat, lasting
from mosaic.wire.report import Report

MAX_FRAME_BYTES = 4 * 1024 * 1024
_HANDSHAKE_SECONDS = 15.0
_SEND_SECONDS = 30.0
_SILENCE_SECONDS = 150.0
_QUIET_SECONDS = 600.0
_CLOCK_MOVED_NS = 10**9
"""More than a clock is slewed between two looks, and less than any command is good for."""

_ENDS = (WebSocketDisconnect, WebSocketException, TimeoutError, OSError, RuntimeError, msgspec.MsgspecError)
_decoder: msgspec.json.Decoder[FromDevice] = msgspec.json.Decoder(FromDevice)


@websocket(PATH, include_in_schema=False)
async def device_channel(socket: Socket, hive: TheHive) -> None:
    """Speak with one Device until either side goes."""
    await socket.accept()
    connection: Connection | None = None
    try:
        with anyio.fail_after(_HANDSHAKE_SECONDS):
            connection, admitted = await _greet(socket, hive)
        log.info("device_connected", device=connection.device, session=connection.session)
        await _tell_story(hive, connection, "device-connected", "connected")
        await _converse(socket, hive, connection, admitted=admitted)
    except TurnedAway as turned:
        log.info("device_turned_away", code=turned.goodbye.code)
        await _say_goodbye(socket, turned.goodbye)
    except _ENDS as error:
        log.info("channel_ended", device=connection.device if connection else None, reason=type(error).__name__)
        await _say_goodbye(socket, Goodbye("hive-busy", "the channel ended", "connect again", retry=True))
    finally:
        if connection is not None:
            hive.connections.detach(connection)
            with anyio.CancelScope(shield=True), anyio.move_on_after(_SEND_SECONDS):
                await _tell_story(hive, connection, "device-disconnected", "is not connected any more")


async def _greet(socket: Socket, hive: Hive) -> tuple[Connection, bool]:
    hello = await _receive(socket)
    if not isinstance(hello, Hello):
        raise TurnedAway(Goodbye("proof-wrong", "the first message must be a hello", "update the device"))
    asked = await handshake.challenge(hive, hello)
    await _send(socket, asked.message)
    proof = await _receive(socket)
    if not isinstance(proof, Proof):
        raise TurnedAway(Goodbye("proof-wrong", "the second message must be a proof", "update the device"))
    connection = await handshake.welcome(hive, asked, proof)
    admitted = asked.device.admission is not None
    recovering = await hive.read(roll_calls.is_on)
    await _send(socket, handshake.welcome_message(hive, connection, admitted=admitted, recovering=recovering))
    return connection, admitted


async def _converse(socket: Socket, hive: Hive, connection: Connection, *, admitted: bool) -> None:
    async with anyio.create_task_group() as tasks:

        async def until_it_ends(part: Awaitable[None]) -> None:
            try:
                await part
            except _ENDS as error:
                log.info("channel_ended", device=connection.device, reason=type(error).__name__)
            tasks.cancel_scope.cancel()

        tasks.start_soon(until_it_ends, _listen(socket, hive, connection))
        tasks.start_soon(until_it_ends, _speak(socket, hive, connection, admitted=admitted))


async def _listen(socket: Socket, hive: Hive, connection: Connection) -> None:
    while True:
        with anyio.fail_after(_SILENCE_SECONDS):
            message = await _receive(socket)
        await _take(hive, connection, message)


async def _speak(socket: Socket, hive: Hive, connection: Connection, *, admitted: bool) -> None:
    set_ns = _set_ns(hive)
    while connection.goodbye is None:
        seen = connection.changed.seen
        told = await _told(hive, connection)
        # By the clock of its welcome a Device tells which commands have expired.
        moved = abs(_set_ns(hive) - set_ns) > _CLOCK_MOVED_NS
        if told is not None and (moved or not admitted):
            admitted, set_ns = True, _set_ns(hive)
            await _send(socket, handshake.welcome_message(hive, connection, admitted=True, recovering=False))
        if told is not None:
            now_ns = hive.clock.wall_ns()
            message = connection.tell(told.items, told.revisions, now_ns, root_id=told.root_id, upgrades=told.upgrades)
            if message is not None:
                await _send(socket, message)
        if connection.takes_report():
            await _send(socket, ReportAgain())
        if connection.takes_answer():
            await _send(socket, ReportHeard())
        for command in connection.take_orders():
            await _send(socket, Ordered(command))
        await connection.changed.wait(seen, seconds=_QUIET_SECONDS)
    await _say_goodbye(socket, connection.goodbye)


def _set_ns(hive: Hive) -> int:
    """Return what changes only when the time of day is set."""
    return hive.clock.wall_ns() - hive.clock.boot_ns()


async def _told(hive: Hive, connection: Connection) -> Told | None:
    heard = hive.connections.heard()
    now_ns = hive.clock.wall_ns()
    try:
        return await hive.read(lambda tx: assigning.assignments(tx, connection.holder, heard, now_ns=now_ns))
    except MosaicError as error:
        log.warning("assignments_unread", device=connection.device, code=error.code, reason=error.message)
        return None


async def _take(hive: Hive, connection: Connection, message: FromDevice) -> None:
    if hive.connections.get(connection.device) is not connection:
        return
    match message:
        case Reported(report, digest, answer):
            await _hear(hive, connection, report, digest)
            if answer:
                connection.answer_report()
        case Heartbeat():
            await _hear_again(hive, connection, message)
        case Answered(result):
            connection.hear(result)
        case Hello() | Proof():
            connection.end(Goodbye("proof-wrong", "a greeting in the middle of a conversation", "update the device"))


async def _hear(hive: Hive, connection: Connection, report: Report, digest: str) -> None:
    now_ns = hive.clock.wall_ns()
    if connection.catch_up(report.assignments_revision):
        connection.changed.wake()
    answers = connection.answers_to(report.assignments_revision)
    before = hive.connections.heard().get(connection.device)
    news = before is None or before.session != connection.session or _differs(before.report, report)
    if news and await _knows_more(hive, connection.device, report):
        # Before anybody could act on what it said.
        await roll_call.begin(hive)
        return
    await _keep(
        hive, connection, Heard(connection.session, now_ns, report, answers, digest, hive.clock.boot_ns()), news=news
    )


async def _hear_again(hive: Hive, connection: Connection, beat: Heartbeat) -> None:
    before = hive.connections.heard().get(connection.device)
    heard = heard_again(before, connection.session, beat, now_ns=hive.clock.wall_ns(), boot_ns=hive.clock.boot_ns())
    if heard is None:
        connection.ask_for_report()
    else:
        # The same as the whole report would have been: what could not be kept or done at that time is done now.
        await _keep(hive, connection, heard, news=False)


async def _keep(hive: Hive, connection: Connection, heard: Heard, *, news: bool) -> None:
    if hive.connections.get(connection.device) is not connection:
        # Removed, or connected again, while we looked: it speaks for nobody any more.
        return
    report, now_ns = heard.report, heard.at_ns
    hive.connections.hear(connection.device, heard)
    try:
        # Who comes back from an older copy is told all of this again.
        concerned = await hive.write(lambda tx: _write_report(tx, connection, report, now_ns, news=news), worth="never")
    except MosaicError as error:
        log.warning("report_not_kept", device=connection.device, code=error.code, reason=error.message)
        concerned = mentioned(report)
    hive.carry_on(concerned | mentioned(report))
    if report.link_tokens:
        await tokens.take(hive, connection.account, connection.device, report)


async def _knows_more(hive: Hive, device: DeviceId, report: Report) -> bool:
    try:
        return await hive.read(lambda tx: not roll_calls.is_on(tx) and roll_call.knows_more(tx, device, report))
    except MosaicError:
        # The database does not answer, so nothing will be granted either.
        return False


def _write_report(tx: Tx, connection: Connection, report: Report, now_ns: int, *, news: bool) -> set[InstallationId]:
    devices.put_report(tx, connection.device, report, now_ns=now_ns)
    device_upgrading.hear(tx, connection.account, connection.device, report, now_ns=now_ns)
    if news:
        happened = Happened(connection.account, "device-reported", connection.device, "A device reported a change.")
        events.add(tx, happened, now_ns=now_ns)
    return set(installations.concerning(tx, connection.device))


def _differs(before: Report, after: Report) -> bool:
    """Whether anything that people see has changed, apart from the time and the machine's figures."""
    one, other = lasting(before), lasting(after)
    return (
        one.installations,
        one.volumes,
        one.engine_version,
        one.problem,
        one.pool,
        one.upgrade,
        one.link_tokens,
    ) != (
        other.installations,
        other.volumes,
        other.engine_version,
        other.problem,
        other.pool,
        other.upgrade,
        other.link_tokens,
    )


async def _tell_story(hive: Hive, connection: Connection, kind: str, verb: str) -> None:
    now_ns = hive.clock.wall_ns()

    def tell(tx: Tx) -> None:
        device = devices.get(tx, connection.device)
        name = device.name if device else connection.device
        events.add(tx, Happened(connection.account, kind, connection.device, f"{name} {verb}."), now_ns=now_ns)

    try:
        await hive.write(tell, worth="never")
    except MosaicError as error:
        log.warning("event_not_kept", device=connection.device, code=error.code)


async def _receive(socket: Socket) -> FromDevice:
    message: FromDevice = _decoder.decode(await socket.receive_data("text"))
    return message


async def _send(socket: Socket, message: FromHive) -> None:
    with anyio.fail_after(_SEND_SECONDS):
        await socket.send_data(msgspec.json.encode(message).decode())


async def _say_goodbye(socket: Socket, goodbye: Goodbye) -> None:
    with anyio.CancelScope(shield=True), anyio.move_on_after(5):
        try:
            await _send(socket, goodbye)
            await socket.close()
        except _ENDS:
            return
