"""What a Device does of its own upgrade before anything is switched: believe, fetch, check, refuse."""

import errno
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio
import pytest
from msgspec import structs

from mosaic import __version__
from mosaic.adapters.ledger import LedgerNotWritten
from mosaic.core.device_upgrade import Form, Journal, Program
from mosaic.core.errors import MosaicError, Refused
from mosaic.core.roll_out import EVERYONE, RollOut
from mosaic.crypto.secret import Secret
from mosaic.device.records import DeviceNotes, Records
from mosaic.device.upgrading import journal as journals
from mosaic.device.upgrading import upgrader as upgraders
from mosaic.device.upgrading.package import UpgradeUnusable, read_image, read_version, require_newer
from mosaic.device.upgrading.upgrader import Upgrader
from mosaic.wire.command import Upgrade
from mosaic.wire.report import UpgradeState
from support.catalog_world import NAME, Catalog, catalog_of, give, made_package
from support.device_world import World
from support.manual_clock import ManualClock

PINNED = "r.io/mosaic/device@sha256:" + "1" * 64
COMPOSE = f"services: {{device: {{image: '{PINNED}'}}}}\n"
OLD = Program(__version__, "old")


@dataclass
class FakePreparer:
    """Notes what it was asked. `wrong` is what stands in the way."""

    prepared: list[tuple[Path, str]] = field(default_factory=list)
    replacers: list[Journal] = field(default_factory=list)
    wrong: Exception | None = None
    made: str = "new"
    form: Form = "container"
    running: Program = OLD

    async def prepare(self, folder: Path, version: str) -> Program:
        if self.wrong is not None:
            raise self.wrong
        assert read_image(folder) == PINNED
        self.prepared.append((folder, version))
        return Program(version, self.made)

    def notes(self) -> dict[str, str]:
        return {"container": "mosaic"}

    def have_replacer(self, journal: Journal) -> None:
        self.replacers.append(journal)

    def settle(self, journal: Journal) -> None:
        """Nothing follows here."""


@dataclass
class Asked:
    """What came of one command."""

    state: UpgradeState
    journal: Journal | None
    preparer: FakePreparer


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path, clock=ManualClock())
    made.config = replace(made.config, hardware="generic-amd64")
    return made


@pytest.fixture
def catalog(world: World) -> Catalog:
    return catalog_of(world)


def published(world: World, catalog: Catalog, version: str = "99.1", roll_out: RollOut = EVERYONE) -> str:
    made = made_package(world.folder / "made", COMPOSE, version=f"{version}\n".encode())
    return catalog.publish(made, app="mosaic-device", roll_out=roll_out)


async def ended(records: Records) -> UpgradeState:
    while True:
        state = records.device.upgrade
        if state is not None and state.stage != "fetching":
            return state
        await anyio.sleep(0.01)


def ask(world: World, body: Upgrade, *, preparer: FakePreparer | None = None) -> Asked:
    """Have a Device told to upgrade itself, until it hands over or refuses."""
    used = preparer or FakePreparer()

    async def main() -> Asked:
        records = Records(world.config.ledger)
        means = world.means(records, is_confirmed=lambda: True)
        try:
            with anyio.fail_after(60):
                async with anyio.create_task_group() as tasks:
                    upgrader = Upgrader(means, used, tasks, lambda: None)
                    await upgrader.resume()
                    try:
                        await upgrader.begin(body)
                        state = await ended(records)
                    except MosaicError as error:
                        state = UpgradeState(body.wish, body.digest, "", "refused", error.code)
                    tasks.cancel_scope.cancel()
        finally:
            means.packages.close()
            records.close()
        return Asked(state, journals.read(world.config.state), used)

    return anyio.run(main)


def test_what_the_owners_catalog_lists_is_fetched_prepared_and_handed_over(world: World, catalog: Catalog) -> None:
    digest = published(world, catalog)
    asked = ask(world, Upgrade("w1", NAME, digest))
    assert (asked.state.stage, asked.state.version, asked.state.wish) == ("switching", "99.1", "w1")
    assert asked.journal is not None
    assert (asked.journal.stage, asked.journal.old, asked.journal.new) == ("fetched", OLD, Program("99.1", "new"))


def test_a_package_that_no_catalog_lists_is_refused_although_the_hive_has_it(world: World, catalog: Catalog) -> None:
    made = made_package(world.folder / "made", COMPOSE, version=b"99.2\n")
    give(world, made)
    published(world, catalog)
    asked = ask(world, Upgrade("w1", NAME, made.digest))
    assert (asked.state.stage, asked.journal, asked.preparer.prepared) == ("refused", None, [])
    assert "does not list" in asked.state.why


def test_a_catalog_that_the_owner_did_not_sign_is_refused(world: World, catalog: Catalog) -> None:
    digest = published(world, catalog)
    catalog.trust = catalog.trusted_by(Secret(bytes(32)))
    asked = ask(world, Upgrade("w1", NAME, digest))
    assert (asked.state.stage, asked.journal) == ("refused", None)
    assert "not signed by this account's owner" in asked.state.why


@pytest.mark.parametrize("name", ["catalog", "digest"])
def test_whatever_an_order_names_nothing_but_a_listed_package_is_prepared(
    world: World, catalog: Catalog, name: str
) -> None:
    good = Upgrade("w1", NAME, published(world, catalog))
    for hostile in (
        "",
        "\0",
        "a\nb",
        "$(reboot)",
        "; reboot",
        "--privileged",
        "../../etc/passwd",
        "/etc",
        "x" * 100_000,
    ):
        for text in (hostile, f"{getattr(good, name)}{hostile or ' '}"):
            asked = ask(world, structs.replace(good, **{name: text}))
            assert (asked.state.stage, asked.journal, asked.preparer.prepared) == ("refused", None, []), text


def test_one_that_is_not_rolled_out_to_this_device_is_refused(world: World, catalog: Catalog) -> None:
    digest = published(world, catalog, roll_out=RollOut(0))
    assert ask(world, Upgrade("w1", NAME, digest)).state.stage == "refused"


def test_the_version_that_runs_counts_and_nothing_is_touched(world: World, catalog: Catalog) -> None:
    asked = ask(world, Upgrade("w1", NAME, published(world, catalog, __version__)))
    assert (asked.state.stage, asked.state.version) == ("kept", __version__)
    assert (asked.journal, asked.preparer.prepared) == (None, [])


@pytest.mark.parametrize("version", ["0.0.9", "0"])
def test_older_versions_are_refused(world: World, catalog: Catalog, version: str) -> None:
    asked = ask(world, Upgrade("w1", NAME, published(world, catalog, version)))
    assert (asked.state.stage, asked.journal) == ("refused", None)
    assert __version__ in asked.state.why


def test_what_cannot_be_prepared_leaves_the_device_as_it_is(world: World, catalog: Catalog) -> None:
    preparer = FakePreparer(wrong=Refused("there is no room for it", hint=""))
    asked = ask(world, Upgrade("w1", NAME, published(world, catalog)), preparer=preparer)
    assert (asked.state.stage, asked.state.why, asked.journal) == ("refused", "there is no room for it", None)


def test_the_very_program_that_runs_is_refused_under_another_version(world: World, catalog: Catalog) -> None:
    asked = ask(world, Upgrade("w1", NAME, published(world, catalog)), preparer=FakePreparer(made=OLD.start))
    assert (asked.state.stage, asked.journal) == ("refused", None)
    assert "the very program that runs" in asked.state.why


def test_what_the_disk_had_no_room_for_may_be_asked_for_again(world: World, catalog: Catalog) -> None:
    preparer = FakePreparer(wrong=OSError(errno.ENOSPC, "No space left on device"))
    asked = ask(world, Upgrade("w1", NAME, published(world, catalog)), preparer=preparer)
    assert (asked.state.stage, asked.state.may_retry, asked.journal) == ("refused", True, None)
    assert "No space left" in asked.state.why


class FullRecords(Records):
    """Records whose disk takes nothing while it `is_full`."""

    is_full = True

    @property
    def device(self) -> DeviceNotes:
        return super().device

    @device.setter
    def device(self, notes: DeviceNotes) -> None:
        if self.is_full:
            raise LedgerNotWritten(Path("ledger.db"), "database or disk is full")
        self._device.put("device", notes)


def test_a_full_disk_ends_no_device_and_what_came_of_an_upgrade_is_told_once_there_is_room(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgraders, "_PATIENCE_SECONDS", 0.01)
    done = Journal("w1", "sha256:1", "container", OLD, Program("99.1", "new"), stage="kept", is_done=True)
    journals.write(world.config.state, done)

    async def main() -> UpgradeState:
        records = FullRecords(world.config.ledger)
        means = world.means(records, is_confirmed=lambda: True)
        try:
            with anyio.fail_after(60):
                async with anyio.create_task_group() as tasks:
                    upgrader = Upgrader(means, FakePreparer(), tasks, lambda: None)
                    await upgrader.resume()
                    with pytest.raises(LedgerNotWritten):
                        await upgrader.begin(Upgrade("w2", NAME, "sha256:2"))
                    records.is_full = False
                    state = await ended(records)
        finally:
            means.packages.close()
            records.close()
        return state

    assert anyio.run(main).stage == "kept"


def test_whoever_replaces_a_device_is_started_again_when_somebody_removed_him(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgraders, "LOOK_SECONDS", 0.001)
    preparer = FakePreparer()
    journals.write(world.config.state, Journal("w1", "sha256:1", "container", OLD, Program("99.1", "new")))

    async def main() -> None:
        records = Records(world.config.ledger)
        means = world.means(records, is_confirmed=lambda: True)
        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                await Upgrader(means, preparer, tasks, lambda: None).resume()
                while len(preparer.replacers) < 2:
                    await anyio.sleep(0.001)
                tasks.cancel_scope.cancel()
        means.packages.close()
        records.close()

    anyio.run(main)


def test_one_that_was_put_back_is_tried_again_only_at_its_owners_word(world: World, catalog: Catalog) -> None:
    digest = published(world, catalog)
    before = Journal("w0", digest, "container", OLD, Program("99.1", "new"), stage="back", why="it broke", is_done=True)
    journals.write(world.config.state, before)
    assert ask(world, Upgrade("w1", NAME, digest)).state.why == "upgrade-failed-before"
    assert ask(world, Upgrade("w2", NAME, digest, again=True)).state.stage == "switching"


def test_a_second_one_is_refused_beside_the_first(world: World, catalog: Catalog) -> None:
    digest = published(world, catalog)
    journals.write(world.config.state, Journal("w0", digest, "container", OLD, Program("99.1", "new"), stage="trying"))
    assert ask(world, Upgrade("w1", NAME, digest)).state.why == "upgrade-under-way"


def test_a_device_that_was_killed_while_it_fetched_says_so_and_may_be_asked_again(world: World) -> None:
    async def main() -> UpgradeState | None:
        records = Records(world.config.ledger)
        means = world.means(records, is_confirmed=lambda: True)
        fetching = UpgradeState("w1", "sha256:1", "", "fetching")
        records.device = type(records.device)(upgrade=fetching)
        async with anyio.create_task_group() as tasks:
            await Upgrader(means, FakePreparer(), tasks, lambda: None).resume()
        found = records.device.upgrade
        means.packages.close()
        records.close()
        return found

    found = anyio.run(main)
    assert found is not None
    assert (found.stage, found.may_retry) == ("refused", True)


def test_only_the_new_one_is_on_trial_and_only_until_it_is_decided(tmp_path: Path) -> None:
    assert not journals.is_on_trial(tmp_path, "new")
    trying = Journal("c", "sha256:1", "container", OLD, Program("99.1", "new"), stage="trying")
    journals.write(tmp_path, trying)
    assert journals.is_on_trial(tmp_path, "new")
    assert not journals.is_on_trial(tmp_path, OLD.start)
    journals.write(tmp_path, replace(trying, stage="kept"))
    assert not journals.is_on_trial(tmp_path, "new")


@pytest.mark.parametrize("image", ["mosaic/device:latest", "", "--privileged@sha256:" + "1" * 64, PINNED + "\n"])
def test_an_image_that_is_not_named_by_its_digest_is_refused(tmp_path: Path, image: str) -> None:
    (tmp_path / "docker-compose.yml").write_text(f"services: {{device: {{image: {image!r}}}}}".replace("\\n", "\\\\n"))
    with pytest.raises(UpgradeUnusable):
        read_image(tmp_path)


@pytest.mark.parametrize("said", ["", "latest", "../../etc", "1.0\n2.0", "1" * 50])
def test_what_is_no_version_is_refused(tmp_path: Path, said: str) -> None:
    (tmp_path / "version").write_text(said)
    with pytest.raises(UpgradeUnusable):
        read_version(tmp_path)


def test_only_a_later_version_is_a_newer_one() -> None:
    require_newer("1.10", "1.9.9")
    require_newer("2", "1.99")
    require_newer("1.0", "1.0rc1")
    for offered, running in (("1.9", "1.10"), ("1.0.0", "1"), ("1.0rc1", "1.0")):
        with pytest.raises(Refused):
            require_newer(offered, running)
