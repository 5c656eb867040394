"""Who vouches for an app goes with it to its Device: the owner's signature, over an app of his own or a folder's."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx2
import pytest

from mosaic.core.errors import MosaicError
from mosaic.core.ids import AccountId
from mosaic.crypto import approvals
from mosaic.crypto.secret import Secret
from mosaic.hive.finding import find_installation
from mosaic.hive.own_offers import offer_of_own
from mosaic.hive.runtime import Hive
from mosaic.wire.api import CatalogApp, Installation
from mosaic.wire.approval import Approval
from mosaic.wire.assignment import Assignment
from mosaic.wire.versions import UpdateApp
from support.fake_device import FakeDevice
from support.own_apps import import_app, packed
from support.running_hive import PASSWORD, Owner, made_keys, write_app
from support.waiting import eventually

pytestmark = pytest.mark.long

Join = Callable[[str], FakeDevice]


def refused(call: Callable[[], object]) -> MosaicError:
    with pytest.raises(MosaicError) as raised:
        call()
    return raised.value


def approval(owner: Owner, digest: str, *, app: str = "notes", seed: Secret | None = None) -> Approval:
    owner_seed = seed or made_keys().opened.owner_seed
    return approvals.approve(owner_seed, account=owner.logged_in.account, app=app, digest=digest)


def approve(owner: Owner, signed: Approval, name: str = "notes") -> Installation:
    with owner.client() as client:
        return client.send("PUT", f"/api/installations/{name}/approval", signed, Installation)


def is_approved(owner: Owner, item: Assignment) -> bool:
    """Ask what a Device asks."""
    key, account = owner.keys.keys.owner_key, owner.logged_in.account
    return approvals.is_approved(item.approval, owner_key=key, account=account, app=item.app, digest=item.app_digest)


def assigned(device: FakeDevice, name: str, *, has_approval: bool = True) -> Assignment:
    def told() -> bool:
        item = device.assigned(name)
        return item is not None and bool(item.approval) is has_approval

    eventually(told)
    item = device.assigned(name)
    assert item is not None
    return item


def digest_of(owner: Owner, app: str = "notes") -> str:
    return next(one.digest for one in owner.catalog() if one.app == app)


def test_an_app_of_ones_own_goes_to_its_device_with_the_owners_signature(
    owner: Owner, joined: Join, tmp_path: Path
) -> None:
    attic, entry = joined("attic"), import_app(owner, packed(tmp_path / "made"))
    made = owner.install("diary", name="journal")
    assert (made.app, made.app_digest) == ("diary", entry.digest)
    item = assigned(attic, "journal")
    assert (item.app, item.app_digest, item.catalog) == ("diary", entry.digest, "")
    assert is_approved(owner, item)


def test_what_was_installed_from_it_stays_as_it_was_when_another_version_comes_or_all_is_removed(
    owner: Owner, joined: Join, tmp_path: Path
) -> None:
    attic, entry = joined("attic"), import_app(owner, packed(tmp_path / "made"))
    owner.install("diary")
    before = assigned(attic, "diary")
    import_app(owner, packed(tmp_path / "newer", compose="services: {web: {image: 'notes:2'}}"))
    with owner.client() as client:
        client.order("DELETE", "/api/own-apps/diary")
    assert refused(partial(owner.install, "diary", name="other")).code == "app-unknown"
    after = attic.assigned("diary")
    assert after is not None
    assert (after.app_digest, after.approval) == (before.app_digest, before.approval) == (entry.digest, entry.approval)


def test_of_two_apps_of_one_name_a_folders_comes_first_and_ones_own_is_named_by_its_source(
    owner: Owner, joined: Join, tmp_path: Path
) -> None:
    joined("attic")
    entry = import_app(owner, packed(tmp_path / "made", "notes"))
    assert entry.app == "own/notes"
    assert {one.app: one.source for one in owner.catalog()} == {"notes": "folder", "own/notes": "own"}
    assert owner.install("notes").app_digest == digest_of(owner)
    own = owner.install("own/notes", name="mine")
    assert (own.app, own.app_digest) == ("notes", entry.digest)


def test_an_app_that_asks_for_too_much_is_refused_at_its_install(owner: Owner, joined: Join, tmp_path: Path) -> None:
    joined("attic")
    import_app(owner, packed(tmp_path / "made", compose="services: {web: {image: 'web:1', privileged: true}}"))
    assert refused(partial(owner.install, "diary")).code == "policy-refused"
    assert refused(partial(owner.installation, "diary")).code == "installation-unknown"


def test_a_folders_app_goes_to_its_device_with_the_approval_that_it_was_installed_with(
    owner: Owner, joined: Join
) -> None:
    attic = joined("attic")
    owner.install("notes", approval=approval(owner, digest_of(owner)))
    assert is_approved(owner, assigned(attic, "notes"))


def test_a_folder_that_changed_since_it_was_approved_is_not_installed(owner: Owner, joined: Join) -> None:
    joined("attic")
    signed = approval(owner, digest_of(owner))
    write_app(owner.hive.config.catalogs[0], "notes", "services: {web: {image: 'notes:2'}}")
    said = refused(partial(owner.install, "notes", approval=signed))
    assert (said.code, "changed" in said.hint) == ("approval-wrong", True)
    assert refused(owner.installation).code == "installation-unknown"
    assert not any(event.kind == "installed" for event in owner.happened())


def test_only_the_owner_approves_and_only_what_is_installed(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    digest = digest_of(owner)
    for wrong in (
        approval(owner, digest, seed=Secret(bytes(32))),
        approval(owner, digest, app="other"),
        approval(owner, "sha256:" + "0" * 64),
        Approval(digest, ""),
    ):
        assert refused(partial(owner.install, "notes", approval=wrong)).code == "approval-wrong"
    owner.install("notes")
    assert assigned(attic, "notes", has_approval=False).approval == ""
    assert refused(partial(approve, owner, approval(owner, "sha256:" + "0" * 64))).code == "approval-wrong"
    assert refused(partial(approve, owner, approval(owner, digest), "other")).code == "installation-unknown"


def test_what_is_installed_can_be_approved_later_and_that_changes_nothing_else(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    owner.install("notes")
    before = assigned(attic, "notes", has_approval=False)
    for _ in range(2):
        approve(owner, approval(owner, digest_of(owner)))
    after = assigned(attic, "notes")
    assert is_approved(owner, after)
    assert after.config_revision == before.config_revision
    told = [event.text for event in owner.happened() if event.kind == "approved"]
    assert told == ["The version of notes that notes runs is approved by its owner."]


def test_only_what_was_installed_from_ones_own_app_is_offered_its_next_version(
    owner: Owner, joined: Join, tmp_path: Path
) -> None:
    joined("attic")
    first = import_app(owner, packed(tmp_path / "made", "notes"))
    owner.install("own/notes", name="mine")
    owner.install("notes")

    def offered(name: str) -> CatalogApp | None:
        async def ask(hive: Hive) -> CatalogApp | None:
            account = AccountId(owner.logged_in.account)
            found = await hive.read(lambda tx: find_installation(tx, account, name))
            return await offer_of_own(hive, found)

        return owner.hive.ask(ask)

    assert (found := offered("mine")) is not None
    assert (found.digest, found.approval) == (first.digest, first.approval)
    assert offered("notes") is None
    newer = packed(tmp_path / "newer", "notes", compose="services: {web: {image: 'notes:2'}}")
    entry = import_app(owner, newer)
    assert (found := offered("mine")) is not None
    assert (found.digest, found.approval) == (newer.digest, entry.approval)
    with owner.client() as client:
        client.order("DELETE", "/api/own-apps/notes")
    assert offered("mine") is None


def test_an_update_of_ones_own_app_is_its_next_version_with_the_owners_signature(
    owner: Owner, joined: Join, tmp_path: Path
) -> None:
    attic = joined("attic")
    import_app(owner, packed(tmp_path / "made"))
    owner.install("diary")
    eventually(lambda: owner.installation("diary").phase == "settled")
    with owner.client() as client:
        update = partial(client.send, "POST", "/api/installations/diary/update", UpdateApp(), Installation)
        assert refused(update).code == "no-newer-version"
        newer = import_app(owner, packed(tmp_path / "newer", compose="services: {web: {image: 'notes:2'}}"))
        assert owner.installation("diary").newest == newer.label
        update()
    eventually(lambda: (item := attic.assigned("diary")) is not None and item.update is not None)
    item = attic.assigned("diary")
    assert item is not None and item.update is not None
    assert (item.update.app_digest, item.update.approval) == (newer.digest, newer.approval)


def test_an_own_app_that_was_removed_has_no_newer_version_though_a_folder_has_its_name(
    owner: Owner, joined: Join, tmp_path: Path
) -> None:
    joined("attic")
    import_app(owner, packed(tmp_path / "made", "notes"))
    owner.install("own/notes", name="mine")
    eventually(lambda: owner.installation("mine").phase == "settled")
    with owner.client() as client:
        client.order("DELETE", "/api/own-apps/notes")
        asked = partial(client.send, "POST", "/api/installations/mine/update", UpdateApp(), Installation)
        said = refused(asked)
    assert said.code == "app-unknown"
    assert "none" not in said.hint, "the catalog has the folder's"
    assert owner.installation("mine").newest is None


def test_the_plan_of_an_install_shows_all_of_the_digest_that_the_browser_would_sign(owner: Owner) -> None:
    (digest,) = (one.digest for one in owner.catalog() if one.app == "notes")
    with httpx2.Client(base_url=owner.hive.url, trust_env=False, follow_redirects=True) as browser:
        browser.post("/login", data={"name": "ada", "password": PASSWORD})
        page = browser.get("/catalog/notes").text
    assert f'data-digest="{digest}"' in page
    assert f">{digest}</code>" in page
    assert "/js/approve.js" in page
