"""What an update would change, as a table for people."""

from collections.abc import Iterator
from shlex import quote

from mosaic.cli.output import aligned, printable
from mosaic.cli.shown import version_of
from mosaic.cli.units import size
from mosaic.wire.versions import ServiceChange, UpdatePlan

_NOTHING = "–"


def lines(name: str, plan: UpdatePlan) -> str:
    """Return the plan: one row for each thing that differs, then what it takes."""
    before = version_of(plan.label_before, plan.app_digest_before)
    after = version_of(plan.label_after, plan.app_digest_after)
    told = [f"{name}: {before} → {after}", ""]
    # Its words are the app's.
    rows = [[printable(cell) for cell in row] for row in _rows(plan)]
    told += [aligned(["WHAT", "NOW", "THEN"], rows)] if rows else ["Its compose file says the same as before."]
    told += ["", *_notes(name, plan), "Nothing was changed."]
    return "\n".join(told)


def _rows(plan: UpdatePlan) -> Iterator[list[str]]:
    for service in plan.services:
        yield from _service(service)
    yield from ([f"volume {one}", _NOTHING, "new, empty"] for one in plan.volumes_added)
    yield from ([f"volume {one}", "there", "not used; its data stays"] for one in plan.volumes_removed)
    yield from ([f"port {one}", _NOTHING, "published"] for one in plan.ports_added)
    yield from ([f"port {one}", "published", _NOTHING] for one in plan.ports_removed)


def _service(change: ServiceChange) -> Iterator[list[str]]:
    where = f"service {change.service}"
    images = [change.image_before or _NOTHING, change.image_after or _NOTHING]
    names = [*change.environment_added, *change.environment_removed, *change.environment_changed]
    if change.image_before != change.image_after:
        yield [where, *images]
    elif change.settings:
        yield [where, images[0], f"the same image, another {', '.join(change.settings)}"]
    elif not names:
        yield [where, images[0], "the same image, other settings"]
    if change.image_before is None or change.image_after is None:
        return
    yield from ([f"{where}: {one}", _NOTHING, "set"] for one in change.environment_added)
    yield from ([f"{where}: {one}", "set", _NOTHING] for one in change.environment_removed)
    yield from ([f"{where}: {one}", "set", "set to something else"] for one in change.environment_changed)


def _notes(name: str, plan: UpdatePlan) -> Iterator[str]:
    if plan.fetch_bytes is not None:
        yield f"At most {size(plan.fetch_bytes)} are fetched for it."
    if plan.asks:
        granting = " ".join(f"--grant {quote(printable(ask))}" for ask in plan.asks)
        yield f"It needs what {name} is not granted: mosaic policy {name} {granting}"
    if plan.failed:
        times = "once" if plan.failed == 1 else f"{plan.failed} times"
        yield f"It failed here {times} before, and was taken back: mosaic update {name} --report"
