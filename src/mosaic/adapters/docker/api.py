"""Single questions to the engine's API over its UNIX socket, each in the calling thread with a deadline.

The official SDK is not used: with what it imports it is a tenth of a Device's
memory, and the Device asks a dozen questions (docs/decisions/0020).
"""

import contextlib
import http.client
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlencode

import msgspec

from mosaic.adapters.unix_http import UnixConnection
from mosaic.core.errors import MosaicError, Unavailable

API = "/v1.41"
"""What is spoken: the floor's version, so that a newer engine answers alike."""

DEADLINE_SECONDS = 60.0
BRIEF_SECONDS = 10.0
"""For what any engine that works answers at once, and somebody waits to hear."""

_PIECE_BYTES = 65536

Filters = Mapping[str, list[str]]
Method = Literal["GET", "POST", "DELETE"]
Body = msgspec.Struct | Mapping[str, object]


class EngineSilent(Unavailable):
    """The engine did not answer."""

    code = "engine-silent"

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"the Docker engine at {address} does not answer: {reason}",
            hint="start it (`systemctl start docker`), or install it with `script/setup`",
        )


class EngineRefused(MosaicError):
    """The engine said no. The sentence is its own."""

    code = "engine-refused"

    def __init__(self, sentence: str) -> None:
        super().__init__(
            f"the Docker engine refused: {sentence}",
            hint="the engine's own words say what is wrong; `mosaic doctor` checks the engine",
        )


class EngineElsewhere(EngineSilent):
    """The address is not a UNIX socket. The volume driver works on the engine's own machine only."""

    code = "engine-elsewhere"

    def __init__(self, address: str) -> None:
        super().__init__(address, "a Device uses the engine of its own machine, by an address like unix:///PATH")


class _Refusal(msgspec.Struct):
    message: str = ""


class Api:
    """One engine. Has no state, so threads may share it."""

    def __init__(self, address: str) -> None:
        self._address = address

    def get(self, path: str, *, filters: Filters | None = None, **query: str) -> bytes:
        """Ask for something."""
        return self._ask("GET", path, _query(filters, query))

    def brief(self, path: str) -> bytes:
        """Ask how the engine is; that one hangs is said sooner than elsewhere."""
        return self._ask("GET", path, {}, deadline_seconds=BRIEF_SECONDS)

    def find(self, path: str) -> bytes | None:
        """Ask for one thing; None when there is none."""
        return self._ask("GET", path, {}, missing_is_fine=True) or None

    def post(self, path: str, body: Body | None = None, *, seconds: float = 0, **query: str) -> bytes:
        """Change something. `seconds` is what the engine itself may wait; a thing that is gone is fine."""
        return self._ask("POST", path, query, body, missing_is_fine=True, extra_seconds=seconds)

    def delete(self, path: str, **query: str) -> None:
        """Remove something; one that is gone is fine."""
        self._ask("DELETE", path, query, missing_is_fine=True)

    def _ask(
        self,
        method: Method,
        path: str,
        query: Mapping[str, str],
        body: Body | None = None,
        *,
        missing_is_fine: bool = False,
        extra_seconds: float = 0,
        deadline_seconds: float | None = None,
    ) -> bytes:
        connection = self._connection((deadline_seconds or DEADLINE_SECONDS) + extra_seconds)
        try:
            answer = self._send(connection, method, path, query, body)
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise EngineSilent(self._address, str(error) or type(error).__name__) from error
        finally:
            connection.close()
        if answer.status < 400:
            return content
        if answer.status == 404 and missing_is_fine:
            return b""
        raise EngineRefused(_sentence(content) or f"it answered {answer.status}")

    def attached(self, path: str, body: msgspec.Struct, *, until: float) -> Iterator[bytes]:
        """Start something and yield what it says, until it ends. Raises TimeoutError at `until` (monotonic seconds)."""
        connection = self._connection(DEADLINE_SECONDS)
        try:
            connection.connect()
            # The answer takes the socket over as soon as its head was read.
            line = connection.sock
            answer = self._send(connection, "POST", path, {}, body)
            if answer.status >= 400:
                raise EngineRefused(_sentence(answer.read()) or f"it answered {answer.status}")
            while True:
                left = until - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                line.settimeout(left)
                piece = answer.read1(_PIECE_BYTES)
                if not piece:
                    return
                yield piece
        except TimeoutError:
            raise
        except (OSError, http.client.HTTPException) as error:
            raise EngineSilent(self._address, str(error) or type(error).__name__) from error
        finally:
            connection.close()

    def events(self, filters: Filters) -> "Events":
        """Open the stream of what happens."""
        connection = self._connection(DEADLINE_SECONDS)
        try:
            answer = self._send(connection, "GET", "/events", _query(filters, {}), None)
            # Silence is what an idle engine says; the caller closes the stream.
            connection.sock.settimeout(None)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise EngineSilent(self._address, str(error) or type(error).__name__) from error
        return Events(connection, answer)

    def _send(
        self,
        connection: UnixConnection,
        method: Method,
        path: str,
        query: Mapping[str, str],
        body: Body | None,
    ) -> http.client.HTTPResponse:
        target = API + path + (f"?{urlencode(query)}" if query else "")
        content = None if body is None else msgspec.json.encode(body)
        connection.request(method, target, content, {} if content is None else {"Content-Type": "application/json"})
        return connection.getresponse()

    def _connection(self, deadline_seconds: float) -> UnixConnection:
        scheme, _, path = self._address.partition("://")
        if scheme != "unix" or not path.startswith("/"):
            raise EngineElsewhere(self._address)
        return UnixConnection(Path(path), deadline_seconds)


class Events:
    """A stream of events, one line each. Closing it from another thread ends it."""

    def __init__(self, connection: UnixConnection, answer: http.client.HTTPResponse) -> None:
        self._connection = connection
        self._answer = answer

    def lines(self) -> Iterator[bytes]:
        """Yield each event as it comes, until the stream ends or is closed."""
        with contextlib.suppress(OSError, ValueError, AttributeError, http.client.HTTPException):
            while line := self._answer.readline():
                yield line

    def close(self) -> None:
        """End the stream; a reader in another thread comes to its end."""
        with contextlib.suppress(OSError, AttributeError):
            self._connection.sock.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """Free the socket; by the reader, once it has ended."""
        self._answer.close()
        self._connection.close()


def quoted(name: str) -> str:
    """Return a name as part of a path; an image's name has slashes."""
    return quote(name, safe="/:@")


def _query(filters: Filters | None, query: Mapping[str, str]) -> dict[str, str]:
    return {**query, **({"filters": msgspec.json.encode(filters).decode()} if filters else {})}


def _sentence(content: bytes) -> str:
    with contextlib.suppress(msgspec.MsgspecError):
        return msgspec.json.decode(content, type=_Refusal).message
    return content[:400].decode(errors="replace")
