"""The Device's own part of its upgrade: fetch and verify, prepare, hand over to the replacer, tell what came of it.

One at a time. Until the journal is written nothing was switched, and whatever
is wrong leaves the Device as it is. What came of it is kept in the ledger, and
told in every report.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import anyio
from anyio.abc import TaskGroup
from msgspec import structs

from mosaic import __version__
from mosaic.adapters import log
from mosaic.adapters.ledger import LedgerNotWritten
from mosaic.adapters.private_file import disk_refused
from mosaic.core.device_upgrade import Journal
from mosaic.core.errors import Conflict, MosaicError, Refused, Unavailable
from mosaic.device.catalogs import CatalogNotTrusted
from mosaic.device.doing import bundles
from mosaic.device.means import Means
from mosaic.device.outside import ask
from mosaic.device.upgrading import journal as journals
from mosaic.device.upgrading.form import Preparer
from mosaic.device.upgrading.package import PACKAGE, UpgradeUnusable, read_version, require_newer
from mosaic.wire.assignment import Assignment
from mosaic.wire.command import Upgrade
from mosaic.wire.report import UpgradeState

LOOK_SECONDS = 0.5
_LOOKS_PER_REPLACER = 20
_PATIENCE_SECONDS = 10.0
_LONGEST_LINES = 4000
_LONGEST_WHY = 1000


class NotUpgradable(Refused):
    """Nobody here could start this Device anew as another version."""

    code = "upgrade-not-possible"

    def __init__(self, why: str = "nothing keeps it running that could start another version of it") -> None:
        super().__init__(
            f"this Device cannot upgrade itself: {why}",
            hint="upgrade it by hand: docs/upgrading.md says how, for each way to run a Device",
        )


class UpgradeUnderWay(Conflict):
    """Another upgrade has not ended yet."""

    code = "upgrade-under-way"

    def __init__(self) -> None:
        super().__init__("this Device is being upgraded at the moment", hint="wait for it; it takes some minutes")


class UpgradeFailedBefore(Refused):
    """The very package was tried here, and put back."""

    code = "upgrade-failed-before"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"this version was tried here and put back: {why}", hint="to try it once more: `mosaic device upgrade NAME`"
        )


class Upgrader:
    """What a Device does for its own upgrades while it runs."""

    def __init__(self, means: Means, preparer: Preparer, tasks: TaskGroup, changed: Callable[[], None]) -> None:
        """`changed` is called when there is something new to report."""
        self._means = means
        self._folder = means.config.state
        self._preparer = preparer
        self._tasks = tasks
        self._changed = changed
        self._open: Journal | None = None
        self._fetching = False
        self._unwritten: UpgradeState | None = None

    @property
    def is_on_trial(self) -> bool:
        """Whether this is a new version that has not been heard by the Hive yet."""
        found = self._open
        return found is not None and not found.is_decided and found.new.start == self._preparer.running.start

    async def resume(self) -> None:
        """Go on with what was under way when the Device started."""
        try:
            journal = await ask(journals.read, self._folder)
        except MosaicError as error:
            log.error("upgrade_unreadable", code=error.code, reason=error.message, hint=error.hint)
            return
        noted = self._means.records.device.upgrade
        if journal is not None and (noted is None or noted.wish == journal.command):
            self._hand_over(journal)
        elif noted is not None and noted.stage == "fetching":
            why = "the Device was restarted while it fetched the new version"
            self._note(structs.replace(noted, stage="refused", why=why, may_retry=True))

    async def begin(self, body: Upgrade) -> str:
        """Begin an upgrade and return a line for people.

        Raises UpgradeUnderWay, UpgradeFailedBefore, LedgerNotWritten; nothing was begun then.
        """
        before = await ask(journals.read, self._folder)
        if self._fetching or (before is not None and not before.is_done):
            raise UpgradeUnderWay
        if before is not None and before.stage == "back" and before.digest == body.digest and not body.again:
            raise UpgradeFailedBefore(before.why)
        self._write(UpgradeState(body.wish, body.digest, "", "fetching"))
        self._fetching = True
        self._tasks.start_soon(self._carry_out, body)
        return "the new version is fetched; what comes of it is reported"

    def heard(self) -> None:
        """The Hive has a report of ours."""
        if self.is_on_trial and self._open is not None:
            # Short, and at once: seconds are counted elsewhere.
            journals.note_reported(self._folder, self._open)

    async def _carry_out(self, body: Upgrade) -> None:
        try:
            journal = await self._prepared(body)
            if journal is not None:
                await ask(journals.write, self._folder, journal)
        except MosaicError as error:
            log.warning("upgrade_refused", code=error.code, reason=error.message)
            self._refuse(body, error.message, may_retry=isinstance(error, Unavailable))
        except Exception as error:  # the Device runs on, whatever a new version brought with it
            if (full := disk_refused(error)) is not None:
                log.warning("upgrade_refused", code=full.code, reason=full.message)
                self._refuse(body, full.message, may_retry=True)
            else:
                log.mistake("upgrade_broke", error)
                self._refuse(body, f"{type(error).__name__} while it was prepared", may_retry=False)
        else:
            if journal is None:
                self._note(UpgradeState(body.wish, body.digest, __version__, "kept"))
            else:
                self._note(UpgradeState(body.wish, body.digest, journal.new.version, "switching"))
                self._hand_over(journal)
        finally:
            self._fetching = False

    def _refuse(self, body: Upgrade, why: str, *, may_retry: bool) -> None:
        self._note(UpgradeState(body.wish, body.digest, "", "refused", why[:_LONGEST_WHY], may_retry=may_retry))

    async def _prepared(self, body: Upgrade) -> Journal | None:
        """Have all here that the new version needs; None when it is the version that runs."""
        item = _as_assigned(body)
        await self._require_listed(item)
        await bundles.have(self._means, item)
        folder = await ask(self._means.packages.store.folder, PACKAGE, body.digest)
        changed = await ask(self._means.packages.store.changed_files, PACKAGE, body.digest)
        if changed:
            await bundles.mend(self._means, item)
        version = await ask(read_version, Path(folder))
        if version == __version__:
            return None
        require_newer(version, __version__)
        new = await self._preparer.prepare(folder, version)
        if new.start == self._preparer.running.start:
            # Nobody could tell the two apart, and so nobody could say that the one before was stopped.
            raise UpgradeUnusable(f"it says that it is {version}, and holds the very program that runs here")
        log.info("upgrade_prepared", version=version, start=new.start)
        return Journal(
            command=body.wish,
            digest=body.digest,
            form=self._preparer.form,
            old=self._preparer.running,
            new=new,
            notes=self._preparer.notes(),
        )

    async def _require_listed(self, item: Assignment) -> None:
        """Return when a catalog that the owner signed lists it for this Device. No other voucher counts here."""
        catalogs, served = self._means.packages.catalogs, self._means.hive().catalog
        if await ask(catalogs.uri, item.catalog, item.app, item.app_digest, served) is None:
            raise CatalogNotTrusted(item.catalog, f"it does not list {PACKAGE} {item.app_digest[:19]}… for this Device")

    def _hand_over(self, journal: Journal) -> None:
        if journal.is_done:
            self._tell(journal)
            return
        self._open = journal
        self._tasks.start_soon(self._follow, journal)

    async def _follow(self, journal: Journal) -> None:
        """See that somebody carries the journal on, and tell what came of it."""
        found: Journal | None = journal
        looks = 0
        while found is not None and not found.is_done:
            self._open = journal = found
            try:
                if looks % _LOOKS_PER_REPLACER == 0:
                    # Again and again, for whoever removed it took the only one who can put a bad version back.
                    await ask(self._preparer.have_replacer, journal)
                looks += 1
                await anyio.sleep(LOOK_SECONDS)
                found = await ask(journals.read, self._folder)
            except MosaicError as error:
                log.warning("upgrade_not_followed", code=error.code, reason=error.message)
                await anyio.sleep(LOOK_SECONDS)
        journal = found or journal
        self._open = None
        if journal.is_done:
            self._tell(journal)
            if journal.stage == "kept":
                await self._settle(journal)

    async def _settle(self, journal: Journal) -> None:
        """Have the other parts of the Device follow, once the new one counts."""
        while True:
            try:
                await ask(self._preparer.settle, journal)
                return
            except MosaicError as error:
                log.warning("upgrade_not_settled", code=error.code, reason=error.message)
                await anyio.sleep(10 * LOOK_SECONDS)

    def _tell(self, journal: Journal) -> None:
        self._note(
            UpgradeState(
                journal.command,
                journal.digest,
                journal.new.version,
                "kept" if journal.stage == "kept" else "back",
                journal.why[:_LONGEST_WHY],
                journal.last_lines[-_LONGEST_LINES:],
            )
        )

    def _note(self, state: UpgradeState) -> None:
        """Have it told. A disk that takes nothing now is asked again: the Device runs on, and nothing is forgotten."""
        try:
            self._write(state)
            self._unwritten = None
        except LedgerNotWritten as error:
            log.warning("upgrade_not_noted", code=error.code, reason=error.message)
            if self._unwritten is None:
                self._tasks.start_soon(self._go_on_writing)
            self._unwritten = state

    async def _go_on_writing(self) -> None:
        while self._unwritten is not None:
            await anyio.sleep(_PATIENCE_SECONDS)
            with suppress(LedgerNotWritten):
                if self._unwritten is not None:
                    self._write(self._unwritten)
                    self._unwritten = None

    def _write(self, state: UpgradeState) -> None:
        records = self._means.records
        if records.device.upgrade != state:
            records.device = structs.replace(records.device, upgrade=state)
            self._changed()


def _as_assigned(body: Upgrade) -> Assignment:
    """Return what the package is fetched by: nothing of it is ever started as an app."""
    return Assignment(
        installation=PACKAGE,
        name=PACKAGE,
        app=PACKAGE,
        app_digest=body.digest,
        config_revision=0,
        goal="prepare",
        epoch=None,
        failover="manual",
        catalog=body.catalog,
    )
