"""The Hive answers wrongly, on every verb and in every way, while a daemon replicates and another one restores.

Each is so until the daemon says what is wrong, or goes on in spite of it; then
the Hive is well again, and everything must be as if nothing had happened.
"""

import contextlib
import random
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from mosaic.storage.engine.heads import open_head, root_of
from mosaic.storage.upstreams import Upstreams
from mosaic.wire.storage import SnapshotNow, StateRequest
from support.btrfs_pool import btrfs_folder
from support.fake_hive_blobs import Answer, FakeHive
from support.storage_daemon import VOLUME, TestDaemon, running
from support.stores import MemoryStore
from support.torture.tally import Tally
from support.trees import tree_fingerprint
from support.volumes import Machine
from support.waiting import eventually

Spoil = Callable[[Answer], Answer | None]
_SECONDS = 40.0
VERBS = {
    "put": ("PUT", "/objects/p-"),
    "get": ("GET", "/objects/p-"),
    "list": ("GET", "/objects"),
    "commit": ("POST", "/heads"),
    "newest": ("GET", "/heads/newest"),
    "head": ("GET", "/heads/"),
    "mirror": ("PUT", "/objects/h-"),
}
WAYS: dict[str, Spoil] = {
    "a lost reply": lambda _: None,
    "500": lambda _: Answer(500, b"oops"),
    "502 of a proxy": lambda _: Answer(502, b"<html>Bad Gateway</html>"),
    "503": lambda _: Answer(503),
    "429": lambda _: Answer(429, b"slow down"),
    "507": lambda _: Answer(507),
    "a reply that ends early": lambda answer: Answer(
        answer.status, answer.body[: len(answer.body) // 2], len(answer.body) + 10
    ),
    "a short reply": lambda answer: Answer(answer.status, answer.body[: len(answer.body) // 2]),
    "nonsense": lambda answer: Answer(answer.status, b"{]" + bytes(len(answer.body))),
    "not found": lambda _: Answer(404),
}


@dataclass
class _Fault:
    """What is wrong now. `met` counts the answers that it spoilt."""

    method: str = ""
    part: str = ""
    spoil: Spoil = lambda answer: answer
    is_on: bool = False
    loses_a_commit: bool = False
    met: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, method: str, path: str, answer: Answer) -> Answer | None:
        with self.lock:
            if self.is_on and self.loses_a_commit and method == "POST" and path.endswith("/heads"):
                self.loses_a_commit = False
                # Neither a success nor a loss: what became of the head is asked for next.
                return Answer(409)
            fits = path.endswith(self.part) if self.part == "/objects" else self.part in path
            if not self.is_on or method != self.method or not fits:
                return answer
            self.met += 1
            return self.spoil(answer)


def run(tally: Tally, folder: Path) -> None:
    """Try `tally.count` of the pairs of a verb and a way to fail, in an order that luck chooses."""
    (folder / "audit").mkdir()
    with (
        _impatience(),
        btrfs_folder(folder) as pool,
        FakeHive().running() as hive,
        running(pool, "here", "token-a", interval_seconds=0.2) as here,
        running(pool, "there", "token-b", interval_seconds=0.2) as there,
    ):
        here.connect(hive)
        there.connect(hive)
        _Run(tally, hive, here, there, folder / "audit").carry_out()


@contextlib.contextmanager
def _impatience() -> Iterator[None]:
    """Have daemons of this process give a request up after seconds; half a minute for each pair is too long."""
    defaults = Upstreams.__init__.__kwdefaults__
    assert defaults is not None
    before = defaults["deadline_seconds"]
    defaults["deadline_seconds"] = 1.5
    try:
        yield
    finally:
        defaults["deadline_seconds"] = before


class _Run:
    def __init__(self, tally: Tally, hive: FakeHive, here: TestDaemon, there: TestDaemon, scratch: Path) -> None:
        self._tally = tally
        self._hive = hive
        self._here = here
        self._there = there
        self._luck = random.Random(tally.seed)
        self._machine = Machine()
        self._scratch = scratch
        self._fault = _Fault()
        hive.spoil = self._fault

    def carry_out(self) -> None:
        """Try the pairs."""
        epoch = self._here.take(self._hive)
        self._here.create()
        folder = self._here.mount()
        pairs = [(verb, way) for verb in VERBS for way in WAYS]
        self._luck.shuffle(pairs)
        for verb, way in pairs[: self._tally.count]:
            if self._tally.failures or self._tally.out_of_time:
                break
            self._try(verb, way, folder, epoch)
            self._tally.figures["pairs"] += 1

    def _try(self, verb: str, way: str, folder: Path, epoch: str) -> None:
        self._write(folder)
        self._here.wait_until_clean(seconds=_SECONDS)
        self._fault.method, self._fault.part = VERBS[verb]
        self._fault.spoil, self._fault.met = WAYS[way], 0
        # The newest head is read only by who does not know what became of his own.
        self._fault.loses_a_commit = verb == "newest"
        self._fault.is_on = True
        self._write(folder)
        self._ask(epoch)
        what = f"{verb} is answered by {way}"
        try:
            eventually(partial(self._asked, epoch, self._is_said_or_overcome), seconds=_SECONDS, seen=self._seen)
            self._is_told_well(what)
            self._fault.is_on = False
            eventually(partial(self._asked, epoch, self._is_well), seconds=_SECONDS, seen=self._seen)
        except AssertionError as error:
            self._tally.fail(f"{what}: {error}")
            return
        self._is_right(folder, what)

    def _write(self, folder: Path) -> None:
        (folder / f"file{self._luck.randrange(9)}").write_bytes(self._luck.randbytes(20_000))

    def _ask(self, epoch: str) -> None:
        self._here.client.snapshot(SnapshotNow(VOLUME, epoch))
        newest = self._hive.volume(VOLUME).newest
        if newest is not None and (not self._there_knows() or self._there.volume().prefetched != newest):
            self._there.prefetch(newest)

    def _asked(self, epoch: str, look: Callable[[], bool]) -> bool:
        """Ask once more, and then look."""
        self._ask(epoch)
        return look()

    def _there_knows(self) -> bool:
        return bool(self._there.client.state(StateRequest()).volumes)

    def _is_said_or_overcome(self) -> bool:
        if not self._fault.met:
            return False
        said = [self._here.volume().problem, self._there.volume().problem]
        return any(said) or self._is_well()

    def _is_told_well(self, what: str) -> None:
        for problem in (self._here.volume().problem, self._there.volume().problem):
            if problem is not None:
                self._tally.figures["said"] += 1
                told = problem.code != "internal" and problem.message and problem.hint
                self._tally.check(told, f"{what}, and what is said is {problem}")

    def _is_well(self) -> bool:
        here, there = self._here.volume(), self._there.volume()
        newest = self._hive.volume(VOLUME).newest
        return (
            here.clean
            and here.problem is None
            and here.local_head == newest
            and there.prefetched == newest
            and there.problem is None
        )

    def _is_right(self, folder: Path, what: str) -> None:
        """Both what is acknowledged and what the other daemon has restored is what the app wrote."""
        state, wanted = self._here.volume(), tree_fingerprint(folder)
        self._tally.check((state.phase, state.conflicts) == ("ready", []), f"{what}, and then it is {state}")
        pool = self._there.config.pool
        assert pool is not None
        restored = tree_fingerprint(pool / "incoming" / VOLUME / "data")
        self._tally.check(restored == wanted, f"{what}, and then the other Device has another state")
        store = MemoryStore()
        store.objects = self._hive.volume(VOLUME).objects
        target = self._scratch / "restored"
        shutil.rmtree(target, ignore_errors=True)
        machine = Machine(store)
        machine.restore(root_of(open_head(self._hive.volume(VOLUME).heads[-1], VOLUME)), target)
        self._tally.check(tree_fingerprint(target / "data") == wanted, f"{what}, and another state is acknowledged")

    def _seen(self) -> object:
        return self._fault.met, self._here.volume(), self._there.volume()
