"""The start of a channel: who speaks, in which session, and may it.

Each side proves its key over the other's nonce. A session that was superseded
is turned away for good; a new one fences those before it, and their tokens die
in the same transaction.
"""

import re
import secrets
from dataclasses import dataclass

from mosaic.adapters.sql import devices, sessions
from mosaic.adapters.sql.devices import Device
from mosaic.adapters.sql.engine import Tx
from mosaic.core.errors import MosaicError
from mosaic.core.ids import DeviceId, SessionId
from mosaic.core.lease import Holder
from mosaic.core.session import SessionSuperseded, admit
from mosaic.crypto import tokens
from mosaic.hive.channel.connections import Connection
from mosaic.hive.channel.connections import removed as removed_goodbye
from mosaic.hive.channel.connections import superseded as superseded_goodbye
from mosaic.hive.identity import device_proved
from mosaic.hive.runtime import Hive
from mosaic.wire.channel import PROTOCOL_MAX, PROTOCOL_MIN, Challenge, Goodbye, Hello, Proof, Welcome
from mosaic.wire.command import SPOKEN_SINCE_EVER

REPORT_SECONDS = 30.0
_SESSION = re.compile(r"[A-Za-z0-9_-]{8,64}", re.ASCII)
_NONCE = re.compile(r"[0-9a-f]{64}", re.ASCII)


class TurnedAway(Exception):
    """The connection ends with this goodbye."""

    def __init__(self, goodbye: Goodbye) -> None:
        super().__init__(goodbye.code)
        self.goodbye = goodbye


@dataclass(frozen=True, slots=True)
class Challenged:
    """What was asked of a Device, until it has answered."""

    device: Device
    session: SessionId
    nonce: str
    message: Challenge
    knows: frozenset[str]


async def challenge(hive: Hive, hello: Hello) -> Challenged:
    """Answer a hello. Raises TurnedAway."""
    if hello.protocol_max < PROTOCOL_MIN or hello.protocol_min > PROTOCOL_MAX:
        raise TurnedAway(
            Goodbye(
                "protocol-unknown",
                f"the device speaks versions {hello.protocol_min}–{hello.protocol_max} of the channel, "
                f"and this Hive {PROTOCOL_MIN}–{PROTOCOL_MAX}",
                "update the older of the two",
            )
        )
    if not _SESSION.fullmatch(hello.session) or not _NONCE.fullmatch(hello.nonce):
        raise TurnedAway(Goodbye("proof-wrong", "the session or the nonce is malformed", "update the device"))
    device_id = DeviceId(hello.device[:128].replace("\0", ""))
    device = await hive.read(lambda tx: devices.get(tx, device_id))
    if device is None:
        raise TurnedAway(
            Goodbye("device-unknown", "this Hive does not know the device", "join it with a new join token")
        )
    # One that was removed is told so after both have proved their keys: what it does then, nobody else may bring about.
    session = SessionId(hello.session)
    nonce = secrets.token_hex(32)
    signature = hive.key.sign_channel(hello.nonce, device.id, session)
    message = Challenge(min(hello.protocol_max, PROTOCOL_MAX), hive.key.public, nonce, signature)
    knows = SPOKEN_SINCE_EVER | frozenset(hello.commands)
    return Challenged(device, session, nonce, message, knows)


async def welcome(hive: Hive, asked: Challenged, proof: Proof) -> Connection:
    """Check the proof, make the session the Device's newest, and attach its connection. Raises TurnedAway."""
    if not device_proved(
        asked.device.signing_key,
        nonce=asked.nonce,
        hive_key=hive.key.public,
        session=asked.session,
        signature=proof.signature,
    ):
        raise TurnedAway(
            Goodbye("proof-wrong", "the device could not prove its key", "restore its state folder, or join it anew")
        )
    token = tokens.new_token()
    holder = Holder(asked.device.id, asked.session)
    now_ns = hive.clock.wall_ns()
    # In one go: of two connections at once, the session that is the newest in the database must also be attached last.
    async with hive.joining:
        try:
            await hive.write(lambda tx: _begin(tx, holder, tokens.hash_token(token), now_ns), worth="later")
        except _Removed:
            raise TurnedAway(removed_goodbye()) from None
        except SessionSuperseded:
            hive.connections.note_superseded(asked.device.id)
            raise TurnedAway(superseded_goodbye()) from None
        except MosaicError as error:
            raise TurnedAway(Goodbye("hive-busy", error.message, error.hint, retry=True)) from error
        connection = Connection(asked.device.id, asked.session, asked.device.account, token, asked.knows)
        hive.connections.attach(connection)
    return connection


class _Removed(Exception):
    """The Device was removed, perhaps since it was challenged."""


def _begin(tx: Tx, holder: Holder, token_hash: str, now_ns: int) -> None:
    known = sessions.lock(tx, holder.device)
    device = devices.get(tx, holder.device)
    if device is None or device.removed:
        raise _Removed
    admit(known, holder.session)
    sessions.begin(tx, holder, token_hash, now_ns=now_ns)


def welcome_message(hive: Hive, connection: Connection, *, admitted: bool, recovering: bool) -> Welcome:
    """Return what the Device is told once, and again when the owner has admitted it."""
    now_ns = hive.clock.wall_ns()
    machine = hive.config.machine
    return Welcome(connection.token, admitted, REPORT_SECONDS, machine, hive.term, now_ns, recovering, heartbeats=True)
