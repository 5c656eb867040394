"""Caddy: the words that start it, the configuration that it is given, and its admin API on a UNIX socket.

Everything but `Caddy` is pure. Its own files go into the folder that it is
given, and it remembers nothing: whoever started it gives it its configuration.
"""

import contextlib
import html
import http.client
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mosaic.adapters import unix_http
from mosaic.core.errors import Refused, Unavailable

PROGRAM = "caddy"
FLOOR = (2, 7)
DEADLINE_SECONDS = 10.0

Json = dict[str, "JsonValue"]
JsonValue = str | int | bool | list["JsonValue"] | Json

# Labels of RFC 1035, and a last one that is not a number: no IPv4 address.
_NAME = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]", re.ASCII)
_PRIVATE_NAMES = (".local", ".localhost", ".internal", ".lan", ".home.arpa", ".test", ".invalid")
_VERSION = re.compile(r"v?(\d+)\.(\d+)")


class _Line(msgspec.Struct):
    """One line of Caddy's log."""

    msg: str = ""
    error: str = ""


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
        super().__init__(f"Caddy at {admin} does not answer: {reason}", hint="the Device starts it again by itself")


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


def front(admin: Path, port: int, upstreams: Mapping[str, int]) -> Json:
    """Return the configuration of a LAN front: each name to its port on loopback, any other to a list of the names."""
    routes: list[JsonValue] = [_route(name, upstreams[name]) for name in sorted(upstreams)]
    server: Json = {
        "listen": [f"127.0.0.1:{port}"],
        "automatic_https": {"disable": True},
        "protocols": ["h1"],
        "routes": [*routes, _listing(port, sorted(upstreams))],
    }
    return {
        "admin": {"listen": f"unix/{admin}|0600", "config": {"persist": False}},
        "logging": {"logs": {"default": {"level": "ERROR", "exclude": ["http.log.error"]}}},
        "apps": {"http": {"grace_period": "2s", "servers": {"front": server}}},
    }


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
        "admin": {"listen": f"unix/{admin}|0600", "config": {"persist": False}},
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
    return _NAME.fullmatch(host.lower()) is not None and not (public and host.lower().endswith(_PRIVATE_NAMES))


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

    def answers(self) -> bool:
        """Whether somebody listens on the admin socket."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1)
            return probe.connect_ex(str(self._socket)) == 0

    def stop(self) -> None:
        """End it. Raises CaddySilent when there is none."""
        self._post("/stop", b"")

    def _post(self, target: str, body: bytes) -> None:
        try:
            status, answer = unix_http.post(self._socket, target, body, deadline_seconds=DEADLINE_SECONDS)
        except (OSError, http.client.HTTPException) as error:
            raise CaddySilent(self._socket, str(error) or type(error).__name__) from error
        if status != 200:
            raise CaddyRefused(answer.decode(errors="replace").strip()[:400])


def _route(name: str, port: int) -> Json:
    proxy: Json = {"handler": "reverse_proxy", "upstreams": [{"dial": f"127.0.0.1:{port}"}]}
    return {"match": [{"host": [f"{name}.localhost"]}], "handle": [proxy], "terminal": True}


def _listing(port: int, names: list[str]) -> Json:
    items = "".join(
        f'<li><a href="http://{html.escape(name)}.localhost:{port}/">{html.escape(name)}</a></li>' for name in names
    )
    body = (items and f"<ul>{items}</ul>") or "<p>No app with a web page runs here.</p>"
    page = f'<!doctype html><html lang="en"><title>Apps here</title><h1>Apps on this machine</h1>{body}</html>\n'
    headers: Json = {"Content-Type": ["text/html; charset=utf-8"], "Cache-Control": ["no-store"]}
    return {"handle": [{"handler": "static_response", "status_code": 404, "headers": headers, "body": page}]}
