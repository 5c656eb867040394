"""Machines that share a store which is its own log, stopped at every request.

A machine is the real log and the real decisions, with a ledger that survives
its crashes; only snapshots and the order in which its parts are called are
written again here. The world lets one machine at a time make one request, and
decides what becomes of it: done, done with a lost answer, or the machine dies
before or after it.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, TypedDict, Unpack

from mosaic.adapters.blobs import ObjectExists, ObjectMissing, StoreUnavailable
from mosaic.core.epoch import Epoch
from mosaic.core.ids import DeviceId, HeadHash
from mosaic.crypto.hashing import head_hash
from mosaic.crypto.volume_keys import volume_id
from mosaic.storage.decide_commit import Acknowledge, AskLater, GiveWay, Place, SendAgain, resolve
from mosaic.storage.engine.heads import mirror_head, open_head, sign_head
from mosaic.storage.engine.slots import SlotLog, claim
from mosaic.storage.hiveless.decide_regain import (
    Behind,
    Claim,
    Claimed,
    Hold,
    Known,
    Lost,
    Newest,
    PutClaim,
    decide_regain,
)
from mosaic.wire import head as wire
from mosaic.wire.blobs import ObjectEntry

SEED = bytes(range(32))
VOLUME = volume_id(SEED)
_WAIT_SECONDS = 20.0

Fate = Literal["done", "answer lost", "killed before", "killed after"]


class Died(BaseException):
    """Stands for kill -9."""


@dataclass
class Turnstile:
    """Where one machine's requests wait to be let through. `moved`: it waits at the next one, or has stopped."""

    moved: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    fate: Fate = "done"
    waits: bool = False


class SharedStore:
    """The objects of the volume, create-only."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}


class Handle:
    """One machine's way to the store: a `Store`."""

    def __init__(self, store: SharedStore, turnstile: Turnstile) -> None:
        self._objects = store.objects
        self._turnstile = turnstile

    def put(self, name: str, data: bytes) -> None:
        fate = self._pass()
        there = self._objects.setdefault(name, data)
        self._answer(fate)
        if there != data:
            raise ObjectExists(name)

    def get(self, name: str) -> bytes:
        fate = self._pass()
        found = self._objects.get(name)
        self._answer(fate)
        if found is None:
            raise ObjectMissing(name)
        return found

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        return self.get(name)[offset : offset + length]

    def list(self, prefix: str) -> Iterator[ObjectEntry]:
        fate = self._pass()
        found = sorted(name for name in self._objects if name.startswith(prefix))
        self._answer(fate)
        yield from (ObjectEntry(name, len(self._objects[name])) for name in found)

    def delete(self, name: str) -> None:
        raise AssertionError("a slot stays")

    def _pass(self) -> Fate:
        turnstile = self._turnstile
        turnstile.waits = True
        turnstile.moved.release()
        assert turnstile.go.acquire(timeout=_WAIT_SECONDS)
        if turnstile.fate == "killed before":
            raise Died
        return turnstile.fate

    def _answer(self, fate: Fate) -> None:
        if fate == "killed after":
            raise Died
        if fate == "answer lost":
            raise StoreUnavailable("the store", "the answer was lost")


@dataclass(frozen=True)
class Ledger:
    """What a machine has on its disk. `accepted` and `pending` are signed heads."""

    accepted: bytes | None = None
    pending: bytes | None = None
    epoch: Epoch | None = None
    base: HeadHash | None = None
    claim: bytes | None = None
    take_over: bool = False
    set_aside: bool = False
    acknowledged: tuple[HeadHash, ...] = ()


class Change(TypedDict, total=False):
    """Fields of a ledger, and what they become."""

    accepted: bytes | None
    pending: bytes | None
    epoch: Epoch | None
    base: HeadHash | None
    claim: bytes | None
    take_over: bool
    set_aside: bool
    acknowledged: tuple[HeadHash, ...]


class Machine:
    """A machine. Its ledger changes in one step, as a transaction does."""

    def __init__(self, number: int, store: SharedStore, ledger: Ledger) -> None:
        self.number = number
        self.device = DeviceId(f"{number:032x}")
        self.ledger = ledger
        self.turnstile = Turnstile()
        self._handle = Handle(store, self.turnstile)
        self._log = SlotLog(self._handle, VOLUME)
        self._clock = number * 10**6
        self.mistake: BaseException | None = None

    @property
    def waits(self) -> bool:
        """Whether it is at a request; False when it has stopped."""
        return self.turnstile.waits

    def start(self, heads: int) -> None:
        """Start it: it regains what it can and then writes so many heads. Returns at its first request."""
        threading.Thread(target=self._run, args=(heads,), daemon=True).start()
        assert self.turnstile.moved.acquire(timeout=_WAIT_SECONDS)

    def let_through(self, fate: Fate) -> None:
        """Let its request happen, and return when it makes the next one, or has stopped."""
        self.turnstile.fate, self.turnstile.waits = fate, False
        self.turnstile.go.release()
        assert self.turnstile.moved.acquire(timeout=_WAIT_SECONDS)

    def _run(self, heads: int) -> None:
        try:
            if self._regain():
                for _ in range(heads):
                    self._round()
        except (Died, StoreUnavailable):
            return
        except BaseException as error:  # handed to the test: a broken promise in a thread must fail it
            self.mistake = error
        finally:
            self.turnstile.moved.release()

    def _regain(self) -> bool:
        ledger = self.ledger
        if ledger.set_aside:
            return False
        newest = self._log.newest()
        if newest is None and ledger.take_over:
            return False
        match decide_regain(self._known(), _newest(newest)):
            case Hold(epoch, base):
                self._hold(epoch, base)
                return True
            case Claim():
                assert newest is not None
                self._save(claim=claim(newest[1], SEED, device=self.device))
                return self._put_claim()
            case PutClaim():
                return self._put_claim()
            case Lost():
                self._save(set_aside=True, claim=None, take_over=False)
                return False
            case Behind():
                raise AssertionError("the store knows less than it acknowledged")

    def _put_claim(self) -> bool:
        signed = self.ledger.claim
        assert signed is not None
        if self._log.commit(signed) == "stale":
            return self._regain()
        self._hold(open_head(signed, VOLUME).epoch, head_hash(signed))
        return True

    def _hold(self, epoch: Epoch, base: HeadHash | None) -> None:
        if epoch == self.ledger.epoch:
            self._save(claim=None, take_over=False)
            return
        # Restored from the claim: what was here is set aside.
        restored = self.ledger.claim
        acknowledged = self.ledger.acknowledged + ((head_hash(restored),) if restored else ())
        self._save(
            epoch=epoch,
            base=base,
            accepted=restored,
            pending=None,
            claim=None,
            take_over=False,
            acknowledged=acknowledged,
        )

    def _round(self) -> None:
        ledger = self.ledger
        if ledger.pending is None:
            self._save(pending=self._next_head())
            self._send()
        else:
            self._settle(ledger.pending)

    def _send(self) -> None:
        pending = self.ledger.pending
        assert pending is not None
        if self._log.commit(pending) == "accepted":
            self._acknowledge(pending)
        else:
            self._settle(pending)

    def _settle(self, pending: bytes) -> None:
        newest, accepted = self._log.newest(), self.ledger.accepted
        found = _place(newest[1]) if newest else None
        match resolve(head_hash(pending), previous=_place(accepted) if accepted else None, newest=found):
            case Acknowledge():
                self._acknowledge(pending)
            case SendAgain():
                self._send()
            case AskLater():
                raise AssertionError("the store knows less than it acknowledged")
            case GiveWay():
                self._save(set_aside=True, pending=None)
                raise Died

    def _acknowledge(self, head: bytes) -> None:
        self._save(accepted=head, pending=None, acknowledged=(*self.ledger.acknowledged, head_hash(head)))
        mirror_head(self._handle, head)

    def _next_head(self) -> bytes:
        ledger, self._clock = self.ledger, self._clock + 1
        before = open_head(ledger.accepted, VOLUME) if ledger.accepted else None
        assert ledger.epoch is not None
        return sign_head(
            wire.Head(
                volume=VOLUME,
                epoch=ledger.epoch,
                seq=before.seq + 1 if before else 1,
                previous=head_hash(ledger.accepted) if ledger.accepted else None,
                instant_ns=self._clock,
                device=self.device,
                app_digest=None,
                config_revision=0,
                root=bytes(32),
                root_pack=bytes(16),
                flags=0,
            ),
            SEED,
        )

    def _known(self) -> Known:
        ledger = self.ledger
        signed = open_head(ledger.claim, VOLUME) if ledger.claim else None
        return Known(
            accepted=head_hash(ledger.accepted) if ledger.accepted else None,
            pending=head_hash(ledger.pending) if ledger.pending else None,
            epoch=ledger.epoch,
            base=ledger.base,
            claim=Claimed(head_hash(ledger.claim), signed.previous, signed.epoch) if ledger.claim and signed else None,
            take_over=ledger.take_over,
        )

    def _save(self, **changed: Unpack[Change]) -> None:
        self.ledger = replace(self.ledger, **changed)


def _newest(found: tuple[HeadHash, bytes] | None) -> Newest | None:
    return None if found is None else Newest(found[0], open_head(found[1], VOLUME).epoch)


def _place(signed: bytes) -> Place:
    head = open_head(signed, VOLUME)
    return Place(head_hash(signed), head.epoch, head.seq)
