"""A gateway and a link as they are run, in places of their own: a visitor elsewhere, and a home behind its router.

Beside them is the anchor: the same app behind a Caddy of its own, on the internet
itself, as its owner would have it without a link.
"""

import http.client
import os
import shutil
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from link_bench.group import Hive, Link, new_link
from link_bench.visiting import Visits, visit

from mosaic.adapters.process import Child
from mosaic.adapters.sql.engine import open_sqlite
from mosaic.adapters.sql.gateway import hives
from mosaic.crypto import ca, signing
from support.netns.home_router import HomeRouter
from support.netns.hub import Hub, internet
from support.netns.place import Place

NAME = "app.example.net"
HOST = "gw.example.org"
GATEWAY, VISITOR, PLAIN = "198.18.0.10", "198.18.0.20", "198.18.0.30"
APP_PORT, ECHO_PORT = 8000, 8001
BIG_BYTES = 1 << 30
API_PORT = 8940
_PATIENCE_SECONDS = 120.0
_LOOK_SECONDS = 0.02
_SOON_SECONDS = 1.0

_LINK = """
import os, sys
from pathlib import Path
from mosaic.link import serve
serve.serve(dict(os.environ), run_folder=Path(sys.argv[1]) / "run", storage=Path(sys.argv[1]) / "data")
"""
_APP = f"""
{{
    admin off
}}
http://:{APP_PORT} {{
    bind 127.0.0.1
    root * {{$APP_FOLDER}}
    respond /small "ok"
    reverse_proxy /echo 127.0.0.1:{ECHO_PORT}
    file_server
}}
"""
_SITE = f"""
{{
    admin off
    skip_install_trust
    auto_https disable_redirects
}}
{NAME} {{
    tls internal
    reverse_proxy 127.0.0.1:{APP_PORT}
}}
"""


@dataclass
class Joined:
    """All places and what runs there. `gateway_words` are further options of the gateway."""

    folder: Path
    hub: Hub
    router: HomeRouter
    gateway: Place
    home: Place
    visitor: Place
    plain: Place
    hive: Hive = field(default_factory=lambda: Hive(f"https://{GATEWAY}:{API_PORT}"))
    link: Link = field(default_factory=lambda: new_link(NAME))

    @property
    def state(self) -> Path:
        """Where the gateway keeps everything."""
        return self.folder / "state"

    def start_gateway(self, *words: str) -> Child:
        """Start it, and return when it answers."""
        log = f"gateway-{time.time_ns()}.log"
        listen, certificate = f"{GATEWAY}:{API_PORT}", self.folder / "gateway.pem"
        own = ("--state", str(self.state), "--name", "one", "--public-host", HOST, "--listen", listen)
        tls = ("--cert", str(certificate), "--key", str(certificate.with_suffix(".key")))
        serve = (sys.executable, "-m", "mosaic.cli.main", "gateway", "serve", *own, *tls, *words)
        child = self.gateway.start(*serve, log=log, env=_environment())
        file = self.gateway.folder / log
        until(lambda: '"gateway_started"' in file.read_text() or child.poll() is not None, file.read_text)
        if child.poll() is not None:
            raise SystemExit(f"the gateway ended: {file.read_text()[-2000:]}")
        return child

    def start_link(self, **told: str) -> Child:
        """Start the link's program, with new keys and no certificate yet."""
        own = self.folder / f"link-{time.time_ns()}"
        own.mkdir()
        environment = {
            "LINK": NAME, "TOKEN": f"lk_{self.link.id}_{self.link.secret}", "EXPOSE": f"127.0.0.1:{APP_PORT}",
            "FRACTAL_API": f"https://{HOST}:{API_PORT}", "LINK_GATEWAY_CA": str(self.folder / "root.pem"),
            "LINK_TLS": "internal", "LINK_EPOCH": "1.1", **_environment(), **told,
        }  # fmt: skip
        words = (sys.executable, "-W", "ignore", "-c", _LINK, str(own))
        return self.home.start(*words, log=f"{own.name}.log", env=environment)

    def allow_and_push(self) -> None:
        """Let the Hive have the name routed."""
        with closing(open_sqlite(self.state / "gateway.db")) as database, database.write() as tx:
            hives.allow(tx, signing.public_key(self.hive.seed), ["example.net"], vouches=True, now_ns=time.time_ns())
        self.gateway.do(lambda: self.hive.push(self.link))

    def is_reached(self) -> bool:
        """Whether a visitor is answered by the app."""
        return self.visitor.do(lambda: _asked(GATEWAY, seconds=_SOON_SECONDS) == b"ok")

    def wait_until_reached(self) -> None:
        """Return when it is."""
        until(self.is_reached, self.logs)

    def logs(self) -> str:
        """Return the last words of whatever runs."""
        files = [*self.home.folder.glob("*.log"), *self.gateway.folder.glob("gateway-*.log")]
        return "\n".join(f"{file.name}: {file.read_text()[-1500:]}" for file in files)

    def download(self, address: str) -> float:
        """Return how many megabytes a second a visitor gets of a large file, by curl."""
        said = self.visitor.run(
            "curl", "--silent", "--show-error", "--insecure", "--resolve", f"{NAME}:443:{address}",
            "--output", "/dev/null", "--write-out", "%{size_download} %{time_total} %{time_starttransfer}",
            f"https://{NAME}/big",
        ).split()  # fmt: skip
        if int(said[0]) != BIG_BYTES:
            raise SystemExit(f"a download of {BIG_BYTES} bytes had {said[0]}")
        return BIG_BYTES / (float(said[1]) - float(said[2])) / 1e6

    def visits(self, address: str, *, seconds: float, keeps: bool = False) -> Visits:
        """Return what 16 visitors at once met: each comes anew for each request, or keeps his connection."""
        return self.visitor.do(lambda: visit(address, NAME, _CONTEXT, seconds=seconds, keeps=keeps))


def until(condition: Callable[[], object], seen: Callable[[], str]) -> None:
    """Return as soon as the condition holds, or end with what is seen."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"it did not come to pass in {_PATIENCE_SECONDS:.0f} s:\n{seen()}")
        time.sleep(_LOOK_SECONDS)


@contextmanager
def joined(folder: Path) -> Iterator[Joined]:
    """Yield all places, wired, with the app at home and the anchor; gateway and link are not started."""
    with ExitStack() as stack:

        def closed(place: Place) -> Place:
            stack.callback(place.close)
            return place

        hub = internet(folder)
        closed(hub)
        router = HomeRouter("router", folder, hub)
        closed(router)
        gateway, home, visitor, plain = (
            closed(Place(name, folder)) for name in ("gateway", "home", "visitor", "plain")
        )
        router.join(home)
        for place, address in ((gateway, GATEWAY), (visitor, VISITOR), (plain, PLAIN)):
            hub.join(place, address)
        home.knows({HOST: GATEWAY})
        _write_files(folder)
        for place in (home, plain):
            stack.callback(_start_caddy(place, folder, "app").stop, 10)
        stack.callback(_start_caddy(plain, folder, "site").stop, 10)
        made = Joined(folder, hub, router, gateway, home, visitor, plain)
        until(lambda: visitor.do(lambda: _asked(PLAIN) == b"ok"), lambda: (plain.folder / "site.log").read_text())
        yield made


def _write_files(folder: Path) -> None:
    now = datetime.now(UTC)
    maker = ca.make_ca("a benchmark's own", now)
    own = ca.issue(maker, [HOST, GATEWAY], now)
    (folder / "root.pem").write_text(maker.certificate_pem)
    (folder / "gateway.pem").write_text(own.certificate_pem)
    (folder / "gateway.key").write_text(own.key_pem)
    (folder / "app").write_text(_APP)
    (folder / "site").write_text(_SITE)
    (folder / "files").mkdir()
    with (folder / "files" / "big").open("wb") as big:
        big.truncate(BIG_BYTES)


def _start_caddy(place: Place, folder: Path, file: str) -> Child:
    env = {"APP_FOLDER": str(folder / "files"), "XDG_DATA_HOME": str(place.folder), "HOME": str(place.folder)}
    caddy = shutil.which("caddy") or "caddy"
    words = (caddy, "run", "--adapter", "caddyfile", "--config", str(folder / file))
    return place.start(*words, log=f"{file}.log", env=env)


def _environment() -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def secured(address: str, seconds: float) -> ssl.SSLSocket:
    """Connect as a visitor who believes any certificate. Raises OSError."""
    plain = socket.create_connection((address, 443), seconds)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        return _CONTEXT.wrap_socket(plain, server_hostname=NAME)
    except BaseException:  # raised again; nobody else has it yet
        plain.close()
        raise


def _no_trust() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


_CONTEXT = _no_trust()


def _asked(address: str, *, seconds: float = 10) -> bytes:
    """Return the body of a small answer on a connection of its own; nothing where there is none."""
    try:
        with secured(address, seconds) as line:
            return _ask(line)
    except (OSError, http.client.HTTPException):
        return b""


def _ask(line: ssl.SSLSocket) -> bytes:
    line.sendall(f"GET /small HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
    answer = b""
    while not answer.endswith(b"ok"):
        piece = line.recv(65536)
        if not piece:
            return b""
        answer += piece
    return b"ok" if answer.startswith(b"HTTP/1.1 200") else b""
