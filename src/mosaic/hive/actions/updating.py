"""Another version of an app: taking the wish, and taking it back; going back to one that it ran; following.

The Device carries a wish out (see `mosaic.hive.updates` for how it ends). Only
one is open at a time, and only where the app is settled.
"""

from mosaic.adapters.sql import generations, heads, installations, restores, updates, volumes
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Orderer
from mosaic.adapters.sql.generations import Generation
from mosaic.adapters.sql.installations import Installation
from mosaic.adapters.sql.updates import Update
from mosaic.core.errors import Conflict, NotFound, Refused
from mosaic.core.ids import AccountId
from mosaic.core.placement import Moving, Phase
from mosaic.crypto.tokens import new_id
from mosaic.hive import roll_call, sources, succession
from mosaic.hive.actions.going_back import go_back
from mosaic.hive.actions.installations import changed
from mosaic.hive.app_check import require_runnable
from mosaic.hive.finding import find_installation
from mosaic.hive.present import sight
from mosaic.hive.present.installations import home_report
from mosaic.hive.runtime import Hive
from mosaic.hive.updates import BeingUpdated, end_cut_short, version_words
from mosaic.hive.version_choice import AlreadyRuns, Chosen, choose, require_vouched
from mosaic.hive.wishes import GoesBack, placement_of
from mosaic.wire import api, versions
from mosaic.wire.updating import GATE_SECONDS

MOST_FAILURES = 2
"""A version that failed so often on an installation is not tried again unless its owner says so."""

MOST_GATE_SECONDS = 240
"""A trial ends after five minutes, and the new version has to come up in them, too."""


class GateUnusable(Refused):
    """A new version cannot have to be well for so long."""

    code = "gate-unusable"

    def __init__(self, seconds: int) -> None:
        super().__init__(
            f"a new version cannot have to be well for {seconds} s before it counts",
            hint=f"say a number from 0 to {MOST_GATE_SECONDS} with `--gate`",
        )


class FailedBefore(Conflict):
    """This version failed twice on the installation."""

    code = "failed-before"

    def __init__(self, name: str, version: str, times: int) -> None:
        super().__init__(
            f"{version} failed {times} times on {name}, and was taken back each time",
            hint=f"`mosaic update {name} --report` has what was written then; to try once more: `mosaic update {name}"
            " --again`",
        )


class UpdateCounts(Conflict):
    """The new version runs and its data counts: nothing takes it back by itself any more."""

    code = "update-counts"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} runs the new version already, and its data counts",
            hint=f"to go back to the version before, and its data: `mosaic rollback {name}`",
        )


class GenerationUnknown(NotFound):
    """The installation has no such generation to go back to."""

    code = "generation-unknown"

    def __init__(self, name: str, to: int | None) -> None:
        what = f"no generation {to} to go back to" if to is not None else "run one version only, and none before it"
        super().__init__(f"{name} has {what}", hint=f"`mosaic rollback {name} --list` shows which versions it ran")


class GenerationsDataGone(Conflict):
    """The last snapshot of a generation is not kept any more."""

    code = "generations-data-gone"

    def __init__(self, name: str, n: int) -> None:
        super().__init__(
            f"the last snapshot that generation {n} of {name} wrote is not kept any more",
            hint=f"run its version on the present data: `mosaic rollback {name} --to {n} --keep-data`",
        )


async def update(hive: Hive, who: AccountId, installation: str, wish: versions.UpdateApp) -> api.Installation:
    """Want another version of the app. The same wish again, while it is open, changes nothing."""
    if not 0 <= wish.gate_seconds <= MOST_GATE_SECONDS:
        raise GateUnusable(wish.gate_seconds)
    found = await hive.read(lambda tx: find_installation(tx, who, installation))
    chosen = await choose(hive, found, wish.digest, wish.approval)
    require_vouched(chosen)
    return await _want(hive, chosen, gate_seconds=wish.gate_seconds, again=wish.again)


async def take_by_itself(hive: Hive, chosen: Chosen) -> api.Installation:
    """Want the newer version that an installation follows. Raises what `update` does."""
    require_vouched(chosen)
    return await _want(hive, chosen, gate_seconds=GATE_SECONDS, by_itself=True)


async def cancel_update(hive: Hive, who: AccountId, installation: str) -> api.Installation:
    """Take the open wish back: the version before stays, or runs again. Raises UpdateCounts."""
    seen = sight.take(hive)

    def change(tx: Tx, found: Installation) -> None:
        roll_call.require_none(tx)
        wish = updates.newest(tx, found.id)
        if wish is None or (wish.ended_ns is not None and wish.outcome != "done"):
            return
        said = home_report(tx, found, seen)
        state = said.update if said is not None else None
        is_done = state is not None and (state.id, state.stage) == (wish.id, "done")
        if wish.ended_ns is not None or is_done:
            raise UpdateCounts(found.name)
        end_cut_short(tx, found, wish, "it was called off", now_ns=seen.now_ns, outcome="called-off")

    return await changed(hive, who, installation, change)


async def roll_back(hive: Hive, who: AccountId, installation: str, wish: versions.RollBack) -> api.Installation:
    """Go back to a generation: its version and its last data, or its version alone.

    Raises:
        GenerationUnknown, GenerationsDataGone; what `go_back` and `update` raise.
    """
    found, target = await hive.read(lambda tx: _target(tx, who, installation, wish.to))
    if wish.keep_data:
        return await update(hive, who, found.id, versions.UpdateApp(target.app_digest, again=True))
    if target.last_head is None or not await hive.read(lambda tx: _is_kept(tx, found, target)):
        raise GenerationsDataGone(found.name, target.n)
    back = api.GoBack(target.last_head, with_app=True)
    return await go_back(hive, who, found.id, back, version=target.app_digest)


async def follow(hive: Hive, who: AccountId, installation: str, wish: versions.Follows) -> api.Installation:
    """Take newer versions by itself from now on, or not any more."""

    def change(tx: Tx, found: Installation) -> tuple[str, str] | None:
        if found.follows == wish.follows:
            return None
        installations.set_follows(tx, found.id, follows=wish.follows)
        if wish.follows:
            return "follows", f"{found.name} takes newer versions by itself."
        return "stays", f"{found.name} takes no newer version by itself."

    return await changed(hive, who, installation, change)


async def _want(
    hive: Hive, chosen: Chosen, *, gate_seconds: int, again: bool = False, by_itself: bool = False
) -> api.Installation:
    # All that can be wrong is looked at before anything large is fetched, and it is here before anything is promised.
    await hive.in_thread(lambda: require_runnable(chosen.choice.file, chosen.found))
    await sources.keep(hive, chosen.choice)
    seen = sight.take(hive)

    def change(tx: Tx, found: Installation) -> tuple[str, str] | None:
        if not _require_free(tx, found, chosen):
            return None
        offer, version = chosen.offer, version_words(chosen.offer.label, chosen.digest)
        times = updates.failures(tx, found.id, chosen.digest)
        if times >= MOST_FAILURES and not again:
            raise FailedBefore(found.name, version, times)
        updates.add(
            tx,
            Update(
                id=new_id(),
                installation=found.id,
                from_digest=found.app_digest,
                app_digest=chosen.digest,
                label=offer.label,
                gate_seconds=gate_seconds,
                by_itself=by_itself,
                asked_ns=seen.now_ns,
                catalog=offer.catalog,
                approval=offer.approval,
            ),
        )
        why = "It follows: " if by_itself else ""
        return "updating", f"{why}{found.name} is updated to {version}; when that is not well, it stays as it is."

    by: Orderer = "scheduler" if by_itself else "owner"
    return await changed(hive, chosen.found.account, chosen.found.id, change, by=by)


def _require_free(tx: Tx, found: Installation, chosen: Chosen) -> bool:
    """Return whether a wish has to be written; False when this very one is open. Raises what is under way instead."""
    roll_call.require_none(tx)
    if found.app_digest == chosen.digest:
        raise AlreadyRuns(found.name, found.label, found.app_digest)
    open_one = updates.open_one(tx, found.id)
    if open_one is not None:
        if open_one.app_digest == chosen.digest:
            return False
        raise BeingUpdated(found.name)
    if restores.open_one(tx, found.id) is not None:
        raise GoesBack(found.name)
    succession.require_none(tx, found)
    where = placement_of(tx, found.id)
    if where.phase is not Phase.SETTLED:
        raise Moving(where.phase)
    return True


def _target(tx: Tx, who: AccountId, installation: str, to: int | None) -> tuple[Installation, Generation]:
    found = find_installation(tx, who, installation)
    ran = generations.of(tx, found.id)
    # The present one is no way back.
    former = [each for each in ran[1:] if to in (None, each.n)]
    if not former:
        raise GenerationUnknown(found.name, to)
    return found, former[0]


def _is_kept(tx: Tx, found: Installation, target: Generation) -> bool:
    data = volumes.data_of(tx, found.id)
    return data is not None and target.last_head is not None and heads.is_kept(tx, data.id, target.last_head)
