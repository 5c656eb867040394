#!/usr/bin/env python3
"""What links and gateways cost, against what is reached without them.

routers   A stub of TLS (a real ClientHello, then bytes) through the router in
          Python and through HAProxy: bulk and new connections against HAProxy, and
          against no router at all. The tunnel of TCP mode behind the router, the same.
many      `mosaic gateway serve` with 10,000 links that are registered by WireGuard:
          how long it takes to be there again, and a Hive's pushes to it: a name added, one
          put in the place of another, one removed. Pushes go on for longer than the half
          minute after which a gateway compares everything.
path      A visitor, a gateway, a home behind its router and the app there, each in a
          network namespace of its own: `mosaic gateway serve` and the link's program as
          they are. Against the same app behind a Caddy of its own on the same internet.
outages   WireGuard of the gateway killed; the home's address changed under an open
          WebSocket; a fresh link with a certificate of Pebble's.
revoking  A link removed, its token revoked or at its end, at one of two gateways over one
          PostgreSQL: until what is open is cut at the other, and nobody new is let in.

All sides run on this machine's processors, also the visitors, so the ratios count and
not the figures; sides alternate and medians are told. Needs root, network namespaces, HAProxy,
Caddy, wireguard-go, curl, Pebble and PostgreSQL. Leaves nothing.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
# For the processes that it starts of itself, too.
os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)

from link_bench import many, outages, path, revoking, routers

from support import postgres
from support.netns.namespaces import lacks

_PROGRAMS = ("caddy", "curl", "pebble", "pebble-challtestsrv", "haproxy")
PARTS: dict[str, Callable[..., None]] = {
    "routers": routers.measure,
    "many": many.measure,
    "path": path.measure,
    "outages": outages.measure,
    "revoking": revoking.measure,
}


def main() -> None:
    """Measure what is asked for, or everything, and print one JSON object a line."""
    parser = argparse.ArgumentParser(description="What links and gateways cost.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; everything if none is named")
    parser.add_argument("--quick", action="store_true", help="medians of 3 instead of 5, and shorter looks")
    words = parser.parse_args()
    if unknown := set(words.parts) - PARTS.keys():
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    missing = lacks() or _missing() or postgres.lacks()
    if missing:
        sys.exit(f"link: this cannot be measured here: {missing}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    for part in words.parts or PARTS:
        folder = Path(tempfile.mkdtemp(prefix="mosaic-bench-"))
        try:
            PARTS[part](folder, quick=words.quick)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _missing() -> str | None:
    found = f"{os.environ['PATH']}:/usr/sbin"
    return next((f"{one} is not installed" for one in _PROGRAMS if not shutil.which(one, path=found)), None)


if __name__ == "__main__":
    main()
