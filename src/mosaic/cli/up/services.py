"""What the supervisor runs: each service's command line, and how to ask whether it is ready."""

import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mosaic.cli.up.layout import Layout
from mosaic.cli.up.settings import Settings

MOSAIC = (sys.executable, "-m", "mosaic.cli.main")
_CONNECT_SECONDS = 1.0

Argv = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Service:
    """One long-running program.

    `outlives` says that it goes on when its supervisor is killed, and that
    the next one takes it over; it is found by the socket that it `listens`
    on where it was not noted. `is_ready` asks it, and returns at once.
    """

    name: str
    title: str
    argv: Argv
    is_ready: Callable[[], bool]
    grace_seconds: float
    outlives: bool = False
    listens: Path | None = None


def hive(layout: Layout, settings: Settings, *, parent: int | None) -> Service:
    """Return the Hive."""
    argv = (*MOSAIC, "hive", "serve", *hive_options(layout, settings), *_parent(parent))
    address = settings.hive_address
    return Service("hive", "Hive", argv, lambda: _connects(socket.AF_UNSPEC, address), grace_seconds=15)


def storage(layout: Layout, settings: Settings) -> Service:
    """Return the storage daemon."""
    argv = (*MOSAIC, "storage", "serve", *storage_options(layout, settings))
    path = str(layout.storage_socket)
    return Service(
        "storage",
        "storage daemon",
        argv,
        lambda: _connects(socket.AF_UNIX, path),
        grace_seconds=30,
        outlives=True,
        listens=layout.storage_socket,
    )


def device(layout: Layout, settings: Settings, *, parent: int | None) -> Service:
    """Return the Device. It is ready when it runs: what it reports is the Hive's to know."""
    argv = (*MOSAIC, "device", "run", *device_options(layout, settings), *_parent(parent))
    return Service("device", "Device", argv, lambda: True, grace_seconds=30)


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
    }
    words = [word for option, value in given.items() if value is not None for word in (option, value)]
    for catalog in settings.catalogs:
        words += ["--catalog", catalog]
    return ("--state", str(layout.hive), "--listen", settings.listen, "--port", str(settings.port), *words)


def storage_options(layout: Layout, settings: Settings) -> Argv:
    """Return the words after `mosaic storage serve`."""
    pool = () if settings.pool is None else ("--pool", settings.pool)
    return ("--state", str(layout.storage), "--driver", settings.driver, *pool)


def device_options(layout: Layout, settings: Settings) -> Argv:
    """Return the words after `mosaic device run`."""
    name = () if settings.name is None else ("--name", settings.name)
    return (
        "--state", str(layout.state),
        "--driver", settings.driver,
        "--storage-socket", str(layout.storage_socket),
        *name,
    )  # fmt: skip


def last_words(log: Path, since: int) -> tuple[str, str]:
    """Return the error and the hint that a service wrote to its log after `since` bytes, or its last line."""
    with log.open("rb") as file:
        file.seek(since)
        lines = file.read()[-16384:].decode(errors="replace").splitlines()
    error = next((line.removeprefix("error: ") for line in reversed(lines) if line.startswith("error: ")), "")
    hint = next((line.removeprefix("hint: ") for line in reversed(lines) if line.startswith("hint: ")), "")
    if not error:
        error = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
    return error, hint or f"its log is {log}"


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
