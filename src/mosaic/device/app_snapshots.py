"""App-consistent snapshots of one installation, whenever one is due.

They are taken beside the worker, while it has nothing to do and the app is
well; the storage daemon's crash-consistent ones go on whatever happens here.
Nothing is looked at on a timer but the instant when the next one is due.
"""

from collections.abc import Callable

from mosaic.adapters import log
from mosaic.core.compose_document import Compose, as_pairs
from mosaic.core.errors import MosaicError
from mosaic.core.snapshot_hooks import (
    DEFAULT_EVERY_SECONDS,
    SnapshotHooks,
    due_in_seconds,
    snapshot_hooks,
    values_to_hide,
)
from mosaic.device.bell import Bell
from mosaic.device.describe import Work
from mosaic.device.doing.hooks import settle, take_snapshot
from mosaic.device.means import Means
from mosaic.device.observe import containers_of, is_well, service_sights
from mosaic.device.outside import ask
from mosaic.device.package import read_app
from mosaic.device.records import release_of, release_text
from mosaic.wire.assignment import Assignment


class AppSnapshots:
    """Takes one installation's, until cancelled. `problem` is what went wrong last, None when nothing did."""

    def __init__(self, means: Means, on_change: Callable[[], None]) -> None:
        self.problem: MosaicError | None = None
        self._means = means
        self._on_change = on_change
        self._bell = Bell()
        self._failures = 0
        self._failed_ns = 0
        self._every_seconds = DEFAULT_EVERY_SECONDS
        self._read: tuple[str, SnapshotHooks | None, frozenset[str]] | None = None

    def wake(self) -> None:
        """Look again: the work on the installation changed."""
        self._bell.ring()

    async def run(self, work: Callable[[], Work]) -> None:
        """Take them until cancelled; `work` tells how the installation is."""
        while True:
            try:
                pause = await self._pass(work())
            except MosaicError as error:
                pause = self._failed(work().installation, error)
            except Exception as error:  # a mistake of ours must cost the app none of its crash-consistent snapshots
                log.mistake("app_snapshot_broke", error, installation=work().installation)
                pause = None
            await self._bell.wait(pause)

    async def _pass(self, work: Work) -> float | None:
        """Take one if it is due. Returns when the next one is, None while the app is not well or has no hooks."""
        item = work.item
        if item is None or item.goal != "run" or item.epoch is None or not work.idle or not self._is_well(item):
            return None
        hooks, hidden = await self._hooks(item)
        if hooks is None:
            self._tell(None)
            return None
        self._every_seconds = hooks.every_seconds
        notes = self._means.records.notes_of(item.installation)
        due = self._due(notes.consistent_ns)
        if due <= 0 or (notes.after_owed and not self._failures):
            # What a killed Device left undone is not put off until the next one is due.
            await settle(self._means, item, hooks, hidden=hidden)
        if due > 0:
            return due
        now_ns = self._means.clock.wall_ns()
        await take_snapshot(self._means, item, hooks, hidden=hidden)
        self._means.records.note(item.installation, consistent_ns=now_ns)
        self._failures = 0
        self._tell(None)
        log.info("app_consistent_snapshot_cut", installation=item.installation)
        return float(hooks.every_seconds)

    def _due(self, last_ns: int | None) -> float:
        return due_in_seconds(
            self._every_seconds,
            now_ns=self._means.clock.wall_ns(),
            last_ns=last_ns,
            failures=self._failures,
            failed_ns=self._failed_ns,
        )

    def _failed(self, installation: str, error: MosaicError) -> float:
        self._failures += 1
        self._failed_ns = self._means.clock.wall_ns()
        log.warning("app_snapshot_failed", installation=installation, code=error.code, reason=error.message)
        self._tell(error)
        return self._due(None)

    def _tell(self, problem: MosaicError | None) -> None:
        if problem is not self.problem:
            self.problem = problem
            self._on_change()

    def _is_well(self, item: Assignment) -> bool:
        sight = self._means.lookout.latest
        if sight is None:
            return False
        services = self._means.records.notes_of(item.installation).services
        return is_well(service_sights(containers_of(sight, item.installation), services))

    async def _hooks(self, item: Assignment) -> tuple[SnapshotHooks | None, frozenset[str]]:
        release = release_text(release_of(item))
        if self._read is None or self._read[0] != release:
            compose = await ask(read_app, self._means, item)
            self._read = (release, snapshot_hooks(compose), _hidden(compose, item))
        return self._read[1:]


def _hidden(compose: Compose, item: Assignment) -> frozenset[str]:
    found = values_to_hide(item.config)
    for name, service in compose.services.items():
        pairs = as_pairs(service.get("environment"), f"environment of service {name}")
        found |= values_to_hide({key: str(value) for key, value in pairs.items() if value is not None})
    return found
