"""What a link's container does: read its environment, and supervise, or become Caddy in LAN mode."""

import contextlib
import os
import random
import secrets
import shutil
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import NoReturn

import anyio

from mosaic import __version__
from mosaic.adapters import caddy, caddy_link, log, process
from mosaic.adapters.caddy_link import LAN_LISTEN, Certificates, Serving
from mosaic.adapters.caddy_snippet import read_snippet
from mosaic.adapters.gateway_registration import GatewayRegistration, trusting
from mosaic.adapters.look_from_outside import no_trust, public_trust
from mosaic.adapters.private_file import write_private
from mosaic.adapters.wireguard import surroundings
from mosaic.core.errors import MosaicError
from mosaic.core.link_settings import (
    LETS_ENCRYPT,
    LinkMisconfigured,
    LinkSettings,
    read_settings,
    secret_files,
)
from mosaic.core.link_variables import LEFT_OUT, SECRETS
from mosaic.link import health
from mosaic.link.caddy_process import CaddyProcess
from mosaic.link.health import RUN_FOLDER, LinkHealth
from mosaic.link.parts import Pace, Ways
from mosaic.link.self_check import Outside
from mosaic.link.supervise import Means, Supervisor
from mosaic.link.ways import ways

STORAGE = Path("/root/.local/share/caddy")
"""Where the seed's compose files mount the link's volume."""

_KEPT = frozenset(["PATH", "HOME", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR"])


def serve(
    environment: Mapping[str, str],
    *,
    run_folder: Path = RUN_FOLDER,
    storage: Path = STORAGE,
    lan_listen: str = LAN_LISTEN,
) -> None:
    """Serve until told to stop, and end the process; in LAN mode by becoming Caddy. Neither returns.

    Raises:
        LinkMisconfigured, LinkModeImpossible, SnippetRefused, CaddyTooOld, ProgramMissing: nothing was begun.
        Others as Supervisor.run.
    """
    if environment.get(LEFT_OUT):
        # Before they are read: what is missing then may be missing because of its name.
        log.warning("link_variables_left_out", names=environment[LEFT_OUT], reason="a link knows no such variables")
    settings = read_settings(environment, _contents(secret_files(environment)))
    # Whatever is started from here on is not to have them, nor what a traceback might show.
    for name in SECRETS:
        os.environ.pop(name, None)
    run_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    running = CaddyProcess(run_folder)
    running.check()
    serving = Serving(settings.exposed, settings.guards, _snippet(settings), settings.lan_port)
    running.begin_with(caddy_link.idle(running.admin, serving))
    if settings.is_lan:
        _become_lan(run_folder, settings, serving, lan_listen)
    found = ways(settings, surroundings.look(), draw=random.SystemRandom().random)
    anyio.run(_supervise, settings, _means(settings, running, serving, found, storage))


def _means(settings: LinkSettings, running: CaddyProcess, serving: Serving, found: Ways, storage: Path) -> Means:
    pace = Pace()
    is_public = settings.tls == "acme" and settings.acme.directory == LETS_ENCRYPT
    outside = Outside(public_trust() if is_public else no_trust(), secrets.token_hex(16), pace.check_deadline)
    return Means(
        apis=[GatewayRegistration(url, settings.token, _trust(url, settings.gateway_ca)) for url in settings.gateways],
        ways=found,
        caddy=running,
        certificates=Certificates(storage, settings.tls, settings.acme),
        serving=serving,
        outside=outside,
        run_folder=running.folder,
        version=__version__,
        random=random.SystemRandom().random,
        pace=pace,
    )


async def _supervise(settings: LinkSettings, means: Means) -> None:
    failed: MosaicError | None = None
    # Heard before anything is started.
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as told:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_stop_when_told, told, tasks.cancel_scope)
            try:
                await Supervisor(settings, means).run()
            except MosaicError as error:
                # Raised below: a task group would raise a group, which nobody takes for an end for good.
                failed = error
            tasks.cancel_scope.cancel()
    if failed is not None:
        raise failed
    _end()


async def _stop_when_told(told: AsyncIterator[signal.Signals], scope: anyio.CancelScope) -> None:
    async for number in told:
        log.info("link_told_to_stop", signal=number.name)
        scope.cancel()
        return


def _end() -> NoReturn:
    """End now: the interpreter would first wait for threads that wait for a gateway or a name server.

    What was started has been taken down, and a link may be killed at any line.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _become_lan(run_folder: Path, settings: LinkSettings, serving: Serving, listen: str) -> NoReturn:
    """Become Caddy: on the LAN nothing is left to supervise, and one process is enough for each app."""
    admin, file = run_folder / "admin.sock", run_folder / "caddy.json"
    sentence = f"LAN mode: plain HTTP at {listen} to {settings.exposed}"
    log.info("link_is", state="lan", sentence=sentence)
    health.write(run_folder, LinkHealth("lan", sentence, health.boot_seconds()))
    write_private(file, caddy.write(caddy_link.lan(admin, serving, listen=listen)))
    kept = {name: value for name, value in os.environ.items() if name in _KEPT}
    process.become(caddy.run(shutil.which(caddy.PROGRAM) or caddy.PROGRAM, file), env=kept)


def _contents(files: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for name, path in files.items():
        with contextlib.suppress(OSError, UnicodeDecodeError):
            found[name] = Path(path).read_text()
    return found


def _snippet(settings: LinkSettings) -> tuple[caddy.Json, ...]:
    return () if settings.snippet is None else read_snippet(Path(settings.snippet))


def _trust(url: str, ca: str | None) -> ssl.SSLContext | None:
    try:
        return trusting(url, ca)
    except OSError as error:
        said = f"LINK_GATEWAY_CA is {(ca or '')[:120]}, and no certificate can be read there"
        raise LinkMisconfigured([said]) from error
