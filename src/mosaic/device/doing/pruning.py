"""Removing packages that nothing here refers to any more. Images stay: other programs of the machine may use them."""

from collections.abc import Iterable

from mosaic.adapters import log
from mosaic.device.means import Means
from mosaic.device.outside import ask
from mosaic.device.records import Notes, Records
from mosaic.wire.assignment import Assignment


def in_use(records: Records, *, without: str | None = None) -> dict[str, set[str]]:
    """Return by app the digests that an assignment or a note refers to, but for those of one installation."""
    found: dict[str, set[str]] = {}
    for installation, notes in records.notes.items().items():
        if installation != without and notes.app:
            found.setdefault(notes.app, set()).update(_noted(notes))
    for installation, item in records.assignments.items().items():
        if installation != without:
            found.setdefault(item.app, set()).update(_assigned(item))
    return found


async def prune(means: Means, *, without: str | None = None) -> None:
    """Remove every version that is neither in use nor the one before, and what nobody's bytes are.

    One app may be installed several times, in versions of their own: all of them are in use. `without` is an
    installation that is leaving.
    """
    records = means.records
    # Looked at when the store is ours alone: until then another app may be assigned, and its package come.
    pruned = await ask(
        means.packages.store.prune, lambda: records.forget_vouchers(lambda: in_use(records, without=without))
    )
    if pruned.versions or pruned.blobs:
        log.info("packages_pruned", versions=", ".join(pruned.versions), blobs=len(pruned.blobs))


def _noted(notes: Notes) -> Iterable[str]:
    if notes.bundle:
        yield notes.bundle
    if notes.rendered:
        yield notes.rendered.split(" ")[0]


def _assigned(item: Assignment) -> Iterable[str]:
    yield item.app_digest
    if item.going_back is not None:
        yield item.going_back.present_digest
    if item.update is not None:
        yield item.update.app_digest
