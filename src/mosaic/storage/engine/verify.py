"""Proving that a state of a volume can be restored."""

from collections.abc import Iterator
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
        survey = Survey(tree)
        seen = _Seen()
        bad: set[bytes] = set()
        before: Asked | None = None
        for batch in _batches(known.in_order(survey.chunks())):
            # One batch is on its way while the one before it is waited for.
            asked = fetcher.ask(batch, seen.take)
            if before is not None:
                bad.update(blob for blob, _ in fetcher.answer(before))
                on_progress(Progress(survey.files, sum(seen.lengths), tree.root.content_bytes))
            before = asked
        if before is not None:
            bad.update(blob for blob, _ in fetcher.answer(before))
        damaged = _damaged(tree, bad) if bad or not survey.is_whole else ()
        return Verification(survey.files, survey.blobs, fetcher.fetched_bytes, damaged)


class _Seen:
    """Counts what was read and is whole. Lists may be appended to by several threads."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def take(self, _: bytes, content: bytes) -> None:
        self.lengths.append(len(content))


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
            path = listed.path
            chunks = stored_chunks(tree, listed.number, listed.node, lambda damage, path=path: lost(path, damage))  # type: ignore[misc]
            if any([blob in bad for _, blob in chunks]):  # noqa: C419 (all of them, or a damaged page is not met)
                found.add(shown(b"/".join(path)))
    return tuple(sorted(found))
