"""Proving that a state of a volume can be restored."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

from mosaic.core.errors import Corrupt
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage.engine.beneath import Components
from mosaic.storage.engine.content import stored_chunks
from mosaic.storage.engine.fetch import Asked, Fetcher
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.listing import walk
from mosaic.storage.engine.records import NodeType
from mosaic.storage.engine.roots import OnProgress, Progress, RootRef, Verification, ignore_progress, shown
from mosaic.storage.engine.store import Store
from mosaic.storage.engine.survey import Survey
from mosaic.storage.engine.tree import Tree

_BATCH = 256


@dataclass(frozen=True, slots=True)
class VerifiedAll:
    """What `verify_all` found: the damaged paths of each state, and how many files all have together."""

    damaged: tuple[tuple[str, ...], ...]
    files: int
    read_bytes: int


def verify(
    root: RootRef,
    keys: VolumeKeys,
    store: Store,
    *,
    known: ChunkIndex,
    on_progress: OnProgress = ignore_progress,
) -> Verification:
    """Read every stored byte that the state reaches, check it, and name the paths that are damaged.

    `known` must have been loaded from this store.

    Raises:
        Unavailable: the store did not answer; call again.
        Corrupt: not even the root can be read.
    """
    with Fetcher(keys, store, known) as fetcher:
        tree = Tree(fetcher.get, root)
        checked = _Checked(tree)
        bad = _read(known.in_order(checked.chunks()), checked, fetcher, on_progress)
        damaged = checked.damaged(tree, bad)
        return Verification(checked.survey.files, checked.survey.blobs, fetcher.fetched_bytes, damaged)


def verify_all(
    roots: Sequence[RootRef],
    keys: VolumeKeys,
    store: Store,
    *,
    known: ChunkIndex,
    on_progress: OnProgress = ignore_progress,
) -> VerifiedAll:
    """Verify several states; what they share is read once. One whose root can't be read is damaged as a whole.

    Raises:
        Unavailable: the store did not answer; call again.
    """
    with Fetcher(keys, store, known) as fetcher:
        checked = _CheckedAll(roots, fetcher)
        bad = _read(known.in_order(checked.chunks()), checked, fetcher, on_progress)
        return VerifiedAll(tuple(checked.damaged(bad)), checked.files, fetcher.fetched_bytes)


class _Checked:
    """One state that is looked at."""

    def __init__(self, tree: Tree) -> None:
        self.survey = Survey(tree)
        self.content_bytes: int | None = tree.root.content_bytes
        self.chunks = self.survey.chunks

    @property
    def files(self) -> int:
        return self.survey.files

    def damaged(self, tree: Tree, bad: set[bytes]) -> tuple[str, ...]:
        return _damaged(tree, bad) if bad or not self.survey.is_whole else ()


class _CheckedAll:
    """Several states, each opened when its turn comes: a tree keeps megabytes of pages."""

    def __init__(self, roots: Sequence[RootRef], fetcher: Fetcher) -> None:
        self._roots = roots
        self._fetcher = fetcher
        self._whole: dict[int, bool] = {}
        self.files = 0
        self.content_bytes: int | None = None

    def chunks(self) -> Iterator[bytes]:
        for number, root in enumerate(self._roots):
            try:
                survey = Survey(Tree(self._fetcher.get, root))
                yield from survey.chunks()
            except Corrupt:
                continue
            self.files += survey.files
            self._whole[number] = survey.is_whole

    def damaged(self, bad: set[bytes]) -> Iterator[tuple[str, ...]]:
        for number, root in enumerate(self._roots):
            if number not in self._whole:
                yield (".",)
            elif bad or not self._whole[number]:
                yield _damaged(Tree(self._fetcher.get, root), bad)
            else:
                yield ()


def _read(
    blobs: Iterator[bytes], checked: _Checked | _CheckedAll, fetcher: Fetcher, on_progress: OnProgress
) -> set[bytes]:
    """Read all these blobs; return those that no pack has whole."""
    seen = _Seen()
    bad: set[bytes] = set()
    before: Asked | None = None
    for batch in _batches(blobs):
        # One batch is on its way while the one before it is waited for.
        asked = fetcher.ask(batch, seen.take)
        if before is not None:
            bad.update(blob for blob, _ in fetcher.answer(before))
            on_progress(Progress(checked.files, seen.bytes, checked.content_bytes))
        before = asked
    if before is not None:
        bad.update(blob for blob, _ in fetcher.answer(before))
    return bad


class _Seen:
    """Counts what was read and is whole, in several threads."""

    def __init__(self) -> None:
        self.bytes = 0
        self._lock = threading.Lock()

    def take(self, _: bytes, content: bytes) -> None:
        with self._lock:
            self.bytes += len(content)


def _batches(blobs: Iterator[bytes]) -> Iterator[list[bytes]]:
    while batch := list(dict.fromkeys(islice(blobs, _BATCH))):
        yield batch


def _damaged(tree: Tree, bad: set[bytes]) -> tuple[str, ...]:
    """Return the paths that the damage hits."""
    found: set[str] = set()

    def lost(path: Components, _: Corrupt) -> None:
        found.add(shown(b"/".join(path)) or ".")

    for listed in walk(tree, lost):
        if listed.node.type is NodeType.FILE:
            chunks = stored_chunks(tree, listed.number, listed.node, partial(lost, listed.path))
            if any([blob in bad for _, blob in chunks]):  # noqa: C419 (all of them, or a damaged page is not met)
                found.add(shown(b"/".join(listed.path)))
    return tuple(sorted(found))
