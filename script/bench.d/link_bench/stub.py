"""Visitors and links without TLS, so that what lies between them is measured and not TLS: a real hello, then bytes.

Each side is a process of its own with one thread and epoll, because two cores are shared by all.
"""

import contextlib
import multiprocessing
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

ANSWER = b"x" * 200
PIECE = bytes(256 * 1024)
_PATIENCE_SECONDS = 60
_RESET = struct.pack("ii", 1, 0)
_BACKLOG = 4096


@dataclass(frozen=True)
class Visited:
    """What visitors met who came one after the other."""

    per_second: float
    p50_ms: float
    p99_ms: float
    failed: int


@dataclass(frozen=True)
class Helper:
    """A process of ours, which was told where it is by what it sent first."""

    pid: int
    said: object


@contextlib.contextmanager
def apart(work: Callable[..., None], *words: object) -> Iterator[Helper]:
    """Run some work in a process of its own while the block runs. It sends one thing when it is ready."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    child: BaseProcess = spawn.Process(target=work, args=(theirs, *words), daemon=True)
    child.start()
    theirs.close()
    try:
        if not ours.poll(_PATIENCE_SECONDS):
            raise SystemExit(f"{work.__name__} does not come up")
        yield Helper(child.pid or 0, ours.recv())
    finally:
        child.kill()
        child.join(_PATIENCE_SECONDS)


def answering(ready: Connection, address: str, port: int) -> None:
    """Be a link: say a few bytes to whoever says something, once; he closes."""
    door = socket.create_server((address, port), backlog=_BACKLOG)
    door.setblocking(False)
    epoll = select.epoll()
    epoll.register(door, select.EPOLLIN)
    there: dict[int, socket.socket] = {}
    ready.send(address)
    while True:
        for number, _ in epoll.poll():
            if number == door.fileno():
                with contextlib.suppress(BlockingIOError):
                    while True:
                        come, _ = door.accept()
                        there[come.fileno()] = come
                        epoll.register(come, select.EPOLLIN)
                continue
            come = there[number]
            try:
                said = come.recv(65536)
                if said:
                    come.send(ANSWER)
                    continue
            except OSError:
                pass
            epoll.unregister(come)
            del there[number]
            come.close()


def pouring(ready: Connection, address: str, port: int) -> None:
    """Be a link that sends without end to whoever says something, one process for each."""
    door = socket.create_server((address, port), backlog=_BACKLOG)
    ready.send(address)
    while True:
        come, _ = door.accept()
        if os.fork():
            come.close()
            continue
        come.recv(65536)
        with contextlib.suppress(OSError):
            while True:
                come.sendall(PIECE)
        os._exit(0)


def visit(door: tuple[str, int], hello: bytes, *, seconds: float, at_once: int = 16) -> Visited:
    """Come, say hello, hear the answer and go, so many at once, each as a new connection."""
    epoll = select.epoll()
    there: dict[int, tuple[socket.socket, float]] = {}
    took: list[float] = []
    failed = 0

    def come() -> None:
        visitor = socket.socket()
        visitor.setblocking(False)
        visitor.connect_ex(door)
        there[visitor.fileno()] = visitor, time.perf_counter()
        epoll.register(visitor, select.EPOLLOUT)

    began = time.perf_counter()
    for _ in range(at_once):
        come()
    while time.perf_counter() - began < seconds:
        for number, event in epoll.poll(1):
            visitor, since = there[number]
            if event & select.EPOLLOUT and not event & (select.EPOLLERR | select.EPOLLHUP):
                visitor.send(hello)
                epoll.modify(visitor, select.EPOLLIN)
                continue
            said = b""
            with contextlib.suppress(OSError):
                said = visitor.recv(65536)
            if said:
                took.append(time.perf_counter() - since)
            else:
                failed += 1
            epoll.unregister(visitor)
            del there[number]
            visitor.close()
            come()
    length = time.perf_counter() - began
    for visitor, _ in there.values():
        visitor.close()
    took.sort()
    if not took:
        return Visited(0, 0, 0, failed)
    return Visited(
        len(took) / length, took[len(took) // 2] * 1e3, took[min(len(took) - 1, len(took) * 99 // 100)] * 1e3, failed
    )


def download(door: tuple[str, int], hello: bytes, *, seconds: float, streams: int = 1) -> float:
    """Return how many megabytes a second come, on so many connections together."""
    epoll = select.epoll()
    there = {}
    for _ in range(streams):
        visitor = socket.create_connection(door, _PATIENCE_SECONDS)
        visitor.sendall(hello)
        there[visitor.fileno()] = visitor
        epoll.register(visitor, select.EPOLLIN)
    taken, buffer = 0, bytearray(1 << 20)
    for visitor in there.values():
        taken += visitor.recv_into(buffer)
    began, taken = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        for number, _ in epoll.poll(1):
            got = there[number].recv_into(buffer)
            if not got:
                raise SystemExit("a download ended before its time")
            taken += got
    length = time.perf_counter() - began
    for visitor in there.values():
        visitor.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        visitor.close()
    return taken / length / 1e6
