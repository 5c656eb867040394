"""Catalogs that are TUF repositories: believed by their owner's word alone, refreshed, installed from."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import msgspec
import pytest
from sqlalchemy import update

from mosaic.adapters.sql import accounts, devices, schema
from mosaic.adapters.sql.accounts import Account
from mosaic.adapters.trust import publishing
from mosaic.core import package_reading
from mosaic.core.errors import Conflict, MosaicError, NotFound, Refused
from mosaic.core.ids import AccountId, AppDigest
from mosaic.core.oci_types import digest_of
from mosaic.core.roll_out import RollOut
from mosaic.device.catalogs import Catalogs
from mosaic.hive import refreshing
from mosaic.hive import sources as sources_of_apps
from mosaic.hive.bundles import Bundles
from mosaic.hive.catalog_offers import offer_of_catalog
from mosaic.hive.catalogs import Offered
from mosaic.hive.compose_files import compose_file
from mosaic.hive.fetch_size import fetch_bytes
from mosaic.hive.finding import find_device, find_installation
from mosaic.hive.runtime import Hive
from mosaic.hive.sources import Choice
from mosaic.wire.versions import AddCatalog, Catalog, UpdateApp, UpdatePlan
from support import target_world
from support.app_repositories import NOW_NS, Workshop, push_image
from support.fake_device import FakeDevice
from support.manual_clock import ManualClock
from support.owner_catalogs import (
    add,
    ask,
    change,
    compose,
    copy_of,
    first_root,
    listed,
    metadata,
    refresh,
    served,
    signed,
    sources,
    url_of,
    workshop_of,
)
from support.registry_server import RegistryServer, registry_server
from support.running_hive import PASSWORD, Owner, write_app
from support.target_world import AMD64
from support.waiting import eventually

pytestmark = pytest.mark.registry

Join = Callable[[str], FakeDevice]
DAY_SECONDS = 24 * 3600


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    with registry_server(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="module")
def published(server: RegistryServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    made = workshop_of(tmp_path_factory.mktemp("published") / "workshop", server.host, "wiki")
    yield made
    made.registries.close()


@pytest.fixture
def workshop(published: Workshop, tmp_path: Path) -> Iterator[Workshop]:
    made = copy_of(published, tmp_path / "workshop")
    yield made
    made.registries.close()


def blobs_of(device: FakeDevice, digest: str) -> list[tuple[str, int]]:
    """Return what a manifest names, with the sizes."""
    manifest = ask(device, f"/api/device/bundles/{digest}").content
    assert digest_of(manifest) == digest
    return [(one.digest, one.size) for one in package_reading.read(manifest).every]


def offer(owner: Owner, name: str = "wiki") -> Offered | None:
    """Return what its catalog offers an installation on its Device."""

    async def look(hive: Hive) -> Offered | None:
        account = AccountId(owner.logged_in.account)
        found = await hive.read(lambda tx: find_installation(tx, account, name))
        device = await hive.read(lambda tx: find_device(tx, account, owner.installation(name).device))
        return await offer_of_catalog(hive, found, device)

    return owner.hive.ask(look)


def have_offered(owner: Owner, offered: Offered) -> None:
    """Have an offered package whole in the Hive's store, as an update does."""

    async def have(hive: Hive) -> None:
        await sources_of_apps.keep(hive, await sources_of_apps.choose_offered(hive, offered))

    owner.hive.ask(have)


def kept(owner: Owner) -> set[str]:
    """Return what the Hive's store has."""
    folder = owner.hive.config.state / "bundles"
    return {path.name for path in folder.iterdir() if path.is_file()} if folder.exists() else set()


def test_what_is_published_is_listed_installed_and_handed_to_the_device(
    owner: Owner, workshop: Workshop, joined: Join, tmp_path: Path
) -> None:
    device = joined("attic")
    added = add(owner, workshop)
    assert (added.problem, added.versions, added.apps) == (None, ["generic-amd64 1"], ["wiki"])
    found = listed(owner)["wiki"]
    assert (found.title, found.label, found.problem, found.services) == ("Wiki", "stable 1", None, ["web"])

    made = owner.install("wiki")
    assert (made.app, made.catalog, made.label) == ("wiki", "community", "stable 1")
    eventually(lambda: device.assigned(made.installation))
    told = device.assigned(made.installation)
    assert told is not None
    assert (told.app, told.catalog, told.app_digest) == ("wiki", "community", found.digest)

    with device.client() as client:
        manifest = client.bundle(found.digest)
        assert digest_of(manifest) == found.digest
        for blob in package_reading.read(manifest).every:
            client.package_blob(found.digest, blob, tmp_path / "blob", told=lambda _: None)
            assert digest_of((tmp_path / "blob").read_bytes()) == blob.digest
        # As the Device itself asks who vouches for it.
        owner_key, account = owner.keys.keys.owner_key, owner.logged_in.account
        believed = Catalogs(
            tmp_path / "catalogs", account=account, owner_key=owner_key, taker=AMD64, now_ns=lambda: NOW_NS
        )
        uri = believed.uri("community", "wiki", found.digest, client.catalog, manifest=manifest)
    assert uri == f"{workshop.registry}/wiki@{found.digest}"


def test_a_blob_is_gone_on_with_by_range(owner: Owner, workshop: Workshop, joined: Join) -> None:
    device = joined("attic")
    add(owner, workshop)
    digest = owner.install("wiki").app_digest
    blob, size = max(blobs_of(device, digest), key=lambda one: one[1])
    path = f"/api/device/packages/{digest}/blobs/{blob}"
    first = ask(device, path, Range="bytes=0-9")
    rest = ask(device, path, Range="bytes=10-")
    assert (first.status_code, rest.status_code) == (206, 206)
    assert rest.headers["content-range"] == f"bytes 10-{size - 1}/{size}"
    assert digest_of(first.content + rest.content) == blob
    beyond = ask(device, path, Range=f"bytes={size}-")
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")
    assert ask(device, path, Range="bytes=0-1,4-5").content == first.content + rest.content


def test_a_device_gets_only_what_a_package_names_that_its_account_has_installed(
    owner: Owner, workshop: Workshop, joined: Join
) -> None:
    device = joined("attic")
    add(owner, workshop)
    digest = owner.install("wiki").app_digest
    plain = owner.install("notes").app_digest
    (blob, _), *_ = blobs_of(device, digest)
    for manifest, wanted in [(digest, plain), (plain, blob), (blob, blob), (digest, "sha256:../../x"), ("x", blob)]:
        assert ask(device, f"/api/device/packages/{manifest}/blobs/{wanted}").status_code == 404
    owner.hive.ask(lambda hive: hive.write(lambda tx: devices.remove(tx, device.id, now_ns=1)))
    assert ask(device, f"/api/device/packages/{digest}/blobs/{blob}").status_code in (401, 403)


def test_another_account_and_its_device_see_nothing_of_it(owner: Owner, workshop: Workshop, joined: Join) -> None:
    joined("attic")
    add(owner, workshop)
    digest = owner.install("wiki", device="attic").app_digest
    (blob, _), *_ = blobs_of(joined("cellar"), digest)
    cellar, others = joined("shed"), AccountId("ff" * 16)

    async def give_away(hive: Hive) -> None:
        other = Account(others, "other", "", None, None)
        await hive.write(lambda tx: accounts.add(tx, other, now_ns=NOW_NS))
        to_them = update(schema.devices).where(schema.devices.c.id == cellar.id).values(account=others)
        await hive.write(lambda tx: tx.execute(to_them))

    owner.hive.ask(give_away)
    assert ask(cellar, f"/api/device/packages/{digest}/blobs/{blob}").status_code == 404
    assert ask(cellar, "/api/device/catalogs/community").status_code == 404


def test_a_device_that_nobody_admitted_gets_neither_blob_nor_catalog(owner: Owner, workshop: Workshop) -> None:
    waiting = FakeDevice("waiting")
    waiting.join(owner.join_token(admitted=False))
    waiting.connect()
    try:
        add(owner, workshop)
        found = [ask(waiting, f"/api/device/{path}") for path in ("catalogs/community", "packages/a/blobs/b")]
    finally:
        waiting.disconnect()
    assert {one.status_code for one in found} == {403}


def test_a_byte_that_was_changed_in_the_registry_is_refused_and_nothing_is_written(
    owner: Owner, workshop: Workshop, joined: Join, server: RegistryServer
) -> None:
    joined("attic")
    add(owner, workshop)
    manifest = workshop.repository.targets()[0].apps["wiki"].partition("@")[2]
    content = server.blob_file(manifest).read_bytes()
    bundle = server.blob_file(package_reading.read(content).bundle.digest)
    whole = bundle.read_bytes()
    bundle.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    before = kept(owner)

    with pytest.raises(MosaicError) as refused:
        owner.install("wiki")
    assert refused.value.code == "registry-blob-damaged"
    with pytest.raises(NotFound):
        owner.installation("wiki")
    assert f"sha256-{manifest[7:]}" not in kept(owner)
    assert not {path for path in kept(owner) - before if path.endswith(bundle.parent.name)}

    bundle.write_bytes(whole)
    assert owner.install("wiki").app == "wiki"


def test_an_expired_repository_is_refused_and_what_was_listed_stays(
    owner: Owner, workshop: Workshop, joined: Join, clock: ManualClock
) -> None:
    device = joined("attic")
    add(owner, workshop)
    clock.advance(6 * DAY_SECONDS)
    [soon] = sources(owner)
    assert "its timestamp expires soon" in soon.warnings
    clock.advance(2 * DAY_SECONDS)
    found = refresh(owner)
    assert "the time that it was signed for is over" in (found.problem or "")
    assert "its timestamp has expired" in found.warnings
    assert found.refreshed_ns == NOW_NS
    assert [one.title for one in listed(owner).values()] == ["Wiki"]
    assert any(one.kind == "catalog-refused" for one in owner.happened())
    assert served(device).files

    workshop.publish(now_ns=clock.wall_ns(), forced=True)
    assert refresh(owner).problem is None


def test_a_repository_that_went_back_is_refused_and_what_was_listed_stays(
    owner: Owner, workshop: Workshop, joined: Join, tmp_path: Path
) -> None:
    joined("attic")
    shutil.copytree(workshop.folder / "public", tmp_path / "older")
    change(workshop)
    add(owner, workshop)
    shutil.rmtree(workshop.folder / "public")
    shutil.copytree(tmp_path / "older", workshop.folder / "public")

    assert "may not follow" in (refresh(owner).problem or "")
    assert [(one.title, one.label) for one in listed(owner).values()] == [("Another wiki", "stable 2")]


def test_a_repository_that_is_away_leaves_what_was_listed_and_is_asked_again(
    owner: Owner, workshop: Workshop, joined: Join, clock: ManualClock
) -> None:
    joined("attic")
    add(owner, workshop)
    away = workshop.folder / "away"
    metadata(workshop).rename(away)
    assert "does not answer" in (refresh(owner).problem or "")
    assert "wiki" in listed(owner)
    away.rename(metadata(workshop))
    clock.advance(3600)
    owner.hive.ask(refreshing.refresh_due)
    assert [(one.problem, one.refreshed_ns) for one in sources(owner)] == [(None, clock.wall_ns())]


def test_every_hour_catalogs_are_refreshed_by_themselves_and_not_more_often(
    owner: Owner, workshop: Workshop, joined: Join, clock: ManualClock
) -> None:
    joined("attic")
    add(owner, workshop)
    change(workshop)
    clock.advance(1800)
    owner.hive.ask(refreshing.refresh_due)
    assert listed(owner)["wiki"].label == "stable 1"
    clock.advance(2400)
    owner.hive.ask(refreshing.refresh_due)
    assert listed(owner)["wiki"].label == "stable 2"


def test_an_app_whose_registry_is_away_is_listed_with_a_problem_and_asked_for_again_soon(
    owner: Owner, workshop: Workshop, joined: Join, server: RegistryServer, clock: ManualClock
) -> None:
    joined("attic")
    manifest = workshop.repository.targets()[0].apps["wiki"].partition("@")[2]
    described = package_reading.read(server.blob_file(manifest).read_bytes()).compose
    assert described is not None
    file = server.blob_file(described.digest)
    file.rename(file.with_name("away"))
    assert add(owner, workshop).problem is None
    assert "wiki" in listed(owner)
    assert listed(owner)["wiki"].problem
    file.with_name("away").rename(file)
    # Sooner than the hour that a whole refresh has.
    clock.advance(400)
    owner.hive.ask(refreshing.refresh_due)
    assert (listed(owner)["wiki"].title, listed(owner)["wiki"].problem) == ("Wiki", None)


def test_after_a_restart_what_is_listed_and_installed_needs_no_registry(
    owner: Owner, workshop: Workshop, joined: Join, server: RegistryServer
) -> None:
    joined("attic")
    add(owner, workshop)
    digest = owner.install("wiki").app_digest
    names = {name: path for path in server.folder.rglob("data") for name in [path.parent.name]}
    server.folder.rename(server.folder.with_name("gone"))
    metadata(workshop).rename(workshop.folder / "away")
    try:
        owner.hive.stop()
        owner.hive.start()
        device = joined("cellar")
        assert listed(owner)["wiki"].title == "Wiki"
        for blob, _ in blobs_of(device, digest):
            answer = ask(device, f"/api/device/packages/{digest}/blobs/{blob}")
            assert digest_of(answer.content) == blob
            assert blob[7:] in names
        assert owner.install("wiki", name="second", device="cellar").app_digest == digest
    finally:
        server.folder.with_name("gone").rename(server.folder)


def test_a_device_is_given_its_own_hardware_alone(owner: Owner, workshop: Workshop, joined: Join) -> None:
    device = joined("attic")
    device.hardware = "raspberrypi4-64"
    device.report()
    add(owner, workshop)
    eventually(lambda: listed(owner)["wiki"].problem)
    with pytest.raises(MosaicError) as refused:
        owner.install("wiki")
    assert refused.value.code == "app-not-for-device"
    assert "raspberrypi4-64" in refused.value.message
    workshop.publish(hardware=["raspberrypi4-64"], forced=True)
    refresh(owner)
    assert owner.install("wiki").label == "stable 2"


def test_a_roll_out_decides_which_version_a_device_is_given(owner: Owner, workshop: Workshop, joined: Join) -> None:
    device = joined("attic")
    add(owner, workshop)
    change(workshop)
    publishing.set_roll_out(workshop.repository, 2, RollOut(0, frozenset({"canary"})), now_ns=NOW_NS)
    refresh(owner)
    assert listed(owner)["wiki"].label == "stable 1"
    assert owner.install("wiki").label == "stable 1"
    found = offer(owner)
    assert found is not None
    assert found.label == "stable 1"

    device.group = "canary"
    device.report()
    eventually(lambda: listed(owner)["wiki"].label == "stable 2")
    found = offer(owner)
    assert found is not None
    assert (found.label, found.catalog.name) == ("stable 2", "community")
    assert f"sha256-{found.digest[7:]}" not in kept(owner)
    have_offered(owner, found)
    assert f"sha256-{found.digest[7:]}" in kept(owner)


def test_a_plan_says_how_much_its_device_fetches_at_most(owner: Owner, workshop: Workshop, joined: Join) -> None:
    joined("attic")
    add(owner, workshop)
    runs = owner.install("wiki").app_digest
    push_image(workshop.registries, workshop.host, "library/nginx", "2", b"one layer", b"the second layer")
    workshop.write("wiki", compose=compose(f"{workshop.host}/library/nginx:2"))
    workshop.commit()
    workshop.publish()
    refresh(owner)
    before = kept(owner)
    with owner.client() as client:
        plan = client.send("POST", "/api/installations/wiki/update-plan", UpdateApp(), UpdatePlan)
    assert kept(owner) == before

    # The layer of the version that runs is there: the bundle is fetched, and the other layer.
    found = offer(owner)
    assert found is not None
    have_offered(owner, found)
    store = Bundles(owner.hive.config.state / "bundles")
    bundle = package_reading.read(store.get(found.digest)).bundle
    assert plan.fetch_bytes == bundle.size + len(b"the second layer")

    # The same, of a version that the store has.
    chosen = Choice("wiki", found.digest, compose_file(store, found.digest))
    assert size_of(owner, chosen, runs=runs, machine="x86_64") == plan.fetch_bytes
    assert size_of(owner, chosen, runs=runs, machine="aarch64") is None


def size_of(owner: Owner, choice: Choice, *, runs: str, machine: str) -> int | None:
    """Return how much is fetched for a version by a Device that runs another one."""

    async def look(hive: Hive) -> int | None:
        return fetch_bytes(choice, runs=AppDigest(runs), machine=machine, bundles=hive.bundles, packages=hive.packages)

    return owner.hive.ask(look)


def test_an_app_that_a_version_for_other_devices_leaves_out_is_listed_and_installed(
    owner: Owner, workshop: Workshop, joined: Join
) -> None:
    joined("attic")
    add(owner, workshop)
    shutil.rmtree(workshop.apps / "wiki")
    change(workshop, "journal")
    publishing.set_roll_out(workshop.repository, 2, RollOut(0, frozenset({"canary"})), now_ns=NOW_NS)
    refresh(owner)
    assert {app: one.problem is None for app, one in listed(owner).items()} == {"wiki": True, "journal": False}
    assert owner.install("wiki").label == "stable 1"
    with pytest.raises(MosaicError) as refused:
        owner.install("journal")
    assert refused.value.code == "app-not-for-device"


def test_a_version_that_was_withdrawn_is_not_offered_in_place_of_a_newer_one(
    owner: Owner, workshop: Workshop, joined: Join
) -> None:
    joined("attic")
    add(owner, workshop)
    change(workshop)
    refresh(owner)
    assert owner.install("wiki").label == "stable 2"
    publishing.withdraw(workshop.repository, 2, now_ns=NOW_NS)
    refresh(owner)
    assert listed(owner)["wiki"].label == "stable 1"
    assert offer(owner) is None


def test_of_two_apps_of_one_name_the_catalogs_is_called_by_its_source(
    owner: Owner, workshop: Workshop, joined: Join, tmp_path: Path
) -> None:
    joined("attic")
    add(owner, workshop)
    write_app(tmp_path / "catalog", "wiki")
    named = {one.app: one.source for one in owner.catalog()}
    assert named == {"notes": "folder", "wiki": "folder", "community/wiki": "community"}
    made = owner.install("community/wiki")
    assert (made.name, made.app, made.catalog) == ("wiki", "wiki", "community")
    assert owner.install("wiki", name="other").catalog is None


def test_a_check_of_an_install_fetches_no_bundle(owner: Owner, workshop: Workshop, joined: Join) -> None:
    joined("attic")
    add(owner, workshop)
    before = kept(owner)
    assert owner.install("wiki", dry_run=True).name == "wiki"
    assert kept(owner) == before


def test_what_an_app_asks_for_is_refused_before_its_bundle_is_fetched(
    owner: Owner, workshop: Workshop, joined: Join
) -> None:
    joined("attic")
    image = f"{workshop.host}/library/nginx:alpine"
    workshop.write("greedy", compose=compose(image).replace("image:", "privileged: true, image:"))
    workshop.commit()
    workshop.publish()
    add(owner, workshop)
    assert listed(owner)["greedy"].asks == ["privileged"]
    before = kept(owner)
    with pytest.raises(Refused, match="privileged"):
        owner.install("greedy")
    assert kept(owner) == before


def test_a_package_that_does_not_fit_is_refused_with_the_numbers(
    owner: Owner, workshop: Workshop, joined: Join
) -> None:
    joined("attic")
    add(owner, workshop)
    assert owner.hive.hive is not None
    owner.hive.hive.packages.spared_bytes = 2**62
    before = kept(owner)
    with pytest.raises(MosaicError) as refused:
        owner.install("wiki")
    assert refused.value.code == "hive-lacks-room"
    assert str(2**62) in refused.value.message
    assert kept(owner) - before <= {f"sha256-{hashlib.sha256(b'{}').hexdigest()}"}


def test_a_catalog_that_is_removed_lists_nothing_and_stops_nothing(
    owner: Owner, workshop: Workshop, joined: Join
) -> None:
    device = joined("attic")
    add(owner, workshop)
    made = owner.install("wiki")
    change(workshop)
    refresh(owner)
    with owner.client() as client:
        client.order("DELETE", "/api/catalogs/community")
    assert (listed(owner), sources(owner), offer(owner)) == ({}, [], None)
    assert ask(device, "/api/device/catalogs/community").status_code == 404
    assert blobs_of(device, made.app_digest)
    assert owner.installation("wiki").wanted == "run"
    # The same again, and nothing of what was known is in the way.
    assert add(owner, workshop).problem is None
    assert listed(owner)["wiki"].label == "stable 2"


def test_a_catalog_is_believed_by_the_owners_word_alone(owner: Owner, workshop: Workshop, tmp_path: Path) -> None:
    root, url = first_root(workshop), url_of(workshop)
    other = target_world.Publisher(tmp_path / "other").create("stable")
    others_root, others_url = other.root, other.public.as_uri()
    trust = signed(owner, root, "community")
    replaced = msgspec.structs.replace
    wrong = {
        "catalog-not-signed": [
            AddCatalog(replaced(trust, channel="testing"), url, root),
            AddCatalog(replaced(trust, name="another"), url, root),
            AddCatalog(replaced(trust, signature="00" * 64), url, root),
            AddCatalog(replaced(trust, root_sha256=hashlib.sha256(others_root).hexdigest()), url, others_root),
        ],
        "catalog-refused": [
            AddCatalog(trust, url, others_root),
            AddCatalog(trust, "ftp://example.org/", root),
            AddCatalog(trust, "https://user:word@example.org/", root),
            AddCatalog(trust, "file://elsewhere/srv", root),
            AddCatalog(trust, "not an address", root),
        ],
        "trust-unreadable": [AddCatalog(signed(owner, b"{}", "community"), url, b"{}")],
        "name-unusable": [AddCatalog(signed(owner, root, "No Name"), url, root)],
        "target-unusable": [AddCatalog(signed(owner, root, "community", "a/b"), url, root)],
        "catalog-name-taken": [AddCatalog(signed(owner, root, "own"), url, root)],
        "channel-missing": [AddCatalog(signed(owner, root, "community", "testing"), url, root)],
        "trust-unsigned": [AddCatalog(trust, others_url, root)],
    }
    found = {}
    for code, wishes in wrong.items():
        found[code] = {_refusal(owner, wish) for wish in wishes}
    assert found == {code: {code} for code in wrong}
    assert sources(owner) == []
    add(owner, workshop)
    with pytest.raises(Conflict, match="already"):
        add(owner, workshop)


def test_what_a_stranger_calls_his_app_cannot_steer_a_terminal(owner: Owner, workshop: Workshop, joined: Join) -> None:
    joined("attic")
    change(workshop, title='"Wiki\\e[2J\\nmore"')
    add(owner, workshop)
    assert listed(owner)["wiki"].title == "Wiki [2J more"


def test_the_console_says_where_apps_come_from_and_installs_them_in_one_click(
    owner: Owner, workshop: Workshop, joined: Join, tmp_path: Path
) -> None:
    joined("attic")
    add(owner, workshop)
    write_app(tmp_path / "catalog", "wiki")
    shutil.rmtree(workshop.folder / "public")
    refresh(owner)
    with httpx2.Client(base_url=owner.hive.url, trust_env=False, follow_redirects=True) as browser:
        browser.post("/login", data={"name": "ada", "password": PASSWORD})
        page = browser.get("/catalog").text
        for said in ("stable 1 · from community", "Not refreshed", "does not answer", "mosaic catalog add NAME URL"):
            assert said in page
        assert 'href="/catalog/community/wiki"' in page
        plan = browser.get("/catalog/community/wiki").text
        assert "the catalog community" in plan
        csrf = plan.partition('name="csrf" value="')[2].partition('"')[0]
        form = {"csrf": csrf, "name": "wiki", "device": "attic"}
        done = browser.post("/catalog/community/wiki", data=form, headers={"Sec-Fetch-Site": "same-origin"})
        assert done.url.path == "/apps/wiki"
        assert "/apps/wiki" in browser.get("/catalog").text
    assert owner.installation("wiki").catalog == "community"


def test_the_plan_of_a_catalogs_app_that_cannot_be_installed_blames_no_folder(
    owner: Owner, workshop: Workshop, joined: Join
) -> None:
    joined("attic")
    add(owner, workshop)
    change(workshop, "journal")
    publishing.set_roll_out(workshop.repository, 2, RollOut(0, frozenset({"canary"})), now_ns=NOW_NS)
    refresh(owner)
    with httpx2.Client(base_url=owner.hive.url, trust_env=False, follow_redirects=True) as browser:
        browser.post("/login", data={"name": "ada", "password": PASSWORD})
        plan = browser.get("/catalog/journal").text
    assert "is not rolled out to any of your devices yet" in plan
    assert "Off: it can’t be installed, see above." in plan
    assert "its folder" not in plan


def test_a_catalog_whose_repository_is_away_is_added_and_says_so(owner: Owner, workshop: Workshop) -> None:
    added = add(owner, workshop, url="http://127.0.0.1:9/none")
    assert "does not answer" in (added.problem or "")
    assert (added.refreshed_ns, added.expires_ns, added.apps) == (None, None, [])


def _refusal(owner: Owner, wish: AddCatalog) -> str:
    try:
        with owner.client() as client:
            client.send("POST", "/api/catalogs", wish, Catalog)
    except MosaicError as error:
        return error.code
    return "added"
