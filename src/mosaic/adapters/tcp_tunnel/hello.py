"""Saying and hearing the hello of `core.tunnel_hello` on a socket."""

import asyncio
import socket
from collections.abc import Callable
from typing import TypeAlias, TypeVar

from mosaic.core.needs_more import NeedsMore
from mosaic.core.tunnel_hello import (
    NONCE_BYTES,
    Answer,
    Malformed,
    Purpose,
    Verdict,
    answer,
    challenge,
    is_gateway,
    read_answer,
    read_challenge,
    read_verdict,
)
from mosaic.crypto.secret import Secret

RandomBytes: TypeAlias = Callable[[int], bytes]
"""So many bytes that nobody can guess."""

Message = TypeVar("Message")


async def read_exactly(connection: socket.socket, count: int) -> bytes:
    """Return exactly so many bytes. Raises OSError, also where the other side ends before."""
    loop = asyncio.get_running_loop()
    got = b""
    while len(got) < count:
        piece = await loop.sock_recv(connection, count - len(got))
        if not piece:
            raise ConnectionResetError("it ended in the middle of a message")
        got += piece
    return got


async def ask(connection: socket.socket, nonce: bytes) -> Answer:
    """Challenge a link, and return what it answers, which nobody has believed yet. Raises OSError."""
    await asyncio.get_running_loop().sock_sendall(connection, challenge(nonce))
    return await _read(connection, read_answer)


async def introduce(
    connection: socket.socket, key: Secret, registration: str, purpose: Purpose, random_bytes: RandomBytes
) -> Verdict:
    """Prove a link to its gateway, and hear its verdict.

    Raises OSError, also where a gateway welcomes us and cannot prove that it has the key.
    """
    gateway_nonce = (await _read(connection, read_challenge)).nonce
    link_nonce = random_bytes(NONCE_BYTES)
    said = answer(key.reveal(), registration, purpose, gateway_nonce=gateway_nonce, link_nonce=link_nonce)
    await asyncio.get_running_loop().sock_sendall(connection, said)
    judged = await _read(connection, read_verdict)
    if judged.verdict is Verdict.WELCOME and not is_gateway(
        judged, key.reveal(), registration, purpose, gateway_nonce=gateway_nonce, link_nonce=link_nonce
    ):
        raise ConnectionAbortedError("who answered is not the gateway of this registration")
    return judged.verdict


async def _read(connection: socket.socket, read: Callable[[bytes], Message | NeedsMore | Malformed]) -> Message:
    """Read one message, and no byte of what follows it."""
    said = b""
    while isinstance(got := read(said), NeedsMore):
        said += await read_exactly(connection, got.at_least - len(said))
    if isinstance(got, Malformed):
        raise ConnectionAbortedError(got.value)
    return got
