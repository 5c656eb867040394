"""A whole Device against a real Hive, without any registry: it runs what was signed, and nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mosaic.adapters import oci_layout
from mosaic.adapters.clock import SystemClock
from mosaic.adapters.machine import own_hardware
from mosaic.adapters.trust import publishing
from mosaic.adapters.trust.publishing import Release
from mosaic.cli import own_packages
from mosaic.core.descriptor_json import describe
from mosaic.core.oci_types import OCI_MANIFEST, digest_of
from mosaic.core.roll_out import EVERYONE
from mosaic.crypto import approvals
from mosaic.device.enrol import enrol
from mosaic.device.identity import Identity
from mosaic.wire.api import Installation
from mosaic.wire.versions import AddCatalog, Catalog
from support.catalog_world import made_package
from support.own_apps import import_app, packed
from support.owner_catalogs import signed
from support.running_device import Running, running_device
from support.running_hive import PASSPHRASE, Owner, made_keys, running_hive
from support.target_world import Publisher
from support.waiting import eventually

COMPOSE = "services: {web: {image: 'notes:1'}}"


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Owner]:
    """The owner of a Hive whose catalog's folder no Device trusts."""
    with running_hive(tmp_path / "far", clock=SystemClock()) as hive:
        yield hive.set_up()


@contextmanager
def attic(owner: Owner, folder: Path) -> Iterator[tuple[Running, Identity]]:
    identity = enrol(folder / "attic", owner.join_token(), "attic", passphrase=PASSPHRASE)
    with running_device(folder / "attic", identity) as running:
        eventually(lambda: owner.devices()[0].connected)
        yield running, identity


def runs(owner: Owner, made: Installation, identity: Identity) -> bool:
    report = owner.installation(made.name).reports.get(identity.device)
    return report is not None and (report.phase, report.app_digest) == ("running", made.app_digest)


def refused_with(owner: Owner, name: str, identity: Identity) -> str:
    report = owner.installation(name).reports.get(identity.device)
    return report.problem.code if report is not None and report.problem is not None else ""


def test_an_app_of_ones_own_runs_by_its_owners_signature(far: Owner, tmp_path: Path) -> None:
    import_app(far, packed(tmp_path / "made", compose=COMPOSE))
    with attic(far, tmp_path) as (_, identity):
        made = far.install("diary")
        eventually(lambda: runs(far, made, identity))


def test_an_app_that_nobody_signed_is_refused_until_its_owner_approves_it(far: Owner, tmp_path: Path) -> None:
    with attic(far, tmp_path) as (running, identity):
        made = far.install("notes")
        eventually(lambda: refused_with(far, "notes", identity) == "not-vouched")
        report = far.installation("notes").reports[identity.device]
        assert report.problem is not None and "`mosaic policy notes --approve`" in report.problem.hint
        assert running.engine.running == {}
        seed, account = made_keys().opened.owner_seed, far.logged_in.account
        signature = approvals.approve(seed, account=account, app="notes", digest=made.app_digest)
        with far.client() as client:
            client.send("PUT", "/api/installations/notes/approval", signature, Installation)
        eventually(lambda: runs(far, made, identity))


def test_an_app_from_a_file_runs_by_its_catalogs_signature_where_nobody_else_answers(
    far: Owner, tmp_path: Path
) -> None:
    file = exported(tmp_path)
    root = (tmp_path / "publisher" / "public" / "metadata" / "1.root.json").read_bytes()
    wish = AddCatalog(signed(far, root, "garden"), "file:///nowhere/at/all", root)
    with far.client() as client:
        client.send("POST", "/api/catalogs", wish, Catalog)
        package = own_packages.from_file(oci_layout.read(file, tmp_path / "in"))
        (entry,) = own_packages.send_carried(client, package)
    assert (entry.app, entry.source) == ("diary", "garden")
    with attic(far, tmp_path) as (_, identity):
        made = far.install("diary")
        assert made.app_digest == package.digest
        eventually(lambda: runs(far, made, identity))


def exported(folder: Path) -> Path:
    """Return an export as another Hive would write it, of a package whose registry does not exist."""
    publisher = Publisher(folder / "publisher", now_ns=SystemClock().wall_ns()).create("stable")
    made = made_package(folder / "source", COMPOSE)
    blobs = {digest_of(content): content for content in (made.manifest, *made.blobs)}
    for digest, content in blobs.items():
        (folder / digest).write_bytes(content)
    publishing.publish(
        publisher.alone,
        channel="stable",
        hardware=[own_hardware()],
        apps={"diary": Release(f"registry.invalid/diary@{made.digest}", made.manifest)},
        now_ns=publisher.now_ns,
        commit="0123abc",
        roll_out=EVERYONE,
        forced=True,
    )
    oci_layout.write(
        folder / "diary.mosaic",
        manifests=[describe(made.manifest, OCI_MANIFEST)],
        blobs=blobs,
        path_of=lambda digest: folder / digest,
        trust=publisher.public,
    )
    return folder / "diary.mosaic"
