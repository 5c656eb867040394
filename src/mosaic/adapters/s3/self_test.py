"""Finding out which conditional writes a store holds to.

Stores that know no conditions often take the header and ignore it, and some
look first and write then, so that two writers at once both win. Neither can
be read from an answer: it has to be tried, one after another and at once.
"""

import contextlib
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from mosaic.adapters.s3.bucket import Found
from mosaic.adapters.s3.failures import ConditionFailed, ConditionsUnknown
from mosaic.core.errors import MosaicError, NotFound

_ROUNDS = 20
_WRITERS = 4
_START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Conditions:
    """Which conditional writes a store holds to: `If-None-Match: *`, and `If-Match` with a tag."""

    create_only: bool
    compare_and_swap: bool


class Conditional(Protocol):
    """What is tested. `mosaic.adapters.s3.bucket.S3Bucket` says what each verb owes."""

    def create(self, key: str, data: bytes) -> str | None: ...
    def swap(self, key: str, data: bytes, tag: str) -> str | None: ...
    def write(self, key: str, data: bytes) -> None: ...
    def read(self, key: str) -> Found: ...
    def delete(self, key: str) -> None: ...


def find_conditions(store: Conditional, prefix: str, *, rounds: int = _ROUNDS) -> Conditions:
    """Try both conditions, in a folder of its own under `prefix`, and delete what was written.

    A key that may not delete leaves some thirty objects of a few bytes.

    Raises:
        MosaicError: the store could not be tried out; nothing is known of its conditions then.
    """
    folder = "/".join(part for part in (prefix, "self-test", secrets.token_hex(8)) if part)
    with _scratch(store, folder) as scratch:
        return Conditions(
            create_only=_holds(lambda: _creates_only(scratch, rounds)),
            compare_and_swap=_holds(lambda: _compares_and_swaps(scratch, rounds)),
        )


@dataclass(frozen=True, slots=True)
class _Scratch:
    store: Conditional
    folder: str
    keys: list[str]

    def new_key(self) -> str:
        # Noted before it is written: what a failure leaves is deleted too.
        self.keys.append(f"{self.folder}/{len(self.keys)}")
        return self.keys[-1]


@contextlib.contextmanager
def _scratch(store: Conditional, folder: str) -> Iterator[_Scratch]:
    scratch = _Scratch(store, folder, [])
    try:
        yield scratch
    finally:
        for key in scratch.keys:
            with contextlib.suppress(MosaicError):
                store.delete(key)


def _holds(tried: Callable[[], bool]) -> bool:
    try:
        return tried()
    except (ConditionsUnknown, NotFound):
        # It says so itself, or it lost what it had just confirmed.
        return False


def _creates_only(scratch: _Scratch, rounds: int) -> bool:
    store, key = scratch.store, scratch.new_key()
    if not _accepts(lambda: store.create(key, b"first")) or _accepts(lambda: store.create(key, b"second")):
        return False
    if store.read(key).data != b"first":
        return False
    return all(_one_wins(store, key, store.create) for key in [scratch.new_key() for _ in range(rounds)])


def _compares_and_swaps(scratch: _Scratch, rounds: int) -> bool:
    store, key = scratch.store, scratch.new_key()
    store.write(key, b"first")
    tag = store.read(key).tag
    if tag is None or not _accepts(lambda: store.swap(key, b"second", tag)):
        return False
    if _accepts(lambda: store.swap(key, b"third", tag)) or store.read(key).data != b"second":
        return False
    return all(_one_swaps(store, key) for _ in range(rounds))


def _one_swaps(store: Conditional, key: str) -> bool:
    tag = store.read(key).tag
    return tag is not None and _one_wins(store, key, lambda name, data: store.swap(name, data, tag))


def _one_wins(store: Conditional, key: str, write: Callable[[str, bytes], object]) -> bool:
    """Whether of several writers at once one is told that it won, and it is the one whose bytes are there."""
    offers = [secrets.token_bytes(16) for _ in range(_WRITERS)]
    start = threading.Barrier(_WRITERS)

    def offer(data: bytes) -> bool:
        start.wait(_START_SECONDS)
        return _accepts(lambda: write(key, data))

    with ThreadPoolExecutor(_WRITERS) as writers:
        accepted = list(writers.map(offer, offers))
    won = [data for data, is_accepted in zip(offers, accepted, strict=True) if is_accepted]
    there = store.read(key).data
    # Nobody was told: the winner's first answer got lost on the way, and its second try met its own bytes.
    return won == [there] or (not won and there in offers)


def _accepts(write: Callable[[], object]) -> bool:
    try:
        write()
    except ConditionFailed:
        return False
    return True
