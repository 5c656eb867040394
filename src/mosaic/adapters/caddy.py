"""Caddy: the words that start it, the configuration that it is given, and its admin API on a UNIX socket.

Everything but `Caddy` is pure. Its own files go into the folder that it is
given, and it remembers nothing: whoever started it gives it its configuration.
"""

import contextlib
import html
import http.client
import re
import socket
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mosaic.adapters import unix_http
from mosaic.core import domain_name
from mosaic.core.errors import Refused, Unavailable

PROGRAM = "caddy"
FLOOR = (2, 7)
DEADLINE_SECONDS = 10.0
RETRY_SECONDS = 10
"""How soon somebody who met a closed entrance should come back."""

STREAM_CLOSE_DELAY = "24h"
"""How long a WebSocket goes on after the configuration that it came by."""

_LISTENS = "/config/apps/http/servers/{}/listen"

Json = dict[str, "JsonValue"]
JsonValue = str | int | bool | list["JsonValue"] | Json
_VERSION = re.compile(r"v?(\d+)\.(\d+)")


class _Line(msgspec.Struct):
    """One line of Caddy's log."""

    msg: str = ""
    error: str = ""


class _Server(msgspec.Struct):
    listen: list[str] = []


class _Http(msgspec.Struct):
    servers: dict[str, _Server] = {}


class _Apps(msgspec.Struct):
    http: _Http = msgspec.field(default_factory=_Http)


class _Kept(msgspec.Struct):
    """What is read of a configuration."""

    apps: _Apps = msgspec.field(default_factory=_Apps)


class CaddyTooOld(Refused):
    """The Caddy here is older than what the configuration is written for."""

    code = "caddy-too-old"

    def __init__(self, found: str) -> None:
        super().__init__(
            f"Caddy here is {found or 'of an unknown version'}, and {FLOOR[0]}.{FLOOR[1]} is needed",
            hint="`script/setup` installs a newer one; until then apps are reached by 127.0.0.1 and their port",
        )


class CaddySilent(Unavailable):
    """Caddy's admin socket does not answer."""

    code = "caddy-silent"

    def __init__(self, admin: Path, reason: str) -> None:
        super().__init__(
            f"Caddy at {admin} does not answer: {reason}",
            hint="whoever runs the Device starts it again by itself; its log says why it ended: `logs/front.log` in "
            "the state folder, `journalctl -u mosaic-front`, or `docker logs mosaic-front`",
        )


class CaddyRefused(Refused):
    """Caddy did not take its configuration. It goes on with the one before."""

    code = "caddy-refused"

    def __init__(self, sentence: str) -> None:
        super().__init__(f"Caddy refused its configuration: {sentence}", hint="is another program using the port?")


def version(binary: str) -> list[str]:
    """Print the version."""
    return [binary, "version"]


def check_version(printed: str) -> None:
    """Raise CaddyTooOld unless what `version` printed is new enough."""
    found = _VERSION.search(printed)
    if found is None or (int(found[1]), int(found[2])) < FLOOR:
        raise CaddyTooOld(printed.strip()[:40])


def run(binary: str, file: Path) -> list[str]:
    """Run in the foreground with a first configuration."""
    return [binary, "run", "--config", str(file)]


def run_with_parent(binary: str, file: Path) -> list[str]:
    """Run in the foreground, and end with the thread that started it."""
    return ["setpriv", "--pdeathsig", "TERM", "--", *run(binary, file)]


def environment(folder: Path) -> dict[str, str]:
    """Keep it small, and its files in `folder`."""
    own = {name: str(folder) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
    return {**own, "GOMEMLIMIT": "24MiB", "GOGC": "50", "GOMAXPROCS": "2"}


def front(admin: Path, port: int, upstreams: Mapping[str, int], closed: Collection[str] = ()) -> Json:
    """Return the configuration of a LAN front: each name to its port on loopback, any other to a list of the names.

    `closed` names are asked to come back instead: 503, for as long as they are closed.
    """
    routes: list[JsonValue] = [
        to_closed(f"{name}.localhost", name) if name in closed else to_app(f"{name}.localhost", upstreams[name])
        for name in sorted(upstreams)
    ]
    server: Json = {
        "listen": [f"127.0.0.1:{port}"],
        "automatic_https": {"disable": True},
        "protocols": ["h1"],
        "routes": [*routes, _listing(port, sorted(upstreams))],
    }
    return {**idle(admin), "apps": {"http": {"grace_period": "2s", "servers": {"front": server}}}}


def to_app(host: str, port: int) -> Json:
    """Return the route of a host's visitors to an app's port on loopback."""
    proxy: Json = {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": f"127.0.0.1:{port}"}],
        # Or every WebSocket would end whenever another app comes or goes.
        "stream_close_delay": STREAM_CLOSE_DELAY,
    }
    return {"match": [{"host": [host]}], "handle": [proxy], "terminal": True}


def to_closed(host: str, name: str) -> Json:
    """Return the route of a host whose app is being updated: come back in a moment."""
    shown = html.escape(name)
    text = f"<h1>{shown} is being updated</h1><p>It will be back shortly. This page tries again by itself.</p>"
    refresh = f'<meta http-equiv="refresh" content="{RETRY_SECONDS}">'
    page = f'<!doctype html><html lang="en">{refresh}<title>{shown} is being updated</title>{text}</html>\n'
    headers: Json = {
        "Content-Type": ["text/html; charset=utf-8"],
        "Cache-Control": ["no-store"],
        "Retry-After": [str(RETRY_SECONDS)],
    }
    answer: Json = {"handler": "static_response", "status_code": 503, "headers": headers, "body": page}
    return {"match": [{"host": [host]}], "handle": [answer], "terminal": True}


def idle(admin: Path) -> Json:
    """Return the configuration of a LAN front that was told nothing yet: it listens on its admin socket alone."""
    return {
        "admin": _admin(admin),
        "logging": {"logs": {"default": {"level": "ERROR", "exclude": ["http.log.error"]}}},
    }


def resumed(kept: bytes, admin: Path) -> tuple[Json, int] | None:
    """Return a LAN front's configuration that `write` wrote, with that admin socket, and its port; None for no such."""
    try:
        found = msgspec.json.decode(kept, type=_Kept)
        port = int(found.apps.http.servers["front"].listen[0].rpartition(":")[2])
        whole = msgspec.json.decode(kept, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, KeyError, IndexError, ValueError):
        return None
    return {**{name: msgspec.json.decode(part) for name, part in whole.items()}, "admin": _admin(admin)}, port


@dataclass(frozen=True, slots=True)
class AcmeIssuer:
    """Who certifies: `email` is told before a certificate ends, `root` (PEM file) is whom to trust at `directory`."""

    email: str
    directory: str
    root: Path | None


def public_front(
    admin: Path, storage: Path, *, listen: tuple[str, int], host: str, hive_port: int, acme: AcmeIssuer
) -> Json:
    """Return the configuration of HTTPS for one name, certified by ACME, in front of a Hive on loopback."""
    address = f"[{listen[0]}]" if ":" in listen[0] else listen[0]
    issuer: Json = {
        "module": "acme",
        "ca": acme.directory,
        "email": acme.email,
        "challenges": {"http": {"disabled": True}, "tls-alpn": {"alternate_port": listen[1]}},
    }
    if acme.root is not None:
        issuer["trusted_roots_pem_files"] = [str(acme.root)]
    server: Json = {
        "listen": [f"{address}:{listen[1]}"],
        "automatic_https": {"disable_redirects": True},
        "protocols": ["h1", "h2"],
        "tls_connection_policies": [{"match": {"sni": [host]}}],
        "routes": [
            {
                "match": [{"host": [host]}],
                "handle": [
                    {
                        "handler": "reverse_proxy",
                        "upstreams": [{"dial": f"127.0.0.1:{hive_port}"}],
                        # Events are passed on as they come.
                        "flush_interval": -1,
                    }
                ],
                "terminal": True,
            }
        ],
    }
    policy: Json = {"subjects": [host], "issuers": [issuer]}
    return {
        "admin": _admin(admin),
        "logging": {"logs": {"default": {"level": "WARN", "exclude": ["http.log.error"]}}},
        "storage": {"module": "file_system", "root": str(storage)},
        "apps": {
            "http": {"grace_period": "2s", "https_port": listen[1], "servers": {"hive": server}},
            "tls": {"automation": {"policies": [policy]}},
        },
    }


def is_name(host: str, *, public: bool) -> bool:
    """Tell whether an authority could certify it: a DNS name of several labels, and no address.

    `public` says that the authority certifies only names that everybody can look up.
    """
    name = host.lower()
    return domain_name.is_name(name) and not (public and not domain_name.is_public(name))


def last_error(printed: str) -> str:
    """Return the sentence of the last error among lines of Caddy's log."""
    for line in reversed(printed.splitlines()):
        with contextlib.suppress(msgspec.MsgspecError):
            said = msgspec.json.decode(line, type=_Line)
            return said.error or said.msg
        if line.startswith("Error: "):
            return line.removeprefix("Error: ")
    return ""


def write(configuration: Json) -> bytes:
    """Return a configuration as Caddy reads it."""
    return msgspec.json.encode(configuration)


class Caddy:
    """One running Caddy, by its admin socket."""

    def __init__(self, admin: Path) -> None:
        self._socket = admin

    def load(self, configuration: Json) -> None:
        """Make it the configuration. Raises CaddySilent, CaddyRefused."""
        self._post("/load", write(configuration))

    def port(self, server: str = "front") -> int | None:
        """Return the port that a LAN front's server listens on; None while it has none. Raises CaddySilent."""
        with self._answering():
            status, answer = unix_http.get(self._socket, _LISTENS.format(server), deadline_seconds=DEADLINE_SECONDS)
        # A place that its configuration does not have is an error of Caddy's, and `null` if it is the last step.
        with contextlib.suppress(msgspec.MsgspecError, IndexError, ValueError):
            if status == 200:
                return int(msgspec.json.decode(answer, type=list[str])[0].rpartition(":")[2])
        return None

    def answers(self) -> bool:
        """Whether somebody listens on the admin socket."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1)
            return probe.connect_ex(str(self._socket)) == 0

    def stop(self) -> None:
        """End it. Raises CaddySilent when there is none."""
        self._post("/stop", b"")

    def _post(self, target: str, body: bytes) -> None:
        with self._answering():
            status, answer = unix_http.post(self._socket, target, body, deadline_seconds=DEADLINE_SECONDS)
        if status != 200:
            raise CaddyRefused(answer.decode(errors="replace").strip()[:400])

    @contextlib.contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except (OSError, http.client.HTTPException) as error:
            raise CaddySilent(self._socket, str(error) or type(error).__name__) from error


def _admin(socket_path: Path) -> Json:
    return {"listen": f"unix/{socket_path}|0600", "config": {"persist": False}}


def _listing(port: int, names: list[str]) -> Json:
    items = "".join(
        f'<li><a href="http://{html.escape(name)}.localhost:{port}/">{html.escape(name)}</a></li>' for name in names
    )
    body = (items and f"<ul>{items}</ul>") or "<p>No app with a web page runs here.</p>"
    page = f'<!doctype html><html lang="en"><title>Apps here</title><h1>Apps on this machine</h1>{body}</html>\n'
    headers: Json = {"Content-Type": ["text/html; charset=utf-8"], "Cache-Control": ["no-store"]}
    return {"handle": [{"handler": "static_response", "status_code": 404, "headers": headers, "body": page}]}
