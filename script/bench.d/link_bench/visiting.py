"""Visitors of HTTPS, many at once in one thread: threads of Python would wait for one another, not for answers."""

import select
import socket
import ssl
import time
from dataclasses import dataclass

_GOOD = b"HTTP/1.1 200"
_END = b"ok"


@dataclass(frozen=True)
class Visits:
    """How many requests a second were answered, and after how long (milliseconds, sorted)."""

    per_second: float
    took_ms: list[float]

    @property
    def median_ms(self) -> float:
        """Return the median."""
        return self.took_ms[len(self.took_ms) // 2]


class _Visitor:
    """One connection at a time, each with one request, or one connection with one request after the other."""

    def __init__(self, crowd: "_Crowd") -> None:
        self._crowd = crowd
        self._asked = False
        self._answer = b""
        self._began = 0.0
        self._line: ssl.SSLSocket | None = None
        self._come()

    def advance(self) -> None:
        """Do what can be done now."""
        if self._line is None:
            # Only one that is connected can be secured.
            self._line = self._crowd.secured(self._plain)
        try:
            if not self._asked:
                self._line.do_handshake()
                self._line.send(self._crowd.request)
                self._asked = True
            while not self._answer.endswith(_END):
                piece = self._line.recv(65536)
                if not piece:
                    raise SystemExit(f"a visitor was left with {self._answer[:100]!r}")
                self._answer += piece
        except ssl.SSLWantReadError:
            self._crowd.wait(self, self._line, select.EPOLLIN)
            return
        except ssl.SSLWantWriteError:
            self._crowd.wait(self, self._line, select.EPOLLOUT)
            return
        if not self._answer.startswith(_GOOD):
            raise SystemExit(f"a visitor was answered {self._answer[:200]!r}")
        self._crowd.answered(time.perf_counter() - self._began)
        self._answer = b""
        if self._crowd.keeps:
            self._began = time.perf_counter()
            self._line.send(self._crowd.request)
            self._crowd.wait(self, self._line, select.EPOLLIN)
            return
        self.leave()
        self._asked = False
        self._come()

    def leave(self) -> None:
        """End the connection."""
        line = self._line or self._plain
        self._crowd.forget(line)
        line.close()
        self._line = None

    def _come(self) -> None:
        self._began = time.perf_counter()
        self._plain = socket.socket()
        self._plain.setblocking(False)
        self._plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._plain.connect_ex((self._crowd.address, 443))
        self._crowd.wait(self, self._plain, select.EPOLLOUT)


class _Crowd:
    """All visitors, and what they wait for."""

    def __init__(self, address: str, name: str, context: ssl.SSLContext, *, keeps: bool) -> None:
        self.address, self.name, self.context, self.keeps = address, name, context, keeps
        self.request = f"GET /small HTTP/1.1\r\nHost: {name}\r\n\r\n".encode()
        self._epoll = select.epoll()
        self._waiting: dict[int, _Visitor] = {}
        self._took: list[float] = []

    def visit(self, at_once: int, seconds: float) -> Visits:
        visitors = [_Visitor(self) for _ in range(at_once)]
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            for number, _ in self._epoll.poll(1):
                self._waiting[number].advance()
        length = time.perf_counter() - began
        for visitor in visitors:
            visitor.leave()
        self._epoll.close()
        return Visits(len(self._took) / length, sorted(took * 1e3 for took in self._took))

    def secured(self, plain: socket.socket) -> ssl.SSLSocket:
        return self.context.wrap_socket(plain, server_hostname=self.name, do_handshake_on_connect=False)

    def wait(self, visitor: _Visitor, line: socket.socket, events: int) -> None:
        number = line.fileno()
        if number in self._waiting:
            self._epoll.modify(number, events)
        else:
            self._epoll.register(number, events)
        self._waiting[number] = visitor

    def forget(self, line: socket.socket) -> None:
        number = line.fileno()
        if self._waiting.pop(number, None) is not None:
            self._epoll.unregister(number)

    def answered(self, seconds: float) -> None:
        self._took.append(seconds)


def visit(
    address: str, name: str, context: ssl.SSLContext, *, seconds: float, keeps: bool = False, at_once: int = 16
) -> Visits:
    """Come again and again, each time by a new connection, or (`keeps`) ask again and again on the same ones."""
    return _Crowd(address, name, context, keeps=keeps).visit(at_once, seconds)
