"""Refreshing catalogs: every hour, spread, and whenever somebody asks. What fails is noted beside what was there."""

import secrets

import anyio

from mosaic.adapters import log
from mosaic.adapters.sql import catalogs, events
from mosaic.adapters.sql.catalogs import KeptCatalog
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened
from mosaic.core.errors import MosaicError, Refused
from mosaic.hive import catalog_choice
from mosaic.hive.catalog_apps import Looked
from mosaic.hive.own_threads import in_own_thread
from mosaic.hive.runtime import Hive

HOUR_NS = 3600 * 10**9
_AGAIN_NS = 300 * 10**9
"""After a refresh to whose end nobody answered."""

_LOOK_SECONDS = 20.0
_LAST_SECONDS = 5.0
"""For the app that is looked at when a look ends. A registry may take minutes, in which nobody is to wait."""

_AGAIN_SECONDS = 30.0
_LONGEST_PAUSE_SECONDS = 600.0
_SPREAD_PERCENT = 10


async def keep(hive: Hive) -> None:
    """Refresh what is due, for ever."""
    while True:
        seen = hive.catalogs.changed.seen
        try:
            pause = await refresh_due(hive)
        except MosaicError as error:
            log.warning("catalogs_not_refreshed", code=error.code, reason=error.message)
            pause = _AGAIN_SECONDS
        await hive.catalogs.changed.wait(seen, seconds=pause)


async def refresh_due(hive: Hive) -> float:
    """Refresh every catalog whose time has come; return for how many seconds nothing is to be done.

    After a start all of them have: nobody knows what was missed.
    """
    kept = await hive.read(catalogs.every)
    due_ns = hive.catalogs.due_ns
    for gone in due_ns.keys() - {(one.account, one.name) for one in kept}:
        del due_ns[gone]
    due = [one for one in kept if due_ns.get((one.account, one.name), 0) <= hive.clock.boot_ns()]
    async with anyio.create_task_group() as tasks:
        # Repositories may be slow: those of one account make nobody else wait.
        for account in {one.account for one in due}:
            tasks.start_soon(_refresh_in_turn, hive, [one for one in due if one.account == account])
    next_ns = min(due_ns.values(), default=hive.clock.boot_ns() + HOUR_NS)
    # The pause does not go on while the machine sleeps, and the Hive's clock does.
    return min(max(1.0, (next_ns - hive.clock.boot_ns()) / 1e9), _LONGEST_PAUSE_SECONDS)


async def _refresh_in_turn(hive: Hive, kept: list[KeptCatalog]) -> None:
    for catalog in kept:
        try:
            await refresh(hive, catalog)
        except MosaicError as error:
            log.warning("catalog_not_refreshed", catalog=catalog.name, code=error.code, reason=error.message)
            plan_next(hive, catalog, error)
        except Exception as error:  # a mistake of ours about one catalog must not end the Hive
            log.mistake("refreshing_broke", error, catalog=catalog.name)
            hive.catalogs.due_ns[catalog.account, catalog.name] = hive.clock.boot_ns() + _spread(_AGAIN_NS)


async def refresh(hive: Hive, catalog: KeptCatalog) -> KeptCatalog | None:
    """Refresh one catalog and note how it ended; return it as it is now, None when it was removed meanwhile."""
    account, name = catalog.account, catalog.name
    async with hive.catalogs.turn(account, name):
        # Whoever asks had it before he waited: by now it may be gone, or another one under its name.
        now = await hive.read(lambda tx: catalogs.get(tx, account, name))
        if now is None:
            return None
        catalog = now
        refused = await _ask(hive, catalog)
        plan_next(hive, catalog, refused)
        now_ns = hive.clock.wall_ns()

        def note(tx: Tx) -> KeptCatalog | None:
            before = catalogs.get(tx, catalog.account, catalog.name)
            if before is None:
                return None
            problem = None if refused is None else refused.with_hint
            at_ns = now_ns if refused is None else before.refreshed_ns
            catalogs.note(tx, before, refreshed_ns=at_ns, problem=problem)
            if isinstance(refused, Refused) and problem != before.problem:
                text = f"The catalog {before.name} is not believed: {refused.message}. What it listed before stays."
                events.add(tx, Happened(before.account, "catalog-refused", before.name, text), now_ns=now_ns)
            return catalogs.get(tx, before.account, before.name)

        after = await hive.write(note)
    # Without the turn: registries may be slow, and Devices ask for the catalog meanwhile.
    if after is not None and refused is None:
        await look_at_apps(hive, after)
    return after


def plan_next(hive: Hive, catalog: KeptCatalog, refused: MosaicError | None) -> None:
    """Note when it is refreshed next by itself."""
    pause_ns = _spread(HOUR_NS if refused is None else _AGAIN_NS)
    hive.catalogs.due_ns[catalog.account, catalog.name] = hive.clock.boot_ns() + pause_ns


async def look_at_apps(hive: Hive, catalog: KeptCatalog, *, seconds: float = _LOOK_SECONDS) -> None:
    """Find out what its newest apps bring, as far as that can be had in a while. A refresh that comes soon goes on."""
    ends_ns = hive.clock.boot_ns() + int(seconds * 1e9)

    def look() -> Looked:
        targets = catalog_choice.takeable(hive.catalogs.listed(catalog))
        return hive.catalog_apps.look_at(catalog, targets, goes_on=lambda: hive.clock.boot_ns() < ends_ns)

    async with hive.catalogs.turn(catalog.account, f"{catalog.name}/apps"):
        looked: Looked = "some"
        with anyio.move_on_after(seconds + _LAST_SECONDS):
            looked = await in_own_thread(look)
    if looked != "all":
        pause_ns = 0 if looked == "cut-short" else _spread(_AGAIN_NS)
        hive.catalogs.due_ns[catalog.account, catalog.name] = hive.clock.boot_ns() + pause_ns
        hive.catalogs.changed.wake()


async def _ask(hive: Hive, catalog: KeptCatalog) -> MosaicError | None:
    now_ns = hive.clock.wall_ns()
    try:
        await in_own_thread(lambda: hive.catalogs.refresh(catalog, now_ns=now_ns))
    except MosaicError as error:
        return error
    return None


def _spread(pause_ns: int) -> int:
    """Return about so long, so that Hives which were started together do not ask in step."""
    part = pause_ns * _SPREAD_PERCENT // 100
    return pause_ns - part + secrets.randbelow(2 * part)
