"""All installations of this Device: who works on what, and when a worker is begun or ended.

Until the Hive has said what belongs here, only what the ledger remembers is
worked on, and nothing that runs is touched; afterwards whatever is here and
was not assigned is stopped and kept (G5).
"""

from collections.abc import Callable
from dataclasses import replace

import anyio
import msgspec
from anyio.abc import TaskGroup

from mosaic.adapters import log
from mosaic.adapters.ledger import LedgerNotWritten
from mosaic.core.errors import MosaicError
from mosaic.core.ids import InstallationId
from mosaic.device.app_snapshots import AppSnapshots
from mosaic.device.describe import Work
from mosaic.device.means import Means
from mosaic.device.observe import installations_in
from mosaic.device.worker import Worker
from mosaic.wire.assignment import Assignment
from mosaic.wire.channel import Assignments

ABANDON_SECONDS = 180.0


class Fleet:
    """The workers. `on_change` is called whenever a report would read differently.

    `problem` is why an assignment that has come was not taken yet.
    """

    def __init__(self, means: Means, tasks: TaskGroup, on_change: Callable[[], None]) -> None:
        self._means = means
        self._tasks = tasks
        self._on_change = on_change
        self._workers: dict[InstallationId, tuple[Worker, anyio.CancelScope]] = {}
        self._snapshots: dict[str, AppSnapshots] = {}
        self.confirmed = False
        self.revision = 0
        self.problem: MosaicError | None = None

    @property
    def works(self) -> list[Work]:
        """How the work on every installation is."""
        return [
            work if work.problem else replace(work, problem=self._snapshots[work.installation].problem)
            for work in (worker.work for worker, _ in self._workers.values())
        ]

    def recall(self) -> None:
        """Work on what the ledger remembers; start nothing yet that does not run."""
        for item in self._means.records.assignments.items().values():
            self._worker(InstallationId(item.installation)).assign(msgspec.structs.replace(item, epoch=None))

    def go_on_alone(self) -> None:
        """No Hive has answered for a while: start what was here under policy manual, unconfirmed (G10)."""
        if self.confirmed:
            return
        for item in self._means.records.assignments.items().values():
            if item.failover == "manual" and item.epoch is not None:
                log.info("going_on_without_hive", installation=item.installation)
                self._worker(InstallationId(item.installation)).assign(item)

    def assign(self, message: Assignments) -> None:
        """Take the whole set of assignments. An older revision than the last one is ignored.

        Raises LedgerNotWritten: nothing was taken, or not all; to be called again with the same message.
        """
        if self.confirmed and message.revision < self.revision:
            return
        records = self._means.records
        records.replace_assignments(message.items, now_ns=self._means.clock.wall_ns())
        if records.device.upgrades != message.upgrades:
            records.device = msgspec.structs.replace(records.device, upgrades=message.upgrades)
        self.revision = message.revision
        self.confirmed = True
        assigned = {InstallationId(item.installation): item for item in message.items}
        for installation, item in assigned.items():
            self._confirm(installation, item)
            self._worker(installation).assign(item)
        noted = {InstallationId(installation) for installation in self._means.records.notes.items()}
        for installation in (self._workers.keys() | noted) - assigned.keys():
            self._worker(installation).assign(None)
        self.look_around()

    def look_around(self) -> None:
        """Something changed outside: wake every worker, begin those that are missing, end those with nothing left."""
        sight = self._means.lookout.latest
        here = installations_in(sight) if sight else set[InstallationId]()
        if self.confirmed:
            for installation in here - self._workers.keys():
                self._worker(installation)
        for installation, (worker, scope) in list(self._workers.items()):
            if worker.item is None and worker.idle and sight and installation not in here:
                scope.cancel()
                del self._workers[installation], self._snapshots[installation]
            else:
                worker.wake()
        self._on_change()

    def hurry(self) -> None:
        """What some steps wait for may be there now."""
        for worker, _ in self._workers.values():
            worker.hurry()

    async def abandon(self) -> None:
        """Another process speaks for this Device now: stop all apps here and keep what only we have (G5)."""
        self.confirmed = True
        for worker, _ in self._workers.values():
            worker.assign(None)
        await self._until_idle()

    async def let_go(self) -> bool:
        """This Device was removed: as if nothing belonged here, for good; say whether all apps here have stopped.

        What it was assigned is forgotten first, so that a start without the Hive starts nothing of it again.
        """
        try:
            self.assign(Assignments(self.revision, []))
        except LedgerNotWritten as error:
            # They stop all the same; the next start is told once more.
            log.warning("assignments_not_forgotten", code=error.code, reason=error.message)
            await self.abandon()
            return False
        return await self._until_idle()

    async def _until_idle(self) -> bool:
        with anyio.move_on_after(ABANDON_SECONDS):
            while not all(worker.idle for worker, _ in self._workers.values()):
                await anyio.sleep(0.1)
            return True
        return False

    def _worker(self, installation: InstallationId) -> Worker:
        known = self._workers.get(installation)
        if known is not None:
            return known[0]
        snapshots = AppSnapshots(self._means, self._on_change)
        worker, scope = Worker(installation, self._means, lambda: self._changed(snapshots)), anyio.CancelScope()
        self._workers[installation] = (worker, scope)
        self._snapshots[installation] = snapshots
        self._tasks.start_soon(_run, worker, snapshots, scope, name=f"worker {installation}")
        return worker

    def _changed(self, snapshots: AppSnapshots) -> None:
        snapshots.wake()
        self._on_change()

    def _confirm(self, installation: InstallationId, item: Assignment) -> None:
        if item.epoch is not None and self._means.records.notes_of(installation).unconfirmed:
            self._means.records.note(installation, unconfirmed=False)


async def _run(worker: Worker, snapshots: AppSnapshots, scope: anyio.CancelScope) -> None:
    with scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(snapshots.run, lambda: worker.work)
            await worker.run()
