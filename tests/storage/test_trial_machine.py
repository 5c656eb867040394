"""Trials among everything else that happens to a volume: real daemons and pools, moves chosen by luck.

Two Devices' daemons append words to a page, take the lease from one another,
are killed and rebooted, and try versions. Whatever the order

- no head is accepted while a trial is under way that has what it wrote, nor ever what one wrote that was not kept;
- undoing a trial gives the bytes that it began with;
- nothing that was written is lost: it is in place, in a head, or in a conflict snapshot.
"""

import itertools
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from mosaic.core.errors import MosaicError
from mosaic.crypto.hashing import head_hash
from mosaic.storage.engine.heads import root_of
from mosaic.wire.head import parse
from support.fake_hive_blobs import FakeHive
from support.kill_points import Killed, KillPoints
from support.stepped_daemon import SteppedDaemon, effects
from support.storage_daemon import VOLUME
from support.stores import MemoryStore
from support.volumes import Machine

pytestmark = [pytest.mark.btrfs, pytest.mark.long]

MOVES = 40


class World:
    """`local` is what each daemon should have in place. A trial's words are tentative, then kept or rejected."""

    def __init__(self, hive: FakeHive, daemons: list[SteppedDaemon], kills: KillPoints) -> None:
        self.hive = hive
        self.daemons = daemons
        self.kills = kills
        self.serial = itertools.count(1)
        self.local = [b"", b""]
        self.beginning = [b"", b""]
        self.trial: list[str | None] = [None, None]
        self.tentative: list[set[bytes]] = [set(), set()]
        self.rejected: set[bytes] = set()
        self.written: set[bytes] = set()
        self.heads: dict[str, bytes] = {}
        self.undone = self.kept = 0
        self.take(0)
        self.write(0)
        self.replicate(0)

    def write(self, who: int) -> None:
        self._be_ready(who)
        word = b"%d" % next(self.serial)
        self.local[who] += word + b" "
        self.daemons[who].write(self.local[who])
        self.written.add(word)
        if self.trial[who] is not None:
            self.tentative[who].add(word)

    def work(self, who: int, steps: int, hive_is_down: bool) -> None:
        self.hive.is_down = hive_is_down
        for _ in range(steps if self._is_known(who) else 0):
            self.daemons[who].step()
        self.hive.is_down = False

    def replicate(self, who: int) -> None:
        if not self._is_ready(who) or self.trial[who] is not None:
            return
        daemon = self.daemons[who]
        daemon.work(lambda: daemon.volume.record.lease is None or daemon.seen.clean)

    def begin(self, who: int, writes: bool) -> None:
        self._be_ready(who)
        if self.trial[who] is not None:
            return
        self.replicate(who)
        name = f"trial {next(self.serial)}"
        try:
            began = self.daemons[who].begin(name)
        except (MosaicError, AssertionError):
            # It was fenced while it replicated.
            assert self.daemons[who].volume.record.trial is None
            return
        assert began.local_head is not None and self._content(began.local_head) == self.local[who]
        self.trial[who], self.beginning[who] = name, self.local[who]
        if writes:
            self.write(who)

    def keep(self, who: int) -> None:
        name = self.trial[who]
        if name is None:
            return
        self.daemons[who].end(name, keep=True)
        self.trial[who], self.tentative[who] = None, set()
        self.kept += 1

    def undo(self, who: int, kill_at: int | None, reboot: bool) -> None:
        name, daemon = self.trial[who], self.daemons[who]
        if name is None:
            return
        self.kills.passed, self.kills.at = 0, kill_at
        self.hive.is_down = True
        try:
            self._undone(daemon, name)
        except Killed:
            daemon.kill(reboot=reboot)
            self._undone(daemon, name)
        self.kills.at, self.hive.is_down = None, False
        self.local[who] = self.beginning[who]
        self.undone += 1
        self._reject(who)
        assert lying(daemon) == self.local[who]

    def restart(self, who: int, reboot: bool) -> None:
        self.daemons[who].kill(reboot=reboot)

    def take(self, who: int) -> None:
        daemon = self.daemons[who]
        daemon.take()
        daemon.work(lambda: daemon.volume.record.phase == "ready")
        self._hear(who)
        now, newest = lying(daemon), self.hive.volume(VOLUME).newest
        if self.trial[who] is None and newest is not None:
            assert now.startswith(self._content(newest)) and not words(now) & self.rejected
            self.local[who] = now

    def set_aside(self, who: int) -> None:
        """It hears that it was fenced, if it was."""
        if self._is_known(who) and self.hive.volume(VOLUME).token != self.daemons[who].token:
            self.daemons[who].set_aside()

    def every_head_has_what_counts_and_nothing_else(self) -> None:
        for who in (0, 1):
            self._hear(who)
        before = b""
        for signed in self.hive.volume(VOLUME).heads:
            content = self._content(head_hash(signed))
            assert content.startswith(before)
            assert not words(content) & (self.rejected | self.tentative[0] | self.tentative[1])
            before = content

    def what_is_in_place_is_what_should_be(self) -> None:
        for who, daemon in enumerate(self.daemons):
            if self._is_ready(who):
                assert lying(daemon) == self.local[who]

    def nothing_is_lost(self) -> None:
        found = [*self.heads.values()]
        for who, daemon in enumerate(self.daemons):
            if self._is_known(who):
                found += [lying(daemon), *daemon.aside().values()]
        assert self.written <= set().union(*map(words, found))

    def check(self) -> None:
        """Whatever happened, all of this is so."""
        self.every_head_has_what_counts_and_nothing_else()
        self.what_is_in_place_is_what_should_be()
        self.nothing_is_lost()

    def _undone(self, daemon: SteppedDaemon, name: str) -> None:
        daemon.end(name, keep=False)
        daemon.work(lambda: daemon.volume.record.trial is None)

    def _hear(self, who: int) -> None:
        """A trial that is gone by itself was not kept."""
        if self.trial[who] is not None and self.daemons[who].volume.record.trial is None:
            self._reject(who)

    def _reject(self, who: int) -> None:
        self.rejected |= self.tentative[who]
        self.trial[who], self.tentative[who] = None, set()

    def _be_ready(self, who: int) -> None:
        """As a Device does that shall run the app, and does not hold its data any more."""
        if not self._is_ready(who):
            self.take(who)

    def _is_known(self, who: int) -> bool:
        return VOLUME in self.daemons[who].daemon.volumes

    def _is_ready(self, who: int) -> bool:
        record = self.daemons[who].volume.record if self._is_known(who) else None
        return record is not None and record.lease is not None and record.phase == "ready"

    def _content(self, head: str) -> bytes:
        """Restore the page of a head from what the store has, and nothing else."""
        if head not in self.heads:
            signed = next(one for one in self.hive.volume(VOLUME).heads if head_hash(one) == head)
            store = MemoryStore()
            store.objects.update(self.hive.volume(VOLUME).objects)
            target = Path(tempfile.mkdtemp(prefix="mosaic-test-"))
            Machine(store).restore(root_of(parse(signed)[0]), target / "restored")
            page = target / "restored" / "data" / "page"
            self.heads[head] = page.read_bytes() if page.exists() else b""
            shutil.rmtree(target)
        return self.heads[head]


def words(content: bytes) -> set[bytes]:
    return set(content.split())


def lying(daemon: SteppedDaemon) -> bytes:
    """What the page has that lies in the live folder, whoever may mount it."""
    page = daemon.pool / "live" / VOLUME / "data" / "page"
    return page.read_bytes() if page.exists() else b""


def moves(luck: random.Random, count: int) -> Iterator[tuple[str, Callable[[World], None]]]:
    """Yield what happens, with a name to tell the story by."""
    for _ in range(count):
        name = luck.choice(["write", "write", "work", "try", "try", "end", "end", "restart", "take", "set aside"])
        who = luck.choice([0, 0, 0, 1])
        match name:
            case "write":
                move = partial(World.write, who=who)
            case "work":
                move = partial(World.work, who=who, steps=luck.randint(1, 3), hive_is_down=luck.random() < 0.5)
            case "try":
                move = partial(World.begin, who=who, writes=luck.random() < 0.7)
            case "end" if luck.random() < 0.3:
                move = partial(World.keep, who=who)
            case "end":
                at = luck.choice([None, luck.randint(1, 14)])
                move = partial(World.undo, who=who, kill_at=at, reboot=luck.random() < 0.5)
            case "restart":
                move = partial(World.restart, who=who, reboot=luck.random() < 0.3)
            case "take":
                move = partial(World.take, who=who)
            case _:
                move = partial(World.set_aside, who=luck.choice([0, 1]))
        yield f"{name} {move.keywords}", move


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("pool_kind", ["btrfs", "folders"])
def test_nobody_finds_a_trial_that_leaks_or_loses_anything(
    pool_path: Path, hive: FakeHive, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    with effects(monkeypatch) as kills, ExitStack() as opened:
        daemons = [
            opened.enter_context(SteppedDaemon.made(pool_path / name, hive, token, kills))
            for name, token in (("here", "token-a"), ("there", "token-b"))
        ]
        world = World(hive, daemons, kills)
        story: list[str] = []
        for name, move in moves(random.Random(seed), MOVES):
            story.append(name)
            try:
                move(world)
                world.check()
            except AssertionError as error:
                raise AssertionError("\n".join(story)) from error
        # A search that finds nothing has to have looked.
        assert world.undone
