"""G7: what nobody vouches for is not started, whatever the Hive says; and what was vouched for runs on without it."""

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from mosaic.adapters import bundle
from mosaic.core.oci_types import digest_of
from mosaic.core.roll_out import RollOut
from mosaic.crypto import approvals
from mosaic.crypto.secret import Secret
from mosaic.wire.assignment import Assignment, VolumeAssignment
from mosaic.wire.report import InstallationReport
from support.catalog_world import NAME, Catalog, catalog_of, give, made_package
from support.device_world import ACCOUNT, COMPOSE, NOTES, World, assignment, wants
from support.fake_storage import FakeStore
from support.manual_clock import ManualClock

STRANGER = Secret(bytes(32))


@pytest.fixture
def world(tmp_path: Path) -> World:
    """One whose owner approves nothing, of a machine of a known kind."""
    return made_world(tmp_path)


def made_world(folder: Path, name: str = "attic", store: FakeStore | None = None) -> World:
    made = World(folder, name, store=store or FakeStore(), approves=lambda _: False, clock=ManualClock())
    made.config = replace(made.config, hardware="generic-amd64")
    return made


@pytest.fixture
def catalog(world: World) -> Catalog:
    return catalog_of(world)


def kept(world: World) -> list[VolumeAssignment]:
    """Return the volumes as the first grant has them."""
    return list(world.hive.registered.values())


def granted(world: World) -> list[VolumeAssignment]:
    """Return the volumes as another grant has them: from their newest heads on."""
    newest = world.store.newest
    return [
        msgspec.structs.replace(one, base=newest.get(one.volume), newest=newest.get(one.volume))
        for one in world.hive.registered.values()
    ]


def run(world: World, item: Assignment, *, revision: int = 1) -> InstallationReport:
    return world.run(wants(item, revision=revision)).report()


def refusal(world: World, item: Assignment, *, revision: int = 1) -> tuple[str, str]:
    """Return why an assignment is not carried out, after which nothing new runs."""
    before = {one.labels["mosaic.app-digest"] for every in world.engine.running.values() for one in every}
    after = run(world, item, revision=revision)
    assert after.problem is not None, "it was started"
    assert after.phase == "failed"
    now = {one.labels["mosaic.app-digest"] for every in world.engine.running.values() for one in every}
    assert now == before
    return after.problem.code, after.problem.message


def approval(
    world: World, digest: str, *, seed: Secret | None = None, app: str = "notes", account: str = ACCOUNT
) -> str:
    return approvals.approve(seed or world.owner_seed, account=account, app=app, digest=digest).signature


def test_what_nobody_vouches_for_is_not_started_and_no_key_is_made_for_it(world: World) -> None:
    code, message = refusal(world, assignment(world.publish(), "run"))
    assert code == "not-vouched"
    assert "approval did not come" in message and "trust no folder" in message and "no catalog" in message
    assert not world.hive.registered and not world.engine.docker_volumes


def test_what_its_owner_approved_runs(world: World) -> None:
    digest = world.publish()
    assert run(world, assignment(digest, "run", approval=approval(world, digest))).phase == "running"


@pytest.mark.parametrize("forged", ["a stranger", "another app", "another version", "another account", "nonsense"])
def test_a_hive_that_forges_an_approval_starts_nothing(world: World, forged: str) -> None:
    digest = world.publish()
    other = "sha256:" + "1" * 64
    signature = {
        "a stranger": approval(world, digest, seed=STRANGER),
        "another app": approval(world, digest, app="bank"),
        "another version": approval(world, other),
        "another account": approval(world, digest, account="somebodyelse"),
        "nonsense": "no hex",
    }[forged]
    assert refusal(world, assignment(digest, "run", approval=signature))[0] == "not-vouched"


def test_a_version_that_nobody_vouches_for_leaves_the_one_before_running(world: World) -> None:
    first, second = world.publish(), world.publish(COMPOSE + "# changed\n")
    run(world, assignment(first, "run", approval=approval(world, first)))
    item = assignment(second, "run", volumes=kept(world), config_revision=2)
    assert refusal(world, item, revision=2)[0] == "not-vouched"
    assert [one.state for one in next(iter(world.engine.running.values()))] == ["running", "running"]


def test_a_hive_cannot_have_this_device_sign_that_its_data_belongs_to_what_nobody_vouches_for(world: World) -> None:
    """Else the data would vouch for it, one start later."""
    first, second = world.publish(), world.publish(COMPOSE + "# changed\n")
    run(world, assignment(first, "run", approval=approval(world, first)))
    world.run(wants(assignment(first, "stop", volumes=kept(world)), revision=2))
    # The new version is held first, and a snapshot follows before it is started.
    again = granted(world)
    world.run(wants(assignment(second, "stop", "1.2", volumes=again), revision=3))
    data = world.hive.registered[NOTES, "data"].volume
    assert world.store.digests[world.store.newest[data]] == first
    assert refusal(world, assignment(second, "run", "1.2", volumes=again), revision=4)[0] == "not-vouched"


def test_going_back_does_not_make_data_vouch_for_what_the_hive_names(world: World) -> None:
    first, second = world.publish(), world.publish(COMPOSE + "# changed\n")
    run(world, assignment(first, "run", approval=approval(world, first)))
    data = world.hive.registered[NOTES, "data"].volume
    back = {"id": "w1", "volume": data, "head": world.store.newest[data], "present_digest": first}
    item = assignment(second, "run", volumes=kept(world), going_back=back)
    after = run(world, item, revision=2)
    assert after.problem is not None and after.problem.code == "not-vouched"
    assert not world.engine.running
    assert world.store.digests[world.store.newest[data]] == first


def test_an_app_of_a_folder_that_this_device_was_told_to_trust_runs_until_it_is_another(world: World) -> None:
    folder = world.folder / "trusted" / "notes"
    folder.mkdir(parents=True)
    (folder / "docker-compose.yml").write_text(COMPOSE)
    packed = bundle.pack(folder)
    world.hive.bundles[bundle.digest(packed)] = packed
    world.config = replace(world.config, trusted=(world.folder / "nowhere", world.folder / "trusted"))
    assert run(world, assignment(bundle.digest(packed), "run")).phase == "running"
    other = assignment(world.publish(COMPOSE + "# changed\n"), "run", volumes=kept(world))
    code, message = refusal(world, other, revision=2)
    assert code == "not-vouched" and "no folder that this Device trusts has it" in message


def test_an_app_of_a_catalog_that_the_owner_signed_runs_and_needs_it_no_more(world: World, catalog: Catalog) -> None:
    digest = catalog.publish(made_package(world.folder / "made"))
    item = assignment(digest, "run", catalog=NAME)
    assert run(world, item).phase == "running"
    del world.hive.catalogs[NAME]
    world.engine.running.clear()
    assert run(world, msgspec.structs.replace(item, volumes=kept(world)), revision=2).phase == "running"


def test_the_next_version_of_a_catalog_is_believed_from_what_was_believed_before(
    world: World, catalog: Catalog
) -> None:
    first = catalog.publish(made_package(world.folder / "made"))
    run(world, assignment(first, "run", catalog=NAME))
    second = catalog.publish(made_package(world.folder / "made", COMPOSE + "# changed\n"))
    item = assignment(second, "run", catalog=NAME, volumes=kept(world))
    assert run(world, item, revision=2).app_digest == second
    assert [path.name.partition("-")[0] for path in world.config.trust.iterdir()] == [NAME]


def test_a_catalog_that_lists_something_else_vouches_for_nothing(world: World, catalog: Catalog) -> None:
    catalog.publish(made_package(world.folder / "made"))
    other = made_package(world.folder / "made", COMPOSE + "# changed\n")
    give(world, other)
    code, message = refusal(world, assignment(other.digest, "run", catalog=NAME))
    assert code == "not-vouched" and f"the catalog {NAME} does not list it for generic-amd64" in message


@pytest.mark.parametrize("why", ["another kind of machine", "a paused roll-out", "another group", "another name"])
def test_a_target_that_is_not_for_this_device_vouches_for_nothing(world: World, catalog: Catalog, why: str) -> None:
    made = made_package(world.folder / "made")
    match why:
        case "another kind of machine":
            catalog.publish(made, hardware="generic-arm64")
        case "a paused roll-out":
            catalog.publish(made, roll_out=RollOut(paused=True))
        case "another group":
            catalog.publish(made, roll_out=RollOut(0, frozenset({"first"})))
        case _:
            catalog.publish(made, app="bank")
    assert refusal(world, assignment(made.digest, "run", catalog=NAME))[0] == "not-vouched"


def test_a_target_for_this_devices_group_is_taken(world: World, catalog: Catalog) -> None:
    world.config = replace(world.config, group="first")
    digest = catalog.publish(made_package(world.folder / "made"), roll_out=RollOut(0, frozenset({"first"})))
    assert run(world, assignment(digest, "run", catalog=NAME)).phase == "running"


@pytest.mark.parametrize("forged", ["a stranger", "another account", "another name", "another channel", "another root"])
def test_a_hive_that_forges_a_catalogs_trust_starts_nothing(world: World, catalog: Catalog, forged: str) -> None:
    digest = catalog.publish(made_package(world.folder / "made"))
    match forged:
        case "a stranger":
            catalog.trust = catalog.trusted_by(STRANGER)
        case "another account":
            catalog.trust = catalog.trusted_by(world.owner_seed, account="somebodyelse")
        case "another name":
            catalog.trust = catalog.trusted_by(world.owner_seed, name="other")
        case "another channel":
            catalog.trust = msgspec.structs.replace(catalog.trust, channel="beta")
        case _:
            catalog.publisher.root += b" "
    assert refusal(world, assignment(digest, "run", catalog=NAME))[0] == "catalog-not-trusted"


def test_a_hive_that_forges_metadata_starts_nothing_and_says_what_tuf_says(world: World, catalog: Catalog) -> None:
    digest = catalog.publish(made_package(world.folder / "made"))
    for path in (catalog.publisher.public / "metadata").glob("*.channel-stable.json"):
        text = json.loads(path.read_text())
        text["signed"]["expires"] = "2099-01-01T00:00:00Z"
        path.write_text(json.dumps(text))
    code, message = refusal(world, assignment(digest, "run", catalog=NAME))
    assert code.startswith(("trust-", "targets-")), code
    assert message


def test_a_hive_that_shows_an_old_state_starts_nothing_of_it(world: World, catalog: Catalog) -> None:
    digest = catalog.publish(made_package(world.folder / "made"))
    clock = world.clock
    assert isinstance(clock, ManualClock)
    clock.advance(8 * 24 * 3600)
    code, message = refusal(world, assignment(digest, "run", catalog=NAME))
    assert "expired" in message or "expired" in code


@pytest.mark.parametrize("file", ["../../evil.json", "/evil.json", "a/b.json", "timestamp", ".json"])
def test_files_of_a_catalog_whose_names_would_lead_out_of_its_folder_are_refused(
    world: World, catalog: Catalog, file: str
) -> None:
    digest = catalog.publish(made_package(world.folder / "made"))
    served = catalog.served()
    world.hive.catalogs[NAME] = lambda: msgspec.structs.replace(served, files={**served.files, file: b"{}"})
    assert refusal(world, assignment(digest, "run", catalog=NAME))[0] == "catalog-unusable"
    assert not list(world.folder.rglob("evil*"))


def test_a_moved_app_starts_by_what_its_data_was_written_by_when_its_catalog_is_gone(tmp_path: Path) -> None:
    store = FakeStore()
    attic = made_world(tmp_path / "attic", "attic", store)
    study = made_world(tmp_path / "study", "study", store)
    study.root = attic.root
    digest = catalog_of(attic).publish(made_package(attic.folder / "made"))
    run(attic, assignment(digest, "run", catalog=NAME))
    data = attic.hive.registered[NOTES, "data"].volume
    attic.storage.write(data, "a note")
    attic.run(wants(assignment(digest, "leave", volumes=kept(attic)), revision=2))

    study.hive.registered, study.hive.bundles, study.hive.blobs = (
        attic.hive.registered, attic.hive.bundles, attic.hive.blobs,
    )  # fmt: skip
    item = assignment(digest, "run", "1.2", volumes=granted(study), catalog=NAME)
    after = run(study, item)

    assert (after.phase, after.problem) == ("running", None)
    assert study.storage.volumes[data].local == ("a note",)
    assert study.store.digests[study.store.newest[data]] == digest


def test_a_fork_runs_by_what_its_origins_data_was_written_by(tmp_path: Path) -> None:
    store = FakeStore()
    attic, study = (made_world(tmp_path / name, name, store) for name in ("attic", "study"))
    study.root = attic.root
    first, second = attic.publish(), attic.publish(COMPOSE + "# changed\n")
    run(attic, assignment(first, "run", approval=approval(attic, first)))
    (data,) = attic.hive.registered.values()
    study.hive.bundles = attic.hive.bundles
    origin = {"volume": data.volume, "wrapped_seed": data.wrapped_seed, "head": store.newest[data.volume]}
    assert refusal(study, assignment(second, "run", origin=origin))[0] == "not-vouched"
    item = assignment(first, "run", origin=origin, volumes=kept(study))
    assert run(study, item, revision=2).phase == "running"


def test_data_vouches_for_nothing_but_the_version_that_wrote_it(tmp_path: Path) -> None:
    store = FakeStore()
    attic, study = (made_world(tmp_path / name, name, store) for name in ("attic", "study"))
    study.root = attic.root
    first, second = attic.publish(), attic.publish(COMPOSE + "# changed\n")
    run(attic, assignment(first, "run", approval=approval(attic, first)))
    attic.run(wants(assignment(first, "leave", volumes=kept(attic)), revision=2))
    study.hive.registered, study.hive.bundles = attic.hive.registered, attic.hive.bundles
    code, message = refusal(study, assignment(second, "run", "1.2", volumes=granted(study)))
    assert code == "not-vouched" and "its data here was written by another version" in message


def test_a_package_is_checked_against_what_the_catalog_signed_whatever_the_hive_hands_out(
    world: World, catalog: Catalog
) -> None:
    made = made_package(world.folder / "made")
    digest = catalog.publish(made)
    world.hive.bundles[digest] = made_package(world.folder / "made", COMPOSE + "# changed\n").manifest
    assert refusal(world, assignment(digest, "run", catalog=NAME))[0] == "bundle-differs"
    world.hive.bundles[digest] = made.manifest
    bundle_blob = made.blobs[0]
    world.hive.blobs[digest, digest_of(bundle_blob)] = bundle_blob[:-1]
    assert refusal(world, assignment(digest, "run", catalog=NAME), revision=2)[0] in ("bundle-unusable", "blob-wrong")
