"""Routers and the tunnel of TCP mode between visitors and links that have no TLS."""

import os
import statistics
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from link_bench import between, stub
from results.line import report
from running.processes import cpu_seconds

from mosaic.core.link_routes import TLS_PORT
from support.haproxies import haproxy
from support.hellos import real_hello

_ANSWERS, _POURS, _ANSWERS_TUNNELLED, _POURS_TUNNELLED = (f"127.64.9.{number}" for number in range(1, 5))
_NAMES = {
    "answers.example.net": _ANSWERS,
    "pours.example.net": _POURS,
    "answers-by-tunnel.example.net": _ANSWERS_TUNNELLED,
    "pours-by-tunnel.example.net": _POURS_TUNNELLED,
}


@dataclass(frozen=True)
class Way:
    """How visitors come: where, by which names, and which processes of ours lie between."""

    answers: tuple[str, int]
    pours: tuple[str, int]
    names: tuple[str, str]
    pids: list[int]


def measure(_folder: Path, *, quick: bool) -> None:
    """Print the lines of routers and of TCP mode."""
    rounds, seconds = (3, 1.5) if quick else (5, 3.0)
    visits: dict[str, list[stub.Visited]] = defaultdict(list)
    bulk: dict[str, list[float]] = defaultdict(list)
    spent: dict[str, list[float]] = defaultdict(list)
    with ExitStack() as stack:
        ways = _ways(stack)
        for turn in range(rounds):
            for name, way in ways.items() if turn % 2 else reversed(ways.items()):
                before = sum(map(cpu_seconds, way.pids))
                seen = stub.visit(way.answers, real_hello(way.names[0]), seconds=seconds)
                spent[name].append((sum(map(cpu_seconds, way.pids)) - before) / (seen.per_second * seconds) * 1e6)
                visits[name].append(seen)
                bulk[name].append(stub.download(way.pours, real_hello(way.names[1]), seconds=seconds))
    megabytes = {name: statistics.median(all_of) for name, all_of in bulk.items()}
    a_second = {name: statistics.median(one.per_second for one in all_of) for name, all_of in visits.items()}
    report("link router bulk, in Python", megabytes["splice"], "MB/s", goal="ratio>=0.8", anchor="HAProxy",
           anchor_value=megabytes["haproxy"])  # fmt: skip
    report("link new connections, router in Python", a_second["splice"], "1/s", goal="ratio>=0.6", anchor="HAProxy",
           anchor_value=a_second["haproxy"])  # fmt: skip
    for name, said in (("splice", "router in Python"), ("haproxy", "HAProxy")):
        # Without TLS a link answers so quickly that whatever lies between is most of it.
        report(f"link new connections against none between, {said}", a_second[name], "1/s", goal=None,
               anchor="no router", anchor_value=a_second["direct"])  # fmt: skip
        report(f"link processor time of a new connection, {said}", statistics.median(spent[name]), "us", goal=None)
    report("link TCP mode behind the router in Python, bulk", megabytes["tunnel"], "MB/s", goal=None,
           anchor="the router alone", anchor_value=megabytes["splice"])  # fmt: skip
    report("link TCP mode behind the router in Python, new connections", a_second["tunnel"], "1/s", goal=None,
           anchor="the router alone", anchor_value=a_second["splice"])  # fmt: skip
    report("link processor time of a new connection, TCP mode, all processes", statistics.median(spent["tunnel"]), "us",
           goal=None)  # fmt: skip
    report("link connections that failed", sum(one.failed for all_of in visits.values() for one in all_of), "1",
           goal="value<=0")  # fmt: skip


def _ways(stack: ExitStack) -> dict[str, Way]:
    key = os.urandom(32)

    def apart(*words: object) -> stub.Helper:
        return stack.enter_context(stub.apart(*words))

    apart(stub.answering, _ANSWERS, TLS_PORT)
    apart(stub.pouring, _POURS, TLS_PORT)
    splice = apart(between.splice_router, _NAMES)
    server = apart(between.tunnel_server, {"answers": _ANSWERS_TUNNELLED, "pours": _POURS_TUNNELLED}, key)
    clients = [
        apart(between.tunnel_client, server.said[1], name, key, (address, TLS_PORT))
        for name, address in (("answers", _ANSWERS), ("pours", _POURS))
    ]
    proxy = stack.enter_context(haproxy())
    proxy.router.put(between.routes_to(_NAMES))
    names = ("answers.example.net", "pours.example.net")
    tunnelled = ("answers-by-tunnel.example.net", "pours-by-tunnel.example.net")
    in_tunnel = [splice.pid, server.pid, *(client.pid for client in clients)]
    return {
        "direct": Way((_ANSWERS, TLS_PORT), (_POURS, TLS_PORT), names, []),
        "splice": Way(splice.said, splice.said, names, [splice.pid]),
        "haproxy": Way(proxy.tls, proxy.tls, names, [proxy.pid()]),
        "tunnel": Way(splice.said, splice.said, tunnelled, in_tunnel),
    }
