"""The two sides of the storage benchmark, with the same four verbs."""

import multiprocessing
import os
import subprocess
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

_DEADLINE_SECONDS = 600
_SEED = bytes(range(32))


def drop_caches() -> None:
    """Make every file a cold one."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")


class Restic:
    """A repository in a folder, one process a run."""

    def __init__(self, repository: Path, folder: Path) -> None:
        self._repository = repository
        self._env = {
            **os.environ,
            "RESTIC_REPOSITORY": str(repository),
            "RESTIC_PASSWORD": "bench",
            "RESTIC_CACHE_DIR": str(folder / f"{repository.name}-cache"),
            "RESTIC_FEATURES": "device-id-for-hardlinks=true",
        }
        self._run("init")

    def back_up(self, source: Path) -> tuple[float, float]:
        """Back a folder up. Returns seconds and bytes."""
        before = stored_bytes(self._repository)
        seconds = self._run("backup", "--no-scan", "--quiet", str(source))
        return seconds, stored_bytes(self._repository) - before

    def restore(self, target: Path) -> float:
        """Restore the newest snapshot, to the disk."""
        started = time.perf_counter()
        self._run("restore", "latest", "--quiet", "--target", str(target))
        sync_tree(target)
        return time.perf_counter() - started

    def verify(self, _: Path) -> float:
        """Read and check everything."""
        return self._run("check", "--read-data", "--quiet")

    def _run(self, *words: str) -> float:
        started = time.perf_counter()
        subprocess.run(
            ["restic", *words], env=self._env, check=True, timeout=_DEADLINE_SECONDS, stdout=subprocess.DEVNULL
        )
        return time.perf_counter() - started


class Mosaic:
    """The engine in a process of its own, with a folder as its store."""

    def __init__(self, folder: Path, *, deadline_seconds: float = _DEADLINE_SECONDS) -> None:
        self._deadline_seconds = deadline_seconds
        context = multiprocessing.get_context("spawn")
        self._line, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, folder), daemon=True)
        self._process.start()

    def __enter__(self) -> "Mosaic":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def back_up(self, source: Path) -> tuple[float, float]:
        """Replicate a read-only snapshot. Returns seconds and bytes."""
        seconds, sent = self._ask("back_up", source)
        return seconds, sent

    def idle_round(self) -> tuple[float, int]:
        """Do a round in which nothing changed. Returns processor seconds and requests."""
        cpu, requests = self._ask("idle_round")
        return cpu, requests

    def restore(self, target: Path) -> float:
        """Restore the newest head, to the disk."""
        return float(self._ask("restore", target))

    def verify(self, _: Path) -> float:
        """Read and check everything that the newest head reaches."""
        return float(self._ask("verify"))

    def peak_bytes(self) -> int:
        """Return the most resident memory that the process ever had."""
        return int(self._ask("peak_bytes"))

    def end(self) -> None:
        """Stop the process."""
        if self._process.is_alive():
            self._line.send(("end", ()))
            self._process.join(30)

    def _ask(self, verb: str, *words: object) -> Any:
        self._line.send((verb, words))
        if not self._line.poll(self._deadline_seconds):
            raise TimeoutError(verb)
        answer = self._line.recv()
        if isinstance(answer, BaseException):
            raise answer
        return answer


def _serve(line: Connection, folder: Path) -> None:
    from storage_bench.engine_process import EngineProcess

    engine = EngineProcess(folder, _SEED)
    while True:
        verb, words = line.recv()
        if verb == "end":
            return
        try:
            line.send(getattr(engine, verb)(*words))
        except Exception as error:  # raised where it was asked, whatever it was
            # Not itself: many can't be made from their text alone.
            line.send(RuntimeError(f"{type(error).__name__}: {error}"))


def stored_bytes(folder: Path) -> int:
    """Return the size of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def sync_tree(folder: Path) -> None:
    """Write the folder's file system to its disk."""
    from mosaic.storage.engine.beneath import sync_file_system

    fd = os.open(folder, os.O_RDONLY)
    try:
        sync_file_system(fd)
    finally:
        os.close(fd)
