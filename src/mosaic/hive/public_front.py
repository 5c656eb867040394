"""HTTPS with a certificate of a public authority: a Caddy in front of the Hive, which proves the name by ACME.

Only with `--acme`. The Hive itself then speaks plain HTTP on loopback, and
Caddy, on the same machine, ends TLS at the address that `--listen` and
`--url` name. It asks the authority by TLS-ALPN-01 (RFC 8737), which needs no
port but that one. Certificates and the account's key lie in the Hive's state
folder, so a restart orders nothing.
"""

import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import anyio

from mosaic.adapters import caddy, log, process
from mosaic.adapters.caddy import Caddy
from mosaic.adapters.private_file import write_private
from mosaic.core.errors import MosaicError, Refused
from mosaic.hive.config import LETS_ENCRYPT, Acme, HiveConfig

_START_SECONDS = 15.0
_STOP_SECONDS = 5.0
_LOOK_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0


class PublicNameNeeded(Refused):
    """An authority certifies names, and the URL has none."""

    code = "public-name-needed"

    def __init__(self, url: str | None) -> None:
        super().__init__(
            f"an ACME authority certifies public names, and {url or 'no --url'} has none",
            hint="add `--url https://NAME`, with a name whose address leads to this machine, or leave `--acme` away",
        )


class CaddyMissing(Refused):
    """Caddy obtains the certificate, and is not here."""

    code = "caddy-missing"

    def __init__(self) -> None:
        super().__init__("Caddy is not installed, and it obtains the certificate", hint="run `script/setup`")


class FrontFailed(MosaicError):
    """Caddy ended at its start."""

    code = "public-front-failed"

    def __init__(self, file: Path, said: str) -> None:
        super().__init__(
            f"the HTTPS front did not start: {said or 'it said nothing'}",
            hint=f"its log is {file}; another program may have the port",
        )


@contextlib.asynccontextmanager
async def fronting(config: HiveConfig, port: int) -> AsyncIterator[None]:
    """Keep the front running for a Hive on that loopback port, where one is configured. Raises FrontFailed."""
    if config.acme is None:
        yield
        return
    front = Front(config, config.acme, port)
    await front.start()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(front.keep)
        try:
            yield
        finally:
            tasks.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(front.stop)


def check(config: HiveConfig) -> None:
    """Raise what stands in the way of a front: no public name, no Caddy, or one that is too old."""
    if config.acme is None:
        return
    host = urlsplit(config.url or "").hostname
    public = config.acme.directory == LETS_ENCRYPT
    if urlsplit(config.url or "").scheme != "https" or not host or not caddy.is_name(host, public=public):
        raise PublicNameNeeded(config.url)
    if shutil.which(caddy.PROGRAM) is None:
        raise CaddyMissing
    caddy.check_version(process.run(caddy.version(caddy.PROGRAM), deadline_seconds=caddy.DEADLINE_SECONDS).text)


class Front:
    """One Caddy, started by this Hive, which does not outlive it."""

    def __init__(self, config: HiveConfig, acme: Acme, port: int) -> None:
        url = urlsplit(config.url or "")
        self._folder = config.state / "https"
        self._admin = self._folder / "admin.sock"
        self._log = self._folder / "caddy.log"
        self._configuration = caddy.public_front(
            self._admin,
            self._folder / "certificates",
            listen=(config.listen, url.port or 443),
            host=url.hostname or "",
            hive_port=port,
            acme=caddy.AcmeIssuer(acme.email, acme.directory, acme.root),
        )
        self._child: process.Child | None = None

    async def start(self) -> None:
        """Start it and wait until it listens. A Caddy that a killed Hive left behind is ended first."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        with contextlib.suppress(MosaicError):
            await anyio.to_thread.run_sync(Caddy(self._admin).stop)
        self._admin.unlink(missing_ok=True)
        file = self._folder / "caddy.json"
        write_private(file, caddy.write(self._configuration))
        self._log.write_bytes(b"")
        # In this thread: the kernel ends the child when the thread that made it ends.
        words = caddy.run_with_parent(caddy.PROGRAM, file)
        self._child = process.spawn(words, env=caddy.environment(self._folder), log=self._log)
        with anyio.move_on_after(_START_SECONDS):
            while not (self._admin.exists() and await anyio.to_thread.run_sync(Caddy(self._admin).answers)):
                if self._child.poll() is not None:
                    break
                await anyio.sleep(0.02)
            else:
                return
        self.stop()
        raise FrontFailed(self._log, caddy.last_error(self._log.read_text(errors="replace")))

    async def keep(self) -> None:
        """Start it again whenever it ends, with a growing pause."""
        pause = _LOOK_SECONDS
        while True:
            await anyio.sleep(pause)
            if self._child is not None and self._child.poll() is None:
                pause = _LOOK_SECONDS
                continue
            try:
                await self.start()
                log.warning("public_front_started_again")
            except MosaicError as error:
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
                log.warning("public_front_failed", reason=error.message, hint=error.hint)

    def stop(self) -> None:
        """End it."""
        if self._child is not None:
            self._child.stop(_STOP_SECONDS)
