"""The data of the storage benchmark, and the ways in which it changes."""

import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from mosaic.adapters import btrfs, loop

FILES = 20_000
DIRECTORIES = 200
SQLITE_BYTES = 500 * 1024**2
_PAGE = 4096
_WORDS = [
    f"{first}{last}" for first in ("data", "note", "mail", "photo", "log") for last in ("", "s", "ing", "ed", "1")
]


class BenchVolume:
    """A subvolume `live`, and `current`, its newest read-only snapshot, always at the same path."""

    def __init__(self, pool: Path, noise: random.Random) -> None:
        self._noise = noise
        self._pool = pool
        self._live = pool / "live"
        self._kept: list[Path] = []
        self.current = pool / "current"

    @classmethod
    @contextmanager
    def made(cls, folder: Path, pool_bytes: int, noise: random.Random) -> Iterator["BenchVolume"]:
        """Make the pool and fill it."""
        image, pool = folder / "pool.img", folder / "pool"
        loop.open_image(image, pool, size_bytes=pool_bytes)
        try:
            volume = cls(pool, noise)
            volume._fill()
            yield volume
        finally:
            loop.close_image(image, pool)

    def cut(self) -> None:
        """Make `current` the snapshot of now. The one before it stays, as the daemon keeps it."""
        if self.current.exists():
            while len(self._kept) > 1:
                btrfs.delete(self._kept.pop(0))
            kept = self._pool / f"before{time.time_ns()}"
            self.current.rename(kept)
            self._kept.append(kept)
        btrfs.sync(self._pool)
        btrfs.snapshot(self._live, self.current)

    def timed_cut(self) -> float:
        """Cut a snapshot as the daemon does, and delete it again. Returns the seconds that cutting took."""
        path = self._pool / "timed"
        started = time.perf_counter()
        btrfs.sync(self._pool)
        btrfs.snapshot(self._live, path)
        took = time.perf_counter() - started
        btrfs.delete(path)
        return took

    def dirty(self, size: int) -> None:
        """Have that many bytes in the page cache that no disk has yet."""
        btrfs.sync(self._pool)
        (self._pool / "live" / "dirty").write_bytes(self._noise.randbytes(size))

    def write_scattered(self, pages: int) -> None:
        """Overwrite pages of the big file with noise."""
        with (self._live / "big.sqlite").open("r+b") as file:
            for _ in range(pages):
                file.seek(self._noise.randrange(1, SQLITE_BYTES // _PAGE) * _PAGE)
                file.write(self._noise.randbytes(_PAGE))

    def change_files(self, count: int) -> None:
        """Overwrite 64 bytes in the middle of that many small files."""
        for number in self._noise.sample(range(FILES), count):
            with self._file(number).open("r+b") as file:
                file.seek(100)
                file.write(self._noise.randbytes(64))

    def rename_directories(self) -> None:
        """Rename half of all directories."""
        for number in range(0, DIRECTORIES, 2):
            old, new = self._live / f"dir{number:03}", self._live / f"dir{number:03}-renamed"
            if old.exists():
                old.rename(new)
            else:
                new.rename(old)

    def _file(self, number: int) -> Path:
        folder = self._live / f"dir{number % DIRECTORIES:03}"
        return (folder if folder.exists() else folder.with_name(f"{folder.name}-renamed")) / f"file{number:05}"

    def _fill(self) -> None:
        btrfs.create(self._live)
        noise = self._noise
        for number in range(DIRECTORIES):
            (self._live / f"dir{number:03}").mkdir()
        for number in range(FILES):
            # 26 KB on average: 20,000 of them and the database make 1 GiB.
            size = min(400_000, int(noise.expovariate(1 / 26_500)) + 300)
            self._file(number).write_bytes(self._text(size) if noise.random() < 0.6 else noise.randbytes(size))
        self._fill_database()
        btrfs.sync(self._pool)

    def _text(self, size: int) -> bytes:
        noise = self._noise
        block = " ".join(noise.choices(_WORDS, k=400)).encode() + b" %d\n" % noise.getrandbits(64)
        return (block * (size // len(block) + 1))[:size]

    def _fill_database(self) -> None:
        path = self._live / "big.sqlite"
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA journal_mode = OFF")
            database.execute("PRAGMA synchronous = OFF")
            database.execute("CREATE TABLE mail (id INTEGER PRIMARY KEY, sender TEXT, subject TEXT, body BLOB)")
            while path.stat().st_size < SQLITE_BYTES:
                database.executemany("INSERT INTO mail (sender, subject, body) VALUES (?, ?, ?)", self._mails())
                database.commit()
        with path.open("r+b") as file:
            file.truncate(SQLITE_BYTES)

    def _mails(self) -> list[tuple[str, str, bytes]]:
        noise = self._noise
        return [
            (f"{noise.choice(_WORDS)}@example.org", " ".join(noise.choices(_WORDS, k=8)),
             " ".join(noise.choices(_WORDS, k=60)).encode() + noise.randbytes(400))
            for _ in range(20_000)
        ]  # fmt: skip
