"""The Device's end of the channel: one WebSocket, typed messages, a deadline on every wait.

The handshake and the meaning of messages are `mosaic.device.session`'s.
"""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import anyio
import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from mosaic.core.errors import Unavailable
from mosaic.wire.channel import PATH, FromDevice, FromHive

CONNECT_SECONDS = 15.0
SEND_SECONDS = 30.0
PING_SECONDS = 25.0
"""Shorter than the idle limits of common proxies; a ping and its answer are a few bytes."""

MAX_MESSAGE_BYTES = 8 * 1024 * 1024

_decoder: msgspec.json.Decoder[FromHive] = msgspec.json.Decoder(FromHive)


class ChannelLost(Unavailable):
    """The connection to the Hive could not be made, or ended. Nothing was lost: both sides say everything again."""

    code = "channel-lost"

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"no connection to the Hive at {url}: {reason}",
            hint="apps keep running; the Device tries again by itself. Is the Hive running and reachable from here?",
        )


class Connection(Protocol):
    """What a channel needs of a WebSocket. Both raise ConnectionClosed when it is not open any more."""

    async def send(self, message: str) -> None:
        """Send one text message."""
        ...

    async def recv(self) -> str | bytes:
        """Return the next message."""
        ...


class Channel:
    """A connection that is up."""

    def __init__(self, url: str, connection: Connection) -> None:
        self._url = url
        self._connection = connection

    async def send(self, message: FromDevice) -> None:
        """Send one message. Raises ChannelLost."""
        text = frame(message).decode()
        try:
            with anyio.fail_after(SEND_SECONDS):
                await self._connection.send(text)
        except (ConnectionClosed, TimeoutError) as error:
            raise ChannelLost(self._url, _reason(error)) from error

    async def receive(self, *, seconds: float | None = None) -> FromHive:
        """Return the next message. Without `seconds`, the keep-alive pings are the deadline. Raises ChannelLost."""
        try:
            with anyio.fail_after(seconds):
                return _decoder.decode(await self._connection.recv())
        except (ConnectionClosed, TimeoutError) as error:
            raise ChannelLost(self._url, _reason(error)) from error
        except msgspec.MsgspecError as error:
            raise ChannelLost(self._url, f"it sent a message that is not ours ({error})") from error


def frame(message: FromDevice) -> bytes:
    """Return the very bytes that a message is sent as."""
    return msgspec.json.encode(message)


@asynccontextmanager
async def open_channel(hive_url: str, ca_pem: str | None) -> AsyncIterator[Channel]:
    """Connect, and close at the end. Raises ChannelLost."""
    url = hive_url.rstrip("/").replace("http", "ws", 1) + PATH
    trust = _trust(ca_pem) if url.startswith("wss:") else None
    try:
        with anyio.fail_after(CONNECT_SECONDS):
            connection = await connect(
                url,
                ssl=trust,
                proxy=None,
                open_timeout=None,
                ping_interval=PING_SECONDS,
                ping_timeout=PING_SECONDS,
                max_size=MAX_MESSAGE_BYTES,
            )
    except (OSError, TimeoutError, WebSocketException) as error:
        raise ChannelLost(hive_url, _reason(error)) from error
    try:
        yield Channel(hive_url, connection)
    finally:
        with anyio.CancelScope(shield=True), anyio.move_on_after(2):
            await connection.close()


def _trust(ca_pem: str | None) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=ca_pem)


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    return str(error) or type(error).__name__
