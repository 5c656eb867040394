"""The last answers of a volume driver that leaves a machine for good.

A Docker engine never forgets a volume by itself: without this it would ask
for each of them, 15 seconds long, whenever it starts. What the volumes hold
is not touched: only the engine's notes of them go.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from mosaic.adapters import btrfs
from mosaic.storage.books import Books
from mosaic.storage.config import StorageConfig
from mosaic.storage.places import Places
from mosaic.storage.records import VolumeRecord
from mosaic.storage.unix_http import Reply, UnixServer
from mosaic.wire.plugin import CONTENT_TYPE, Activated, Answer, Capable, Found, Listed, Named, VolumeEntry

LEDGER = "storage.db"


@contextlib.contextmanager
def parting(config: StorageConfig) -> Iterator[tuple[str, ...]]:
    """Answer in place of a storage daemon that has stopped, and yield the names that its engine knows.

    Every volume can be removed, and none can be made or mounted. Raises
    SocketTaken while the daemon still runs.
    """
    names = _names(config)
    left = set(names)
    server = UnixServer(config.plugin_socket, lambda path, body: _answer(path, body, left), content_type=CONTENT_TYPE)
    server.start()
    try:
        yield names
    finally:
        server.stop()


def delete_data(pool: Path) -> None:
    """Delete every volume, snapshot and conflict snapshot from a pool's folder. What else lies there stays.

    May be cut short and called again. Raises MosaicError where a subvolume cannot be deleted.
    """
    for top in Places(pool).tops():
        if top.is_dir():
            _delete_below(top)
            top.rmdir()


def key_files(config: StorageConfig) -> tuple[Path, ...]:
    """Return the files with the keys of volumes without a Hive: who loses one has lost what is in the store."""
    named = [found.hiveless.key_file for found in _records(config) if found.hiveless is not None]
    own = config.state / "keys"
    # Those of volumes that are long removed too: their stores are still there.
    paths = {*map(Path, named), *(own.iterdir() if own.is_dir() else ())}
    return tuple(sorted(path for path in paths if path.is_file()))


def _delete_below(folder: Path) -> None:
    for path in folder.iterdir():
        if btrfs.look(path) is not None:
            btrfs.delete(path)
        elif path.is_dir() and not path.is_symlink():
            _delete_below(path)
            path.rmdir()
        else:
            path.unlink()


def _names(config: StorageConfig) -> tuple[str, ...]:
    with _books(config) as books:
        return tuple(books.docker_volumes.items()) if books is not None else ()


def _records(config: StorageConfig) -> list[VolumeRecord]:
    with _books(config) as books:
        return list(books.volumes.items().values()) if books is not None else []


@contextlib.contextmanager
def _books(config: StorageConfig) -> Iterator[Books | None]:
    ledger = config.state / LEDGER
    if not ledger.exists():
        yield None
        return
    books = Books(ledger)
    try:
        yield books
    finally:
        books.close()


def _answer(path: str, body: bytes, left: set[str]) -> Reply:
    return Reply(200, msgspec.json.encode(_says(path, body, left)))


def _says(path: str, body: bytes, left: set[str]) -> msgspec.Struct:
    match path:
        case "/Plugin.Activate":
            return Activated()
        case "/VolumeDriver.Capabilities":
            return Capable()
        case "/VolumeDriver.List":
            return Listed([VolumeEntry(name) for name in sorted(left)])
        case "/VolumeDriver.Get":
            name = msgspec.json.decode(body, type=Named).name
            return Found(VolumeEntry(name)) if name in left else Answer(f"there is no volume {name}")
        case "/VolumeDriver.Remove":
            left.discard(msgspec.json.decode(body, type=Named).name)
            return Answer()
        case _:
            return Answer("Mosaic is being uninstalled from this machine")
