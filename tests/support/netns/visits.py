"""What visitors do a lot of: bytes by the gigabyte, checked by hash, and WebSockets that stay open idle."""

import hashlib
import http.client
import ssl
from collections.abc import Callable
from contextlib import ExitStack

from support.netns.large_app import BLOCK_BYTES, blocks, hash_of
from support.netns.place import Place
from support.netns.whole_world import PATIENCE_SECONDS, WholeWorld, echoes

SOCKETS_OF_ONE_SOURCE = 200
"""A gateway lets one source have some hundreds at once: more come from other places."""


def downloads(world: WholeWorld, name: str, size: int) -> bool:
    """Whether so many bytes come whole from the app to a visitor."""
    with world.line(name) as line:
        answer = _on(line, name, "GET", f"/bytes/{size}")
        found = hashlib.sha256()
        while piece := answer.read(BLOCK_BYTES):
            found.update(piece)
    return found.hexdigest() == hash_of(size)


def uploads(world: WholeWorld, name: str, size: int) -> bool:
    """Whether so many bytes come whole from a visitor to the app."""
    with world.line(name) as line:
        return _on(line, name, "POST", "/hash", size).read().decode() == hash_of(size)


def stay_idle(world: WholeWorld, name: str, count: int, wait: Callable[[], object]) -> int:
    """Open so many WebSockets, leave them alone while `wait` runs, and return how many still echo."""
    with ExitStack() as opened:
        sources = [world.visitor]
        lines = []
        for number in range(count):
            if number and number % SOCKETS_OF_ONE_SOURCE == 0:
                sources.append(_another_visitor(world, len(sources), opened))
            lines.append(opened.enter_context(world.web_socket(name, visitor=sources[-1])))
        wait()
        return sum(_echoes(line, b"still %d" % number) for number, line in enumerate(lines))


def _another_visitor(world: WholeWorld, number: int, opened: ExitStack) -> Place:
    place = Place(f"visitor-{number}-{id(opened):x}", world.folder)
    opened.callback(place.close)
    world.network.internet.join(place)
    return place


def _echoes(line: ssl.SSLSocket, said: bytes) -> bool:
    try:
        return echoes(line, said)
    except OSError:
        return False


def _on(line: ssl.SSLSocket, name: str, method: str, path: str, size: int = 0) -> http.client.HTTPResponse:
    connection = http.client.HTTPSConnection(name, timeout=PATIENCE_SECONDS)
    connection.sock = line
    body = blocks(size) if size else None
    connection.request(method, path, body, {"Host": name, **({"Content-Length": str(size)} if size else {})})
    return connection.getresponse()
