"""What the supervisor runs: each service's command line, and how to ask whether it is ready."""

import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mosaic.cli.up.layout import Layout
from mosaic.cli.up.settings import Settings
from mosaic.device.front_folder import FrontFolder

MOSAIC = (sys.executable, "-m", "mosaic.cli.main")
REPLACER = "replacer"

SWITCHED = ("hive", "gateway", "storage", "front", "device")
"""Services that another Python may run."""

_CONNECT_SECONDS = 1.0

Argv = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Service:
    """One long-running program.

    `outlives` says that it goes on when its supervisor is killed, and that
    the next one takes it over; it is found by the socket that it `listens`
    on where it was not noted. `is_ready` asks it, and returns at once.
    Without one that is not `is_needed` the others start all the same. One that
    `becomes_other` is soon another program than Mosaic: which Python started
    it is of no matter while it runs.
    """

    name: str
    title: str
    argv: Argv
    is_ready: Callable[[], bool]
    grace_seconds: float
    outlives: bool = False
    listens: Path | None = None
    is_needed: bool = True
    becomes_other: bool = False


def hive(layout: Layout, settings: Settings, *, parent: int | None) -> Service:
    """Return the Hive."""
    argv = (*MOSAIC, "hive", "serve", *hive_options(layout, settings), *_parent(parent))
    address = settings.hive_address

    def is_ready() -> bool:
        # It listens before it answers, and writes down where when it does.
        return layout.address.exists() and _connects(socket.AF_UNSPEC, address)

    return Service("hive", "Hive", argv, is_ready, grace_seconds=15)


def storage(layout: Layout, settings: Settings) -> Service:
    """Return the storage daemon."""
    argv = (*MOSAIC, "storage", "serve", *storage_options(layout, settings))
    path = layout.storage_socket
    return Service(
        "storage",
        "storage daemon",
        argv,
        lambda: answers_at(path),
        grace_seconds=30,
        outlives=True,
        listens=layout.storage_socket,
    )


def device(layout: Layout, settings: Settings, *, parent: int | None) -> Service:
    """Return the Device. It is ready when it runs: what it reports is the Hive's to know."""
    argv = (*MOSAIC, "device", "run", *device_options(layout, settings), *_parent(parent))
    return Service("device", "Device", argv, lambda: True, grace_seconds=30)


def front(layout: Layout) -> Service:
    """Return the LAN front. It is ready when it runs: the Device waits for it, and works without."""
    return Service(
        "front",
        "LAN front",
        (*MOSAIC, *front_words(layout)),
        lambda: True,
        grace_seconds=5,
        outlives=True,
        listens=FrontFolder(layout.front).admin,
        is_needed=False,
        becomes_other=True,
    )


def replacer(layout: Layout, program: str) -> Service:
    """Return what goes on with an upgrade of the Device by itself, until that is done. See decision 55."""
    argv = (program, *MOSAIC[1:], "device-replacer", "--state", str(layout.state))
    return Service(REPLACER, "Device's upgrade", argv, lambda: True, grace_seconds=5)


def by_program(service: Service, programs: Mapping[str, str]) -> Service:
    """Return the service as the Python runs it that an upgrade names; else as who starts it does."""
    if service.name not in SWITCHED:
        return service
    return replace(service, argv=(programs.get(service.name, sys.executable), *service.argv[1:]))


def own_packages(program: str) -> Mapping[str, str]:
    """Return what is laid over the environment of a Python: another one than ours finds its packages by itself."""
    return {} if program == sys.executable else {"PYTHONPATH": "", "PYTHONHOME": ""}


def hive_options(layout: Layout, settings: Settings) -> Argv:
    """Return the words after `mosaic hive serve`."""
    given = {
        "--url": settings.url,
        "--cert": settings.cert,
        "--key": settings.key,
        "--acme": settings.acme,
        "--acme-directory": settings.acme_directory,
        "--acme-root": settings.acme_root,
        "--backup-to": settings.backup_to,
        "--device-image": settings.device_image,
    }
    if settings.gateway_host is not None:
        given["--own-gateway"] = settings.gateway_url or f"https://{settings.gateway_host}"
        given["--own-gateway-root"] = settings.gateway_root
    words = [word for option, value in given.items() if value is not None for word in (option, value)]
    for catalog in settings.catalogs:
        words += ["--catalog", catalog]
    return ("--state", str(layout.hive), "--listen", settings.listen, "--port", str(settings.port), *words)


def front_words(layout: Layout) -> Argv:
    """Return the words after `mosaic` that become the LAN front."""
    return ("up-front", "--folder", str(layout.front))


def storage_options(layout: Layout, settings: Settings) -> Argv:
    """Return the words after `mosaic storage serve`."""
    pool = () if settings.pool is None else ("--pool", settings.pool)
    size = () if settings.pool_gigabytes is None else ("--pool-gigabytes", str(settings.pool_gigabytes))
    plugins = ("--plugins", str(layout.engine_plugins)) if settings.own_engine else ()
    return ("--state", str(layout.storage), "--driver", settings.driver, *pool, *size, *plugins)


def device_options(layout: Layout, settings: Settings) -> Argv:
    """Return the words after `mosaic device run`."""
    given = {"--name": settings.name, "--hardware": settings.hardware, "--group": settings.group}
    words = [word for option, value in given.items() if value is not None for word in (option, value)]
    # Whoever can write into the folders that this machine's Hive lists is root here.
    for folder in dict.fromkeys((*settings.catalogs, *settings.trusted)):
        words += ["--trust-apps", folder]
    words += ["--own-engine"] if settings.own_engine else []
    return (
        "--state", str(layout.state),
        "--driver", settings.driver,
        "--storage-socket", str(layout.storage_socket),
        *words,
    )  # fmt: skip


def last_words(log: Path, since: int) -> tuple[str, str]:
    """Return the error and the hint that a service wrote to its log after `since` bytes, or its last line."""
    with log.open("rb") as file:
        file.seek(since)
        lines = file.read()[-16384:].decode(errors="replace").splitlines()
    error, hint = words_of(lines)
    return error, hint or f"its log is {log}"


def words_of(lines: Sequence[str]) -> tuple[str, str]:
    """Return the error and the hint among the lines that a service wrote; without an error its last line."""
    error = next((line.removeprefix("error: ") for line in reversed(lines) if line.startswith("error: ")), "")
    hint = next((line.removeprefix("hint: ") for line in reversed(lines) if line.startswith("hint: ")), "")
    if not error:
        error = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
    return error, hint


def answers_at(path: Path) -> bool:
    """Tell whether something accepts connections at a UNIX socket."""
    return _connects(socket.AF_UNIX, str(path))


def _parent(parent: int | None) -> Argv:
    return () if parent is None else ("--parent", str(parent))


def _connects(family: int, address: tuple[str, int] | str) -> bool:
    """Tell whether something accepts connections there."""
    try:
        if isinstance(address, str):
            with socket.socket(family, socket.SOCK_STREAM) as connection:
                connection.settimeout(_CONNECT_SECONDS)
                connection.connect(address)
        else:
            socket.create_connection(address, timeout=_CONNECT_SECONDS).close()
    except OSError:
        return False
    return True
