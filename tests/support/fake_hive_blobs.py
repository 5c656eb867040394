"""A Hive's blob and head endpoints in memory, spoken to over real HTTP on loopback.

It keeps the promises of `mosaic.wire.blobs`: immutable objects, heads by
compare-and-swap, and a lease per volume that fences every other epoch and
session. A test grants leases, and asks it to be down or to lose replies.
`wishes` has the wish that came with each accepted head, empty for none.
"""

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import msgspec

from mosaic.core.epoch import Epoch
from mosaic.crypto import signing
from mosaic.crypto.hashing import head_hash
from mosaic.storage.engine.heads import head_name
from mosaic.wire import head as wire
from mosaic.wire.blobs import (
    HeadAccepted,
    HeadAnswer,
    ObjectEntry,
    ObjectList,
    ReadLease,
    ReadLeased,
    Retain,
    Retained,
)
from mosaic.wire.problem import Problem
from support.unshared import free_port

_ROUTE = re.compile(r"/api/volumes/([0-9a-f]{64})/(objects|heads|retained|read-leases)(?:/([^/]+))?")


@dataclass
class FakeVolume:
    """One volume: its lease, its objects and its chain of heads, oldest first."""

    epoch: Epoch | None = None
    token: str | None = None
    objects: dict[str, bytes] = field(default_factory=dict)
    heads: list[bytes] = field(default_factory=list)
    keeps: int = 1000
    let_go: set[str] = field(default_factory=set)
    leases: dict[str, tuple[str, int]] = field(default_factory=dict)

    @property
    def newest(self) -> str | None:
        return head_hash(self.heads[-1]) if self.heads else None


@dataclass
class Answer:
    """`length` is what is said of the body when that is not so."""

    status: int
    body: bytes = b""
    length: int | None = None


class FakeHive:
    """The simulator. `requests` lists (method, path) of everything that was asked.

    `spoil` is given each answer with its method and path, after what was asked is done, and returns what is sent
    instead; None sends nothing and ends the connection.
    """

    def __init__(self) -> None:
        self.volumes: dict[str, FakeVolume] = {}
        self.tokens = {"token-a", "token-b"}
        self.wishes: list[str] = []
        self.requests: list[tuple[str, str]] = []
        self.is_down = False
        self.objects_are_fenced = False
        self.replies_to_lose = 0
        self.spoil: Callable[[str, str, Answer], Answer | None] = lambda method, path, answer: answer
        self.lock = threading.RLock()
        self.may_commit = threading.Event()
        self.may_commit.set()
        self.may_read = threading.Event()
        self.may_read.set()
        self._server: ThreadingHTTPServer | None = None
        self._address = ("127.0.0.1", free_port())  # it is stopped, and comes back there

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._address[1]}"

    def volume(self, volume: str) -> FakeVolume:
        with self.lock:
            return self.volumes.setdefault(volume, FakeVolume())

    def grant(self, volume: str, token: str) -> tuple[str, str | None]:
        """Give the next epoch to a session. Returns the epoch and the head that the grant froze."""
        with self.lock:
            found = self.volume(volume)
            found.epoch = found.epoch.next() if found.epoch else Epoch(1, 1)
            found.token = token
            return str(found.epoch), found.newest

    def newest(self, volume: str) -> wire.Head | None:
        """Return what the newest head says."""
        with self.lock:
            heads = self.volume(volume).heads
            return wire.parse(heads[-1])[0] if heads else None

    def is_mirrored(self, volume: str) -> bool:
        """Whether the newest head lies among the objects too: it is put there after it was acknowledged."""
        with self.lock:
            found = self.volume(volume)
            newest = self.newest(volume)
            return newest is not None and head_name(newest.seq, head_hash(found.heads[-1])) in found.objects

    def newest_head(self, volume: str) -> str:
        """Return the hash of the newest head; there must be one."""
        found = self.volume(volume).newest
        assert found is not None
        return found

    def count(self, method: str, part: str) -> int:
        """Count the requests of a method whose path contains `part`."""
        with self.lock:
            return sum(1 for seen, path in self.requests if seen == method and part in path)

    @contextlib.contextmanager
    def running(self) -> Iterator["FakeHive"]:
        """Serve until the block ends."""
        self._server = _Server(self._address, _handler(self))
        self._server.daemon_threads = True
        self._address = ("127.0.0.1", self._server.server_address[1])
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join(60)

    def answer(self, method: str, target: str, token: str, body: bytes, byte_range: str | None) -> Answer:
        parts = urlsplit(target)
        with self.lock:
            self.requests.append((method, parts.path))
            if self.is_down:
                return Answer(503)
            if token not in self.tokens:
                return _problem(401, "session-over")
        found = _ROUTE.fullmatch(parts.path)
        if found is None:
            return _problem(404, "not-found")
        volume, kind, name = self.volume(found[1]), found[2], found[3]
        may_go_on = {("heads", "POST"): self.may_commit, ("objects", "GET"): self.may_read}.get((kind, method))
        if may_go_on is not None:
            may_go_on.wait(60)
        with self.lock:
            if kind == "retained":
                return _retain(volume, body, token)
            if kind == "read-leases":
                return _lease(volume, body)
            if kind == "heads":
                known = len(volume.heads)
                answer = _heads(volume, found[1], method, name, body, token)
                if len(volume.heads) > known:
                    self.wishes += parse_qs(parts.query).get("wish", [""])
                return answer
            return self._objects(volume, method, name, body, token, (parts.query, byte_range))

    def _objects(
        self,
        volume: FakeVolume,
        method: str,
        name: str | None,
        body: bytes,
        token: str,
        asked: tuple[str, str | None],
    ) -> Answer:
        query, byte_range = asked
        match (method, name):
            case ("PUT", str()):
                is_fenced = self.objects_are_fenced and token != volume.token
                return _problem(409, "fenced") if is_fenced else _put(volume, name, body)
            case ("DELETE", str()):
                if volume.token not in (None, token):
                    return _problem(409, "fenced")
                volume.objects.pop(name, None)
                return Answer(204)
            case ("GET", str()):
                return _get(volume, name, byte_range)
            case ("GET", None):
                return _list(volume, {key: values[0] for key, values in parse_qs(query).items()})
            case _:
                return _problem(405, "refused")

    def loses_this_reply(self) -> bool:
        with self.lock:
            lost = self.replies_to_lose > 0
            self.replies_to_lose -= lost
            return lost


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing: whoever asked was killed."""


def _put(volume: FakeVolume, name: str, body: bytes) -> Answer:
    there = volume.objects.setdefault(name, body)
    return Answer(201) if there is body else Answer(200) if there == body else _problem(409, "object-exists")


def _get(volume: FakeVolume, name: str, byte_range: str | None) -> Answer:
    if name not in volume.objects:
        return _problem(404, "object-missing")
    whole = volume.objects[name]
    if byte_range is None:
        return Answer(200, whole)
    first, last = (int(number) for number in byte_range.removeprefix("bytes=").split("-"))
    return Answer(206, whole[first : last + 1]) if first < len(whole) else _problem(416, "range")


def _list(volume: FakeVolume, query: dict[str, str]) -> Answer:
    limit = int(query.get("limit", "1000"))
    names = sorted(
        name for name in volume.objects if name.startswith(query.get("prefix", "")) and name > query.get("after", "")
    )
    page = [ObjectEntry(name, len(volume.objects[name])) for name in names[:limit]]
    return _json(200, ObjectList(page, page[-1].name if len(names) > limit else None))


def _commit(volume: FakeVolume, name: str, signed: bytes, token: str) -> Answer:
    head, signature = wire.parse(signed)
    if not signing.verify(name, wire.CONTEXT, signed[: wire.BODY_BYTES], signature) or head.volume != name:
        return _problem(400, "head-forged")
    if volume.newest == head_hash(signed):
        return _json(200, HeadAccepted(head_hash(signed)))
    if head.epoch != volume.epoch or token != volume.token:
        return _problem(409, "fenced")
    if head.previous != volume.newest:
        return _problem(409, "head-stale")
    volume.heads.append(signed)
    return _json(200, HeadAccepted(head_hash(signed)))


def _heads(volume: FakeVolume, volume_name: str, method: str, name: str | None, body: bytes, token: str) -> Answer:
    match (method, name):
        case ("POST", None):
            return _commit(volume, volume_name, body, token)
        case ("GET", str()):
            return _head(volume, name)
        case _:
            return _problem(405, "refused")


def _retain(volume: FakeVolume, body: bytes, token: str) -> Answer:
    asked = msgspec.json.decode(body, type=Retain)
    if token != volume.token or asked.epoch != str(volume.epoch):
        return _problem(409, "fenced")
    stays = {volume.newest, *(head for head, _ in volume.leases.values())}
    for signed in volume.heads[: -volume.keeps]:
        if head_hash(signed) not in stays:
            volume.let_go.add(head_hash(signed))
    kept = [signed.hex() for signed in reversed(volume.heads) if head_hash(signed) not in volume.let_go]
    oldest = min((since for _, since in volume.leases.values()), default=None)
    return _json(200, Retained(kept, [head for head in asked.mirrored if head in volume.let_go], oldest))


def _lease(volume: FakeVolume, body: bytes) -> Answer:
    asked = msgspec.json.decode(body, type=ReadLease)
    if asked.head in volume.let_go or asked.head not in {str(head_hash(signed)) for signed in volume.heads}:
        return _problem(404, "head-unknown")
    volume.leases.setdefault(asked.id, (asked.head, len(volume.heads)))
    if asked.done:
        del volume.leases[asked.id]
    return _json(200, ReadLeased(0))


def _head(volume: FakeVolume, name: str) -> Answer:
    if name == "newest":
        return _json(200, HeadAnswer(volume.newest, volume.heads[-1].hex() if volume.heads else None))
    found = [signed for signed in volume.heads if head_hash(signed) == name]
    return _json(200, HeadAnswer(name, found[0].hex())) if found else _problem(404, "not-found")


def _json(status: int, body: msgspec.Struct) -> Answer:
    return Answer(status, msgspec.json.encode(body))


def _problem(status: int, code: str) -> Answer:
    return _json(status, Problem(f"/errors/{code}", code, status, f"it is {code}", code, "look again"))


def _handler(hive: FakeHive) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            body = self.rfile.read(length)
            if len(body) < length:
                # Who sent it was killed; a Hive stores no half of an object.
                self.close_connection = True
                return
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            answer = hive.answer(self.command, self.path, token, body, self.headers.get("Range"))
            spoilt = hive.spoil(self.command, urlsplit(self.path).path, answer)
            if spoilt is None or (self.command != "GET" and hive.loses_this_reply()):
                self.close_connection = True
                return
            answer = spoilt
            with contextlib.suppress(OSError):
                self.send_response(answer.status)
                self.send_header("Content-Length", str(answer.length or len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)
                self.close_connection |= answer.length is not None

        do_GET = do_PUT = do_POST = do_DELETE = _serve

        def log_message(self, format: str, *args: object) -> None:
            return

    return Handler
