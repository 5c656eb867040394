"""A store fails on every verb while the engine replicates, mends, verifies and restores; then it is well again.

Whatever happened meanwhile: each state that was acknowledged restores byte for byte.
"""

import random
import shutil
import time
from pathlib import Path

from mosaic.core.errors import Corrupt, MosaicError
from mosaic.storage.engine.mend import note_mended, replicate_and_mend
from mosaic.storage.engine.restore import restore
from mosaic.storage.engine.roots import RootRef
from support.faulty_store import FaultyStore
from support.stores import MemoryStore
from support.torture.tally import Tally
from support.trees import Fingerprint, tree_fingerprint
from support.volumes import KEYS, Machine

_ROUNDS = 5
_RATES = (0.03, 0.1, 0.3)
_PATIENCE = 200


def run(tally: Tally, folder: Path) -> None:
    """Do `tally.count` volumes, each with another luck."""
    for number in range(tally.count):
        if tally.out_of_time or tally.failures:
            break
        luck = random.Random(tally.seed * 1_000_003 + number)
        _Run(tally, folder / str(number), luck, f"volume {number}").carry_out()
        shutil.rmtree(folder / str(number))
        tally.figures["volumes"] += 1


class _Run:
    def __init__(self, tally: Tally, folder: Path, luck: random.Random, name: str) -> None:
        self._tally = tally
        self._name = name
        self._luck = luck
        self._folder = folder
        self._source = folder / "source"
        self._source.mkdir(parents=True)
        self._well = MemoryStore()
        self._faulty = FaultyStore(self._well, luck, rate=luck.choice(_RATES), met=tally.figures)
        self._here = Machine()
        self._here.store = self._faulty
        self._states: list[tuple[RootRef, Fingerprint]] = []

    def carry_out(self) -> None:
        for _ in range(_ROUNDS):
            self._edit()
            self._replicate()
            if self._luck.random() < 0.3:
                self._restore_somehow()
        self._faulty.rate = 0.0
        # One more round on a store that is well mends what a reply made look lost.
        self._edit()
        self._replicate()
        self._check_all()

    def _edit(self) -> None:
        luck = self._luck
        for _ in range(4):
            (self._source / f"file{luck.randrange(12)}").write_bytes(luck.randbytes(luck.choice((50, 5000, 150_000))))
        (self._source / f"folder{luck.randrange(100)}").mkdir(exist_ok=True)

    def _replicate(self) -> None:
        """Do as a volume's worker does: go on after what can pass, and mend what is damaged, until it is done."""
        here = self._here
        for attempt in range(_PATIENCE):
            try:
                if attempt == 0 or self._luck.random() < 0.2:
                    here.known.load(here.store, KEYS)
                done = replicate_and_mend(self._source, KEYS, here.store, previous=here.newest, known=here.known,
                                          nodes=here.nodes, taken_ns=time.time_ns() + 10**10)  # fmt: skip
                here.newest = done.replication.root
                self._states.append((done.replication.root, tree_fingerprint(self._source)))
                note_mended(here.store, here.known, done.replaced)
            except MosaicError as error:
                self._tally.figures["refusals"] += 1
                said = error.code and error.message and error.hint
                self._tally.check(said, f"{self._name}: {type(error).__name__} does not say what to do")
            else:
                return
        self._tally.fail(f"{self._name}: not replicated after {_PATIENCE} attempts")

    def _restore_somehow(self) -> None:
        """Restore from the failing store: it fails and says so, or it is right."""
        root, wanted = self._luck.choice(self._states)
        target, there = self._folder / "somehow", Machine()
        target.mkdir()
        try:
            there.known.load(self._faulty, KEYS)
            restore(root, KEYS, self._faulty, target, known=there.known, nodes=there.nodes)
        except MosaicError:
            self._tally.figures["restores_refused"] += 1
        else:
            self._tally.check(tree_fingerprint(target) == wanted, f"{self._name}: a wrong state is called restored")
            self._tally.figures["restores"] += 1
        shutil.rmtree(target)

    def _check_all(self) -> None:
        fresh = Machine(self._well)
        for number, (root, wanted) in enumerate(self._states):
            target = self._folder / f"state{number}"
            try:
                fresh.restore(root, target)
            except Corrupt as error:
                self._tally.fail(f"{self._name}: state {number} is lost: {error}")
                continue
            self._tally.check(tree_fingerprint(target) == wanted, f"{self._name}: state {number} is another one")
            shutil.rmtree(target)
            self._tally.figures["states"] += 1
