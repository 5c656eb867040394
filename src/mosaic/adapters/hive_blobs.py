"""Reading and writing a volume's objects and heads at a Hive, over HTTP.

`HiveStore` is a `Store` (its obligations are in `mosaic.storage.engine.store`)
and `HiveHeads` commits and reads heads. Each request is tried again when the
Hive did not answer, with growing, jittered pauses, until its time is over; what
is worth another try is decided by the error's type alone. What to make of a
head's unknown outcome is not decided here: that is the committer's.
"""

import contextlib
import random
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal, TypeVar
from urllib.parse import quote

import msgspec

from mosaic.adapters.blobs import (
    ObjectDamaged,
    ObjectExists,
    ObjectMissing,
    ObjectRefused,
    StoreFull,
    StoreUnavailable,
    check_name,
)
from mosaic.core.errors import Fenced, MosaicError, NotFound, Refused, Unavailable
from mosaic.core.ids import HeadHash, VolumeId
from mosaic.wire.blobs import MAX_OBJECT_BYTES, HeadAnswer, ObjectEntry, ObjectList, ReadLease, Retain, Retained
from mosaic.wire.head import HEAD_BYTES
from mosaic.wire.problem import Problem

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")
CommitAnswer = Literal["accepted", "fenced", "stale"]

_CONNECT_SECONDS = 10.0
_ANSWER_SECONDS = 60.0
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0
_BUSY_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_FULL_STATUS = 507
_PAGE = 1000
_JSON = {"Content-Type": "application/json"}


class SessionOver(Refused):
    """The Hive does not accept the session's token (any more)."""

    code = "session-over"

    def __init__(self, url: str) -> None:
        super().__init__(
            f"the Hive at {url} does not accept this Device's session",
            hint="it is tried again when the Device has connected; look with `mosaic doctor`",
        )


class WriterFenced(Fenced):
    """The Hive takes no objects of this volume from this Device (any more)."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the Hive takes no data of this volume from here: {reason}", hint="see who has the lease")


class HeadUnknown(NotFound):
    """The Hive has no head of this hash."""

    code = "head-unknown"

    def __init__(self, head: HeadHash) -> None:
        super().__init__(f"the Hive has no head {head[:12]}", hint="`mosaic volume show NAME` names the newest one")


class HiveConnection:
    """A Hive and a Device's session there. Threads may share it. Close it when another one replaces it.

    After `deadline_seconds` no other try of a request is begun; one that is
    under way then ends when the server has been silent for too long. With
    `pinned_pem`, whatever name it was reached by, only the server with this
    very certificate is spoken to. `refusal` is the error of a token that is
    not accepted: other servers speak this protocol too.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        ca_pem: str | None = None,
        pinned_pem: str | None = None,
        deadline_seconds: float = 30.0,
        refusal: Callable[[str], MosaicError] = SessionOver,
    ) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._ca_pem = ca_pem
        self._pinned_pem = pinned_pem
        self._refusal = refusal
        self._deadline_seconds = deadline_seconds
        self._client: httpx2.Client | None = None
        self._users = 0
        self._closed = threading.Event()
        self._lock = threading.Lock()

    def heads(self, volume: VolumeId) -> "HiveHeads":
        """Return the heads of one volume."""
        return HiveHeads(self, volume)

    def store(self, volume: VolumeId) -> "HiveStore":
        """Return the objects of one volume."""
        return HiveStore(self, volume)

    def close(self) -> None:
        """Begin no request any more; what is under way comes to its end, without another try."""
        self._closed.set()
        with self._lock:
            self._close_unused()

    def ask(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
        params: dict[str, str | int] | None = None,
    ) -> "httpx2.Response":
        """Make a request until it is answered. Raises Unavailable when its time is over, and SessionOver."""
        import httpx2  # a third of the daemon's memory, and not needed before the first request

        def once() -> httpx2.Response:
            try:
                with self._http() as client:
                    answer = client.request(method, path, content=content, headers=headers, params=params)
            except httpx2.HTTPError as error:
                raise StoreUnavailable(self.url, str(error) or type(error).__name__) from error
            if answer.status_code in _BUSY_STATUSES:
                raise StoreUnavailable(self.url, f"it answered {answer.status_code}")
            if answer.status_code in (401, 403):
                raise self._refusal(self.url)
            return answer

        return self._retried(once)

    def _retried(self, once: Callable[[], T]) -> T:
        deadline = time.monotonic() + self._deadline_seconds
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                return once()
            except Unavailable:
                # Jitter keeps Devices that lost one Hive from coming back in step.
                wait = pause * random.uniform(0.5, 1.0)  # noqa: S311 (spreads, keeps no secret)
                if time.monotonic() + wait > deadline or self._closed.wait(wait):
                    raise
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    @contextlib.contextmanager
    def _http(self) -> "Iterator[httpx2.Client]":
        with self._lock:
            if self._closed.is_set():
                raise StoreUnavailable(self.url, "the connection was closed here")
            client = self._client = self._client or self._connect()
            self._users += 1
        try:
            yield client
        finally:
            with self._lock:
                self._users -= 1
                self._close_unused()

    def _connect(self) -> "httpx2.Client":
        import httpx2

        authority = self._pinned_pem or self._ca_pem
        context = ssl.create_default_context(cadata=authority) if authority else None
        if context is not None and self._pinned_pem:
            context.check_hostname = False
        return httpx2.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {self._token}"},
            timeout=httpx2.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS),
            verify=context if context is not None else self.url.startswith("https:"),
            trust_env=False,
        )

    def _close_unused(self) -> None:
        # Closing under a request would leave its socket open.
        if self._closed.is_set() and self._users == 0 and self._client is not None:
            self._client.close()
            self._client = None


class HiveHeads:
    """The heads of one volume at a Hive."""

    def __init__(self, connection: HiveConnection, volume: VolumeId) -> None:
        self._connection = connection
        self._volume = f"/api/volumes/{volume}"
        self._path = f"{self._volume}/heads"

    def commit(self, signed: bytes, *, wish: str | None = None) -> CommitAnswer:
        """Send a signed head: `accepted`, or lost to a later epoch (`fenced`) or another head (`stale`).

        `wish` is the wish to go back that the Hive shall call fulfilled when it accepts the head.

        Raises:
            Unavailable: whether it was accepted is unknown; read `newest` before deciding.
        """
        path = self._path if wish is None else f"{self._path}?wish={quote(wish, safe='')}"
        answer = self._connection.ask("POST", path, content=signed)
        if answer.is_success:
            return "accepted"
        problem = _problem(answer)
        match problem.code:
            case "fenced":
                return "fenced"
            case "head-stale":
                return "stale"
            case _ if answer.status_code == 409:
                # The lease is suspended, or the Hive is catching up: neither a success nor a loss.
                raise StoreUnavailable(self._connection.url, problem.detail)
        raise _refusal(self._connection.url, problem)

    def newest(self) -> tuple[HeadHash, bytes] | None:
        """Return the newest head and its signed bytes (unchecked); None when the volume has none."""
        return self._read(f"{self._path}/newest")

    def get(self, head: HeadHash) -> bytes:
        """Return a head's signed bytes (unchecked). Raises HeadUnknown."""
        found = self._read(f"{self._path}/{head}")
        if found is None:
            raise HeadUnknown(head)
        return found[1]

    def retain(self, epoch: str, mirrored: Sequence[HeadHash]) -> Retained:
        """Have old heads let go, and return what is kept. Raises WriterFenced when the epoch is not held."""
        asked = msgspec.json.encode(Retain(epoch, list(mirrored)))
        answer = self._connection.ask("POST", f"{self._volume}/retained", content=asked, headers=_JSON)
        if not answer.is_success:
            raise self._meaning(_problem(answer))
        return msgspec.json.decode(answer.content, type=Retained)

    def lease(self, head: HeadHash, lease: str, *, done: bool = False) -> None:
        """Have a head kept while it is read; again makes it last longer, and `done` ends it. Raises HeadUnknown."""
        asked = msgspec.json.encode(ReadLease(lease, head, done))
        answer = self._connection.ask("POST", f"{self._volume}/read-leases", content=asked, headers=_JSON)
        if answer.status_code == 404:
            raise HeadUnknown(head)
        if not answer.is_success:
            raise self._meaning(_problem(answer))

    def _meaning(self, problem: Problem) -> MosaicError:
        if problem.code == "fenced":
            return WriterFenced(problem.detail)
        if problem.code in ("lease-suspended", "hive-behind"):
            return StoreUnavailable(self._connection.url, problem.detail)
        return _refusal(self._connection.url, problem)

    def _read(self, path: str) -> tuple[HeadHash, bytes] | None:
        answer = self._connection.ask("GET", path)
        if answer.status_code == 404:
            return None
        if not answer.is_success:
            raise _refusal(self._connection.url, _problem(answer))
        found = _decoded(self._connection.url, answer, HeadAnswer)
        if found.head is None or found.signed is None or len(found.signed) != 2 * HEAD_BYTES:
            return None
        try:
            return HeadHash(found.head), bytes.fromhex(found.signed)
        except ValueError as error:
            raise StoreUnavailable(self._connection.url, "what it answered is not well-formed") from error


class HiveStore:
    """The objects of one volume at a Hive: a `Store`."""

    def __init__(self, connection: HiveConnection, volume: VolumeId) -> None:
        self._connection = connection
        self._path = f"/api/volumes/{volume}/objects"

    def put(self, name: str, data: bytes) -> None:
        """Store an object durably; see `Store.put`."""
        check_name(name)
        if len(data) > MAX_OBJECT_BYTES:
            raise ObjectRefused(f"{name} is {len(data)} bytes, and an object has at most {MAX_OBJECT_BYTES}")
        answer = self._connection.ask("PUT", f"{self._path}/{name}", content=data)
        if not answer.is_success:
            raise self._meaning(name, answer)

    def get(self, name: str) -> bytes:
        """Return a whole object; see `Store.get`."""
        answer = self._connection.ask("GET", f"{self._path}/{check_name(name)}")
        if not answer.is_success:
            raise self._meaning(name, answer)
        return answer.content

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        """Return part of an object; see `Store.get_range`."""
        wanted = {"Range": f"bytes={offset}-{offset + length - 1}"}
        answer = self._connection.ask("GET", f"{self._path}/{check_name(name)}", headers=wanted)
        if not answer.is_success:
            raise self._meaning(name, answer)
        found = answer.content if answer.status_code == 206 else answer.content[offset : offset + length]
        if len(found) != length:
            raise ObjectDamaged(name, f"it ends {length - len(found)} bytes before the end of the range that was asked")
        return found

    def delete(self, name: str) -> None:
        """Delete an object; see `Store.delete`. The Hive takes it only from who holds the lease."""
        answer = self._connection.ask("DELETE", f"{self._path}/{check_name(name)}")
        if not answer.is_success and answer.status_code != 404:
            raise self._meaning(name, answer)

    def list(self, prefix: str) -> Iterator[ObjectEntry]:
        """Yield objects sorted by name; see `Store.list`."""
        after: str | None = ""
        while after is not None:
            params: dict[str, str | int] = {"prefix": prefix, "after": after, "limit": _PAGE}
            answer = self._connection.ask("GET", self._path, params=params)
            if not answer.is_success:
                raise self._meaning(prefix, answer)
            page = _decoded(self._connection.url, answer, ObjectList)
            yield from page.objects
            after = page.next

    def _meaning(self, name: str, answer: "httpx2.Response") -> MosaicError:
        if answer.status_code == 416:
            return ObjectDamaged(name, "it ends before the range that was asked")
        if answer.status_code == _FULL_STATUS:
            return StoreFull(self._connection.url)
        problem = _problem(answer)
        match problem.code:
            case "object-exists":
                return ObjectExists(name)
            case "object-missing" | "not-found":
                return ObjectMissing(name)
            case "object-damaged" | "range-unsatisfiable":
                return ObjectDamaged(name, problem.detail)
            case "fenced":
                return WriterFenced(problem.detail)
            case "store-full":
                return StoreFull(self._connection.url)
            case _:
                return _refusal(self._connection.url, problem)


def _decoded(url: str, answer: "httpx2.Response", kind: type[T]) -> T:
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except msgspec.MsgspecError as error:
        # Something in between answered in the Hive's place, or cut its answer short.
        raise StoreUnavailable(url, "what it answered is not well-formed") from error


def _problem(answer: "httpx2.Response") -> Problem:
    try:
        return msgspec.json.decode(answer.content, type=Problem)
    except msgspec.MsgspecError:
        # Something in between answered, a proxy for instance.
        known = {404: "not-found", 409: "conflict"}
        code = known.get(answer.status_code, "refused")
        return Problem(f"/errors/{code}", code, answer.status_code, f"it answered {answer.status_code}", code, "")


def _refusal(url: str, problem: Problem) -> MosaicError:
    return ObjectRefused(f"the Hive at {url} refused: {problem.detail} ({problem.code})")
