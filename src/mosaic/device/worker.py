"""One installation's worker: look, plan, carry out, look again, until nothing is left.

Each installation has its own, so that one slow app holds no other. Every step
may be cut short: when the assignment changes for good, the step under way is
cancelled and the next plan starts from what is there, as after a kill.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import anyio

from mosaic.adapters import log, memory
from mosaic.adapters.private_file import disk_refused
from mosaic.core.errors import Corrupt, Fenced, MosaicError, Unavailable
from mosaic.core.goal import Goal
from mosaic.core.ids import InstallationId
from mosaic.core.reconcile import Desired, Observed, plan
from mosaic.core.steps import (
    CheckUpdate,
    CloseEntrance,
    FetchUpdate,
    FinalSnapshot,
    PullUpdate,
    SaveAhead,
    SavePresent,
    Snapshot,
    StartApp,
    Step,
    TryUpdate,
    UpdateStep,
)
from mosaic.device import vouching
from mosaic.device.backoff import bound, jittered
from mosaic.device.bell import Bell
from mosaic.device.carry_out import carry_out, with_volumes
from mosaic.device.describe import Work
from mosaic.device.doing import bundles
from mosaic.device.doing.stopping import forget
from mosaic.device.doing.updating import PlanOver
from mosaic.device.lookout import Sight
from mosaic.device.means import Means
from mosaic.device.observe import containers_of, desired, is_well, observed, seen_update, service_sights
from mosaic.device.package import check_words
from mosaic.device.progress import NAMES, Progress
from mosaic.device.records import release_of
from mosaic.device.tending import Tending
from mosaic.wire.assignment import Assignment, VolumeAssignment

LEAST_PAUSE_SECONDS = 0.05
PATIENCE = 4
"""So many times something outside may not answer before the attempt is reported as failed."""

_BESIDE = (FetchUpdate, CheckUpdate, PullUpdate, SaveAhead)
"""What an update does while the app runs. It gives way to whatever the app needs meanwhile."""

STARTS_REMEMBERED_NS = 600 * 10**9


class WorkerBroke(MosaicError):
    """A mistake in Mosaic itself."""

    code = "worker-broke"

    def __init__(self, error: Exception) -> None:
        super().__init__(
            f"Mosaic made a mistake here: {type(error).__name__}: {error}",
            hint="the Device's log has the details; please report it. It tries again by itself",
        )


class Worker:
    """Works on one installation until cancelled."""

    def __init__(self, installation: InstallationId, means: Means, on_change: Callable[[], None]) -> None:
        self.installation = installation
        self.progress = Progress(means.clock, on_change)
        self.problem: MosaicError | None = None
        self.failed = False
        self.step: Step | None = None
        self.last_step: Step | None = None
        self.idle = False
        self._means = means
        self._on_change = on_change
        self._bell = Bell()
        self._news = Bell()
        self._links_bell = Bell()
        self._item: Assignment | None = None
        self._scope: anyio.CancelScope | None = None
        self._worked = False
        self._attempts = 0
        self._ailing = False
        self._starts: list[int] = []
        self._before: tuple[Observed, list[Step]] | None = None
        self._tending = Tending(means)

    @property
    def work(self) -> Work:
        """How the work is, for a report."""
        return Work(
            self.installation,
            self._effective(self._item),
            self.step,
            self.idle,
            self.problem or self._tending.notice,
            self.failed,
            self.progress.steps,
        )

    @property
    def item(self) -> Assignment | None:
        """The assignment; None while there is none."""
        return self._item

    def assign(self, item: Assignment | None) -> None:
        """Take a new assignment (None: not this Device's any more). A step under way for another goal is cut short."""
        if item is not None and self._item is not None and not item.volumes:
            item = with_volumes(item, self._item.volumes)
        before, self._item = self._item, item
        if _essence(self._effective(before)) != _essence(self._effective(item)):
            self._attempts = 0
            self._starts.clear()
            self._before = None
            self._ailing = False
            self.idle = False
            self.problem, self.failed = None, False
            self._tending.begin_anew()
            if self._scope is not None:
                self._scope.cancel()
            self.hurry()
        else:
            self.wake()

    def wake(self) -> None:
        """Look again: something changed outside."""
        self._bell.ring()
        self._links_bell.ring()

    def hurry(self) -> None:
        """Look again at once, even while waiting to repeat what failed."""
        self._news.ring()
        self._bell.ring()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                self.idle = await self._pass()
            except MosaicError as error:
                await self._after_failure(error)
                continue
            except Exception as error:  # a mistake of ours about one app must not end the work on all others
                refused = disk_refused(error)
                if refused is None:
                    log.mistake("worker_broke", error, installation=self.installation)
                await self._after_failure(refused or WorkerBroke(error))
                continue
            if self.idle:
                self._on_change()
                if self._worked:
                    self._worked = False
                    memory.give_back()
                await self._bell.wait(self._pause_seconds())

    async def _pass(self) -> bool:
        """Look, plan and carry out once. Returns whether there was nothing to do."""
        item = self._item
        if item is not None:
            check_words(item)
        sight = await self._means.lookout.look()
        wanted, seen, steps = self._planned(sight, item)
        effective = self._effective(item)
        if self._item is not item:
            # Assigned anew while we looked.
            return False
        if not steps:
            if item is None and not seen.volumes and self._means.records.notes.get(self.installation) is not None:
                # Nothing of it is here any more but what we noted for it.
                await forget(self._means, self.installation)
            self._settled(wanted)
            return effective is None or not await self._tended(effective, sight, seen)
        if effective is not None and _is_replaced(effective, seen):
            # What runs is stopped for nothing that could not be started: nobody vouches for it, or there is no room.
            await vouching.require(self._means, effective)
            await bundles.have(self._means, effective)
        if self._before == (seen, steps):
            # Carried out without an effect: what is missing must come from outside.
            await self._pause(self._attempts + 1)
            self._attempts += 1
        self._before = (seen, steps)
        await self._carry_out(steps, item)
        return False

    def _planned(self, sight: Sight, item: Assignment | None) -> tuple[Desired | None, Observed, list[Step]]:
        """Return what is wanted and seen, and what to do about it."""
        records, installation = self._means.records, self.installation
        item = self._effective(item)
        update = seen_update(records.update_of(installation), records.taken_of(installation), item)
        notes = records.notes_of(installation)
        seen = replace(
            observed(sight, installation, notes, item),
            update=update,
            ailing=self._ailing,
        )
        wanted = desired(item, notes.keys) if item is not None else None
        return wanted, seen, plan({installation: wanted} if wanted else {}, {installation: seen})

    def _effective(self, item: Assignment | None) -> Assignment | None:
        return self._means.records.effective(item) if item is not None else None

    async def _carry_out(self, steps: list[Step], item: Assignment | None) -> None:
        self.progress.expect([NAMES[type(step)] for step in steps], anew=self.idle)
        self.idle = False
        self._worked = True
        with anyio.CancelScope() as scope:
            self._scope = scope
            try:
                for step in steps:
                    await self._one(step, item)
            except PlanOver as over:
                log.info("plan_over", installation=self.installation, reason=str(over))
            finally:
                self._scope = None
                self.step = None
        if not scope.cancelled_caught:
            self._attempts = 0

    async def _one(self, step: Step, item: Assignment | None) -> None:
        self.step = self.last_step = step
        self._on_change()
        if isinstance(step, StartApp):
            await self._space_out_starts()
        elif isinstance(step, TryUpdate):
            # What was wrong with the version before says nothing about this one.
            self.problem, self.failed = None, False
        log.info("step_began", installation=self.installation, step=type(step).__name__)
        begun_ns = self._means.clock.boot_ns()
        if isinstance(step, _BESIDE):
            await self._beside(step, item)
        elif isinstance(step, Snapshot):
            await self._while_it_runs(step, item)
        else:
            await self._do(step, item)
        if isinstance(step, StartApp):
            self._ailing = False
        seconds = (self._means.clock.boot_ns() - begun_ns) / 10**9
        log.info("step_ended", installation=self.installation, step=type(step).__name__, seconds=round(seconds, 3))

    async def _do(self, step: Step, item: Assignment | None) -> None:
        effective = self._effective(self._item or item)
        await carry_out(step, self._means, effective, self.progress, self._bell, self._learn)

    async def _beside(self, step: Step, item: Assignment | None) -> None:
        """Carry out a step, unless the app needs something meanwhile: then what was planned is over."""
        # Kept and raised afterwards: out of a task group it would come wrapped.
        ended: MosaicError | PlanOver | None = PlanOver("the app needs something else first")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch_app, item, tasks.cancel_scope)
            try:
                await self._do(step, item)
                ended = None
            except (MosaicError, PlanOver) as error:
                ended = error
            tasks.cancel_scope.cancel()
        if ended is not None:
            raise ended

    async def _while_it_runs(self, step: Step, item: Assignment | None) -> None:
        """Carry out a step that may take as long as the line does, and look after the links of the app meanwhile."""
        ended: MosaicError | PlanOver | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keep_links)
            try:
                await self._do(step, item)
            except (MosaicError, PlanOver) as error:
                ended = error
            tasks.cancel_scope.cancel()
        if ended is not None:
            raise ended

    async def _keep_links(self) -> None:
        while True:
            with suppress(MosaicError):
                sight = await self._means.lookout.look()
                _, seen, _ = self._planned(sight, self._item)
                item = self._effective(self._item)
                if item is not None and _is_as_assigned(item, seen):
                    await self._tending.tend_links(item, sight)
            await self._links_bell.wait(self._tending.pause_seconds())

    async def _watch_app(self, item: Assignment | None, scope: anyio.CancelScope) -> None:
        while True:
            await self._bell.wait()
            with suppress(MosaicError):
                _, _, steps = self._planned(await self._means.lookout.look(), item)
                if not steps or not isinstance(steps[0], (*_BESIDE, CloseEntrance)):
                    scope.cancel()

    def _learn(self, volumes: list[VolumeAssignment]) -> None:
        if self._item is not None:
            self._item = with_volumes(self._item, volumes)
            # Without a Hive the ledger must know them too.
            self._means.records.assignments.put(self.installation, self._item)

    async def _space_out_starts(self) -> None:
        """The first start is at once; an app that keeps ending is started again ever more seldom."""
        now_ns = self._means.clock.boot_ns()
        self._starts = [at for at in self._starts if now_ns - at < STARTS_REMEMBERED_NS]
        if self._starts:
            waited = (now_ns - self._starts[-1]) / 10**9
            await self._news.wait(max(0.0, bound(len(self._starts)) - waited))
        self._starts.append(self._means.clock.boot_ns())

    async def _tended(self, item: Assignment, sight: Sight, seen: Observed) -> bool:
        """Look after what runs; whether that changed something."""
        if item.goal != "run" or item.epoch is None or seen.containers is None:
            return False
        return await self._tending.tend(item, sight, well=self._healthy())

    def _pause_seconds(self) -> float | None:
        """Return when what runs is to be looked at without being woken; None: nothing runs."""
        runs = self._item is not None and self._item.goal == "run" and self._item.epoch is not None
        return self._tending.pause_seconds() if runs else None

    def _settled(self, wanted: Desired | None) -> None:
        self._attempts = 0
        self._before = None
        self._ailing = False
        if self.failed and wanted is not None and wanted.goal is Goal.RUN and not self._healthy():
            # It was started and is not well: that stays true until it is.
            return
        self.problem, self.failed = None, False

    def _healthy(self) -> bool:
        sight = self._means.lookout.latest
        if sight is None:
            return False
        services = self._means.records.notes_of(self.installation).services
        return is_well(service_sights(containers_of(sight, self.installation), services))

    async def _after_failure(self, error: MosaicError) -> None:
        self._attempts += 1
        if isinstance(error, Fenced):
            # The Hive will say so itself; until then nothing here is wrong that a person could mend.
            log.info("fenced", installation=self.installation, reason=error.message)
        self.problem = error
        passes = isinstance(error, Unavailable) or isinstance(self.last_step, UpdateStep)
        self.failed = not passes or (self._attempts > PATIENCE and not self._proving)
        self._ailing = self.failed and isinstance(self.last_step, StartApp)
        self.step = None
        level = log.error if isinstance(error, Corrupt) else log.warning
        level("step_failed", installation=self.installation, code=error.code, reason=error.message)
        self._on_change()
        await self._pause(self._attempts)

    @property
    def _proving(self) -> bool:
        """A snapshot or an update that waits for the Hive is no failure of the app: it goes on as long as it takes."""
        return isinstance(self.last_step, Snapshot | FinalSnapshot | SavePresent | UpdateStep)

    async def _pause(self, attempt: int) -> None:
        await self._news.wait(max(LEAST_PAUSE_SECONDS, jittered(attempt, self._means.draw)))


def _is_replaced(item: Assignment, seen: Observed) -> bool:
    """Whether another version runs than the assignment's. Who goes back gets what the earlier data belongs to.

    In an update nothing is in question: the version that ran before it is the one that runs after it, or was vouched
    for when it was fetched.
    """
    runs = seen.containers is not None and seen.containers.app_digest != item.app_digest
    wanted = item.goal == "run" and item.epoch is not None and item.going_back is None
    return runs and wanted and not seen.update.closed


def _is_as_assigned(item: Assignment, seen: Observed) -> bool:
    return item.goal == "run" and item.epoch is not None and seen.running and seen.containers == release_of(item)


def _essence(item: Assignment | None) -> tuple[object, ...] | None:
    """What a step depends on: a change of anything else (a newer head, a port wish) is no reason to begin again."""
    if item is None:
        return None
    bases = tuple((volume.volume, volume.base) for volume in item.volumes) if item.goal in ("run", "stop") else ()
    config = tuple(sorted(item.config.items()))
    return (
        item.goal,
        item.epoch,
        item.app_digest,
        item.config_revision,
        item.restart_count,
        config,
        item.open,
        bases,
        item.going_back,
        (item.update.id, item.update.app_digest, item.update.gate_seconds) if item.update else None,
        # Whoever was refused for want of them is let in at once.
        item.catalog,
        item.approval,
        # What is started is told it, and what takes hours is not to hold it up.
        item.link,
    )
