"""One conversation with the Hive: the handshake, then reports out and assignments and commands in.

The Hive must prove that it has the key that was pinned at enrolment before it
is believed; the Device proves its own. Connecting again, and what to do with
what arrives, is `mosaic.device.conversation`'s.
"""

import secrets

from mosaic.adapters.channel import Channel
from mosaic.core.errors import MosaicError, Refused, Unavailable
from mosaic.core.ids import SessionId
from mosaic.core.session import SessionSuperseded
from mosaic.crypto import signing
from mosaic.device.identity import Identity
from mosaic.wire.channel import (
    DEVICE_CONTEXT,
    HIVE_CONTEXT,
    PROTOCOL_MAX,
    PROTOCOL_MIN,
    Challenge,
    FromHive,
    Goodbye,
    Hello,
    Proof,
    Welcome,
)
from mosaic.wire.command import spoken_here

ANSWER_SECONDS = 20.0


class HiveNotProved(Refused):
    """What answers is not the Hive that this Device joined."""

    code = "hive-not-proved"

    def __init__(self, url: str) -> None:
        super().__init__(
            f"what answers at {url} cannot prove to be the Hive that this Device joined; nothing it says is obeyed",
            hint="apps keep running; if the Hive was set up anew, join it from an empty state folder",
        )


class TurnedAway(Refused):
    """The Hive ended the conversation, and trying again does not mend it.

    `proved` says that the Hive had proved its key before: anybody else's word stops no app.
    `is_over`: this Device was removed, and nothing of it is left to end here.
    """

    code = "turned-away"

    def __init__(self, goodbye: Goodbye, *, proved: bool) -> None:
        super().__init__(goodbye.message, hint=goodbye.hint)
        self.reason = goodbye.code
        self.proved = proved
        self.is_over = False


class HiveBusy(Unavailable):
    """The Hive asked to come again later."""

    code = "hive-busy"

    def __init__(self, goodbye: Goodbye) -> None:
        super().__init__(goodbye.message, hint=goodbye.hint)


class OutOfTurn(Unavailable):
    """The Hive sent something that does not belong here."""

    code = "out-of-turn"

    def __init__(self, message: FromHive) -> None:
        super().__init__(
            f"the Hive sent {type(message).__name__} where it was not expected",
            hint="do the Hive and this Device have the same version?",
        )


async def shake_hands(channel: Channel, identity: Identity, session: SessionId) -> Welcome:
    """Prove who we are to the Hive that proves to be ours, and return its welcome.

    Raises:
        HiveNotProved: it has another key than the pinned one.
        SessionSuperseded: a later start of this Device has taken over.
        TurnedAway: the Device is not known (any more), or of another version.
        Unavailable: no connection, or come again later.
    """
    nonce = secrets.token_hex(32)
    hello = Hello(identity.device, session, nonce, PROTOCOL_MIN, PROTOCOL_MAX, commands=spoken_here())
    await channel.send(hello)
    challenge = await channel.receive(seconds=ANSWER_SECONDS)
    if isinstance(challenge, Goodbye):
        raise farewell(challenge, proved=False)
    if not isinstance(challenge, Challenge):
        raise OutOfTurn(challenge)
    _check_hive(challenge, identity, nonce, session)
    await channel.send(Proof(_proof(challenge, identity, session)))
    welcome = await channel.receive(seconds=ANSWER_SECONDS)
    if isinstance(welcome, Goodbye):
        raise farewell(welcome)
    if not isinstance(welcome, Welcome):
        raise OutOfTurn(welcome)
    return welcome


def farewell(goodbye: Goodbye, *, proved: bool = True) -> MosaicError:
    """Return the error that a goodbye stands for. `proved`: the Hive has proved its key."""
    if goodbye.code == SessionSuperseded.code:
        return SessionSuperseded()
    return HiveBusy(goodbye) if goodbye.retry else TurnedAway(goodbye, proved=proved)


def _check_hive(challenge: Challenge, identity: Identity, nonce: str, session: SessionId) -> None:
    signed = f"{nonce}\n{identity.device}\n{session}".encode()
    try:
        signature = bytes.fromhex(challenge.signature)
    except ValueError:
        raise HiveNotProved(identity.hive_url) from None
    pinned = challenge.hive_key == identity.hive_key
    if not pinned or not signing.verify(identity.hive_key, HIVE_CONTEXT, signed, signature):
        raise HiveNotProved(identity.hive_url)


def _proof(challenge: Challenge, identity: Identity, session: SessionId) -> str:
    signed = f"{challenge.nonce}\n{identity.hive_key}\n{session}".encode()
    return signing.sign(bytes.fromhex(identity.signing_seed), DEVICE_CONTEXT, signed).hex()
