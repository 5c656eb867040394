"""Heads in a store that is its own log: one create-only slot for each sequence number.

A head is accepted when it lies in its slot. A slot is written once, so of two
writers that go on from one head at most one is accepted, whatever is slow,
paused, cloned or cut off; the other finds the slot taken. Who may write is
said by the heads themselves: to take a volume over is to put the newest head
again, signed in the next epoch, into the next slot (`claim`), after which the
holder before finds that slot taken. Slots are never deleted.
"""

from dataclasses import replace
from typing import Literal

from mosaic.adapters.blobs import ObjectExists
from mosaic.core.errors import Corrupt, NotFound
from mosaic.core.ids import DeviceId, HeadHash, VolumeId
from mosaic.crypto.hashing import head_hash
from mosaic.storage.engine.heads import PREFIX, head_name, open_head, sign_head
from mosaic.storage.engine.store import Store
from mosaic.wire import head as wire

SLOT_PREFIX = "s-"
_DIGITS = 20


class LogDamaged(Corrupt):
    """The newest slots of the log are gone."""

    code = "log-damaged"

    def __init__(self, volume: VolumeId) -> None:
        super().__init__(
            f"the store has lost the newest entries of the history of volume {volume[:12]}",
            hint="nothing is written there any more; restore what the store lost, or the newest `h-…` object by "
            "`tools/rescue.py`",
        )


class HeadNotInStore(NotFound):
    """The store has no head of this hash."""

    code = "head-unknown"

    def __init__(self, head: HeadHash) -> None:
        super().__init__(
            f"the store has no head {head[:12]}", hint="`mosaic storage volumes` tells what each volume is doing"
        )


class SlotLog:
    """The history of one volume in a store whose `put` is create-only, also at the same moment."""

    def __init__(self, store: Store, volume: VolumeId) -> None:
        self._store = store
        self._volume = volume

    def commit(self, signed: bytes, *, wish: str | None = None) -> Literal["accepted", "stale"]:  # noqa: ARG002 (a Hive takes it)
        """Put a signed head into its slot: `accepted` (also when it is there already), or the slot is taken.

        The caller knows that the head before it is in the log. Raises
        Unavailable when it is unknown whether it was put.
        """
        head, _ = wire.parse(signed)
        try:
            self._store.put(slot_name(head.seq), signed)
        except ObjectExists:
            return "stale"
        return "accepted"

    def newest(self) -> tuple[HeadHash, bytes] | None:
        """Return the newest head and its signed bytes, None when the volume has none.

        Raises:
            LogDamaged: a head was mirrored whose slot is gone; to go on from an older one would fork the history.
            HeadForged, HeadUnreadable: the newest slot holds something else.
        """
        slots, mirrored = self._sequence_numbers()
        last = max(slots, default=0)
        if max(mirrored, default=0) > last:
            raise LogDamaged(self._volume)
        return self._read(last) if last else None

    def get(self, head: HeadHash) -> bytes:
        """Return a head's signed bytes. Raises NotFound when the log has no such head."""
        slots, mirrored = self._sequence_numbers()
        # A mirror's name has the hash, so that most heads are found without reading others.
        for seq in sorted(mirrored, reverse=True):
            if head in mirrored[seq]:
                return self._store.get(head_name(seq, head))
        for seq in sorted(slots, reverse=True):
            found, signed = self._read(seq)
            if found == head:
                return signed
        raise HeadNotInStore(head)

    def ends_with(self, signed: bytes) -> bool:
        """Return whether this head lies in its slot and nothing follows it: two requests, however long the log is."""
        head, _ = wire.parse(signed)
        try:
            self._store.get(slot_name(head.seq + 1))
        except NotFound:
            return self._store.get(slot_name(head.seq)) == signed
        return False

    def _sequence_numbers(self) -> tuple[set[int], dict[int, set[str]]]:
        """Return which slots there are, and the hashes of mirrored heads by their sequence numbers."""
        slots: set[int] = set()
        mirrored: dict[int, set[str]] = {}
        # Mirrors first: one follows its slot, so none is seen here whose slot was put only later.
        for entry in self._store.list(PREFIX):
            digits, _, found = entry.name.removeprefix(PREFIX).partition("-")
            if len(digits) == _DIGITS and digits.isdigit():
                mirrored.setdefault(int(digits), set()).add(found)
        for entry in self._store.list(SLOT_PREFIX):
            digits = entry.name.removeprefix(SLOT_PREFIX)
            if len(digits) == _DIGITS and digits.isdigit():
                slots.add(int(digits))
        return slots, mirrored

    def _read(self, seq: int) -> tuple[HeadHash, bytes]:
        signed = self._store.get(slot_name(seq))
        open_head(signed, self._volume)
        return head_hash(signed), signed


def slot_name(seq: int) -> str:
    """Return the object name of a slot: `s-` and the sequence number in 20 digits."""
    return f"{SLOT_PREFIX}{seq:020d}"


def claim(newest: bytes, seed: bytes, *, device: DeviceId) -> bytes:
    """Return the head that takes a volume over: the state of `newest`, in the next epoch and the next slot.

    It keeps the instant, for the data is as old as it was.
    """
    head, _ = wire.parse(newest)
    return sign_head(
        replace(
            head,
            epoch=head.epoch.next(),
            seq=head.seq + 1,
            previous=head_hash(newest),
            device=device,
        ),
        seed,
    )
