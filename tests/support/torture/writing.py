"""An app that never rests: each of its steps is synced before the next, and it remembers every state that there was.

So any state of its folder, found in a snapshot, after a restore or after a
power cut, is either one of those or was never there.
"""

import os
import random
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from blake3 import blake3

_PAGE = 4096
_BIG_PAGES = 64
_NAMES = 24
_UNFINISHED = ".unfinished"
_SCRIBBLE = ".scribble"
_SCRIBBLE_BYTES = 200_000
Files = dict[str, bytes]


@dataclass
class Diary:
    """All states that there ever were, by their fingerprint, and when each was complete."""

    numbers: dict[bytes, int] = field(default_factory=dict)
    completed_ns: list[int] = field(default_factory=list)

    @property
    def newest(self) -> int:
        """The newest state whose every byte was synced."""
        return len(self.completed_ns) - 1

    def newest_before(self, instant_ns: int) -> int:
        """Return the newest state that was complete before an instant, -1 for none."""
        low, high = 0, len(self.completed_ns)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self.completed_ns[middle] < instant_ns else (low, middle)
        return low - 1

    def forget_after(self, number: int) -> None:
        """Forget the states after one: they were lost with the power."""
        del self.completed_ns[number + 1 :]
        self.numbers = {mark: kept for mark, kept in self.numbers.items() if kept <= number}


def fingerprint(files: Files) -> bytes:
    """Return what tells one state from another. `files` are the hashes of the contents."""
    return blake3(b"".join(name.encode() + b"\0" + files[name] for name in sorted(files))).digest()


def read_files(folder: Path) -> Files:
    """Return what is in a folder, without what was being written."""
    found: Files = {}
    for path in folder.rglob("*"):
        if path.is_file() and path.name not in (_UNFINISHED, _SCRIBBLE):
            found[str(path.relative_to(folder))] = blake3(path.read_bytes()).digest()
    return found


def write_unfinished(path: Path, content: bytes) -> Path:
    """Write and sync what `path` will be when it is renamed. Returns what to rename."""
    path.parent.mkdir(exist_ok=True)
    unfinished = path.with_name(_UNFINISHED)
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return unfinished


class Writer:
    """Writes into `folder` from a thread of its own, in a `with`. `scribbles`: also what it never syncs."""

    def __init__(
        self,
        folder: Path,
        diary: Diary,
        luck: random.Random,
        *,
        pause_seconds: float = 0.02,
        scribbles: bool = False,
    ) -> None:
        self._scribbles = scribbles
        self.folder = folder
        self.diary = diary
        self._luck = luck
        self._pause_seconds = pause_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._files = read_files(folder)
        self._big = bytearray(_PAGE * _BIG_PAGES)
        self.failed: Exception | None = None
        if "big" in self._files:
            self._big[:] = (folder / "big").read_bytes()

    def __enter__(self) -> "Writer":
        self._note()
        self._complete()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End after the step under way."""
        self._stopping.set()
        self._thread.join(30)
        assert not self._thread.is_alive(), "the writer hangs"

    def _run(self) -> None:
        try:
            while not self._stopping.wait(self._pause_seconds):
                self._step()
                if self._scribbles:
                    # Compresses well, so that it costs the stores little.
                    text = self._luck.randbytes(16) * (_SCRIBBLE_BYTES // 16)
                    (self.folder / _SCRIBBLE).write_bytes(text)
        except OSError as error:
            self.failed = error

    def _step(self) -> None:
        """Change one thing, in one system call between two syncs."""
        luck = self._luck
        name = f"file{luck.randrange(_NAMES):02}"
        match luck.random():
            case chance if chance < 0.5:
                self._put(name, luck.randbytes(luck.randrange(1, 6000)))
            case chance if chance < 0.8 and "big" in self._files:
                self._write_page(luck.randrange(_BIG_PAGES), luck.randbytes(_PAGE))
            case chance if chance < 0.8:
                self._put("big", bytes(self._big))
            case _ if name in self._files:
                self._remove(name)
            case _:
                self._put(f"folder/{name}", luck.randbytes(100))

    def _put(self, name: str, content: bytes) -> None:
        unfinished = write_unfinished(self.folder / name, content)
        self._files[name] = blake3(content).digest()
        self._note()
        unfinished.rename(self.folder / name)
        _sync_folder((self.folder / name).parent)
        if "/" in name:
            _sync_folder(self.folder)
        self._complete()

    def _write_page(self, number: int, content: bytes) -> None:
        at = number * _PAGE
        self._big[at : at + _PAGE] = content
        self._files["big"] = blake3(self._big).digest()
        self._note()
        with (self.folder / "big").open("r+b", buffering=0) as file:
            file.seek(at)
            file.write(content)
            os.fdatasync(file.fileno())
        self._complete()

    def _remove(self, name: str) -> None:
        del self._files[name]
        self._note()
        (self.folder / name).unlink()
        _sync_folder(self.folder)
        self._complete()

    def _note(self) -> None:
        """Before a step: from now on its state may be seen."""
        self.diary.numbers[fingerprint(self._files)] = len(self.diary.completed_ns)

    def _complete(self) -> None:
        self.diary.completed_ns.append(time.time_ns())


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
