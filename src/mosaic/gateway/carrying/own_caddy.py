"""HTTPS of a gateway's own name: a Caddy on loopback, before the API, whose certificate it gets and renews."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio import to_thread

from mosaic.adapters import caddy, caddy_link, child_log, log, process
from mosaic.adapters.caddy import Caddy
from mosaic.adapters.caddy_link import Certificates, Serving
from mosaic.adapters.private_file import write_private
from mosaic.core.asked_name import asked_name
from mosaic.core.errors import Refused
from mosaic.core.expose import parse

FOLDER = "https"
CADDY_TLS_PORT = 8452
"""Of the gateway's own loopback address; before it, at the port that routes lead to, `own_front` listens."""

_STOP_SECONDS = 3.0
_LOOK_SECONDS = 0.5
_LONGEST_SECONDS = 30.0
_LINGERING = "2s"
_INHERITED = frozenset(["PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "TZ"])
_MEMORY = {"GOMEMLIMIT": "64MiB", "GOGC": "50"}


class OwnNameNeeded(Refused):
    """A certificate is of a name, and visitors are told apart by names."""

    code = "gateway-name-needed"

    def __init__(self, host: str) -> None:
        super().__init__(
            f"{host} is no name that HTTPS could be served for",
            hint="give `--public-host` a name of the public DNS that leads to this machine, or leave `--acme` away",
        )


@dataclass(frozen=True, slots=True)
class OwnSite:
    """The gateway's `name`, its loopback address, and where its API is: `http://…` or `https+insecure://…`."""

    name: str
    address: str
    api: str


def own_name(host: str) -> str:
    """Return the name as routes have it. Raises OwnNameNeeded."""
    name = asked_name(host.encode("utf-8", errors="replace"))
    if name is None:
        raise OwnNameNeeded(host)
    return name


class OwnCaddy:
    """Run by `run`, in one loop. Its files, with the certificates, lie in the state folder."""

    def __init__(self, state: Path, site: OwnSite, certificates: Certificates) -> None:
        """Check that it can be run. Raises CaddyTooOld, ProgramMissing."""
        caddy.check_version(process.run(caddy.version(caddy.PROGRAM), deadline_seconds=caddy.DEADLINE_SECONDS).text)
        self._folder = state / FOLDER
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._admin = self._folder / "admin.sock"
        self._log = self._folder / "caddy.log"
        self._site = site
        self._certificates = certificates
        self._configuration = caddy_link.link(
            self._admin,
            caddy_link.Place((site.address,), ("127.0.0.0/8",), tls_port=CADDY_TLS_PORT),
            [site.name],
            Serving(parse(site.api)),
            certificates,
            session=site.name,
            lingering=_LINGERING,
        )

    async def run(self) -> None:
        """Have it run until cancelled, started again with a growing pause whenever it ends."""
        pause = _LOOK_SECONDS
        child: process.Child | None = None
        try:
            while True:
                if child is None or child.poll() is not None:
                    if child is not None:
                        log.warning("gateway_https_ended", reason=self._said())
                        await anyio.sleep(pause)
                        pause = min(pause * 2, _LONGEST_SECONDS)
                    child = await self._start()
                elif await to_thread.run_sync(Caddy(self._admin).answers):
                    pause = _LOOK_SECONDS
                child_log.keep_small(self._log)
                await anyio.sleep(_LOOK_SECONDS)
        finally:
            if child is not None:
                child.stop(_STOP_SECONDS)

    def chain(self) -> tuple[Path, Path] | None:
        """Return the files of the newest certificate and its key; None before there is one."""
        if self._certificates.files is not None:
            return self._certificates.files
        newest = max(self._chains(), key=lambda file: file.stat().st_mtime_ns, default=None)
        return None if newest is None else (newest, newest.with_suffix(".key"))

    def _chains(self) -> Iterator[Path]:
        """Find them where Caddy's file storage has them, by authority and name."""
        return self._certificates.storage.glob(f"certificates/*/{self._site.name}/{self._site.name}.crt")

    async def _start(self) -> process.Child:
        self._admin.unlink(missing_ok=True)
        file = self._folder / "caddy.json"
        write_private(file, caddy.write(self._configuration))
        self._log.write_bytes(b"")
        home = {name: str(self._folder) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
        # In this thread: the kernel ends the child when the thread that made it ends.
        words = caddy.run_with_parent(caddy.PROGRAM, file)
        return process.spawn(words, env={**home, **_MEMORY}, inherited=_INHERITED, log=self._log)

    def _said(self) -> str:
        return caddy.last_error(self._log.read_text(errors="replace")) or "it said nothing"
