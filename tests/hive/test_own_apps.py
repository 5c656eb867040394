"""Apps of an account's own: taken in part by part, kept when their owner signed all of it, else not there at all."""

import os
from collections.abc import Callable
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mosaic.core.errors import MosaicError
from mosaic.core.oci_types import digest_of
from mosaic.core.package import MAX_BUNDLE_BYTES
from mosaic.crypto import approvals
from mosaic.crypto.secret import Secret
from mosaic.packager.packing import Packed
from mosaic.wire.api import CatalogApp
from mosaic.wire.approval import Approval
from mosaic.wire.versions import OwnApp
from support.own_apps import Sent, import_app, own_app, packed, parts_of, put_part
from support.running_hive import Owner, RunningHive, made_keys
from support.second_account import second_account

pytestmark = pytest.mark.long


def refused(call: Callable[[], object]) -> MosaicError:
    with pytest.raises(MosaicError) as raised:
        call()
    return raised.value


def put(owner: Owner, app: str, told: OwnApp) -> CatalogApp:
    with owner.client() as client:
        return client.send("PUT", f"/api/own-apps/{app}", told, CatalogApp)


def own(owner: Owner) -> list[str]:
    return [one.digest for one in owner.catalog() if one.source == "own"]


def kept(owner: Owner) -> list[str]:
    return sorted(path.name for path in (owner.hive.config.state / "bundles").glob("sha256*"))


def staged(owner: Owner) -> list[Path]:
    return [path for path in (owner.hive.config.state / "importing").rglob("*") if path.is_file()]


@pytest.fixture
def diary(tmp_path: Path) -> Packed:
    """An app that its owner packed."""
    return packed(tmp_path / "made")


def test_an_app_that_its_owner_signed_is_in_the_catalog_as_his_own(owner: Owner, diary: Packed) -> None:
    entry = import_app(owner, diary)
    assert (entry.app, entry.title, entry.source, entry.digest) == ("diary", "Diary", "own", diary.digest)
    assert (entry.services, entry.ports, entry.label) == (["web"], ["web 80/tcp"], diary.digest[7:19])
    about = {"owner_key": owner.keys.keys.owner_key, "account": owner.logged_in.account, "app": "diary"}
    assert approvals.is_approved(entry.approval, digest=diary.digest, **about)
    assert entry in owner.catalog()
    assert staged(owner) == []
    assert owner.happened()[-1].text == "diary was imported."


def test_the_same_again_changes_nothing_and_another_version_takes_its_place(
    owner: Owner, diary: Packed, tmp_path: Path
) -> None:
    first = import_app(owner, diary)
    assert import_app(owner, diary) == first
    newer = packed(tmp_path / "newer", compose="services: {web: {image: 'notes:2'}}")
    assert import_app(owner, newer).digest == newer.digest != diary.digest
    assert own(owner) == [newer.digest]
    told = [event.text for event in owner.happened() if event.kind == "app-imported"]
    assert told == ["diary was imported.", "Another version of diary was imported."]


def test_it_may_have_another_name_than_its_folder(owner: Owner, diary: Packed) -> None:
    assert import_app(owner, diary, app="journal").app == "journal"


def test_what_was_removed_is_not_listed_and_cannot_be_removed_again(owner: Owner, diary: Packed) -> None:
    import_app(owner, diary)
    with owner.client() as client:
        client.order("DELETE", "/api/own-apps/diary")
        assert own(owner) == []
        assert refused(partial(client.order, "DELETE", "/api/own-apps/diary")).code == "own-app-unknown"


def test_only_the_owners_signature_over_this_very_package_under_this_name_counts(
    owner: Owner, diary: Packed, tmp_path: Path
) -> None:
    other = packed(tmp_path / "other", compose="services: {web: {image: 'notes:2'}}")
    good, about = own_app(owner, diary), {"account": owner.logged_in.account, "digest": diary.digest}
    strange = [
        OwnApp(diary.manifest, approvals.approve(Secret(bytes(32)), app="diary", **about)),
        OwnApp(diary.manifest, own_app(owner, diary, app="journal").approval),
        OwnApp(diary.manifest, own_app(owner, other).approval),
        OwnApp(other.manifest, good.approval),
        OwnApp(diary.manifest, Approval(other.digest, good.approval.signature)),
        OwnApp(diary.manifest, Approval(diary.digest, "")),
    ]
    for digest, content in (parts_of(diary) | parts_of(other)).items():
        put_part(owner, "diary", digest, content)
    for told in strange:
        assert refused(partial(put, owner, "diary", told)).code == "approval-wrong"
    assert (own(owner), kept(owner)) == ([], [])


def test_a_manifest_whose_parts_have_not_come_is_refused(owner: Owner, diary: Packed) -> None:
    parts = parts_of(diary)
    for missing in parts:
        for digest, content in parts.items():
            if digest != missing:
                put_part(owner, "diary", digest, content)
        assert refused(partial(put, owner, "diary", own_app(owner, diary))).code == "parts-missing"
        owner.hive.stop()
        owner.hive.start()
    assert (own(owner), kept(owner)) == ([], [])


def test_what_is_no_package_is_refused(owner: Owner, diary: Packed) -> None:
    account = owner.logged_in.account
    seed = made_keys().opened.owner_seed
    loose = diary.manifest.replace(b'"schemaVersion":2', b'"schemaVersion":2,"schemaVersion":2')
    for digest, content in parts_of(diary).items():
        put_part(owner, "diary", digest, content)
    for manifest in (b"", b"{}", b"\xff", diary.manifest[:-1], loose, b" " * 60_000, b"[" * 40_000):
        approval = approvals.approve(seed, account=account, app="diary", digest=digest_of(manifest))
        said = refused(partial(put, owner, "diary", OwnApp(manifest, approval)))
        assert said.code == "import-refused", manifest[:80]
    assert (own(owner), kept(owner)) == ([], [])
    assert put(owner, "diary", own_app(owner, diary)).digest == diary.digest


@pytest.mark.parametrize(
    "digest", ["sha256:" + "0" * 64, "sha256:" + "A" * 64, "x", "..", "sha256:..%2f..%2fhive.db", "sha512:" + "0" * 128]
)
def test_a_part_that_is_not_what_its_name_says_is_not_kept(owner: Owner, digest: str) -> None:
    assert put_part(owner, "diary", digest, b"content").status in (400, 404, 422)
    assert staged(owner) == []


@pytest.mark.parametrize("app", ["..", "a%2Fb", "..%2f..%2fbundles", "Diary", "-", "x" * 41, "a%0Ab", "own%00"])
def test_a_name_that_could_be_a_path_is_refused(owner: Owner, app: str) -> None:
    content = b"content"
    assert put_part(owner, app, digest_of(content), content).status in (400, 404, 405, 422)
    assert staged(owner) == []


def test_a_part_says_how_long_it_is_and_none_is_longer_than_any_bundle(owner: Owner) -> None:
    parts = urlsplit(owner.hive.url)
    for header in ({"Content-Length": str(MAX_BUNDLE_BYTES + 1)}, {"Transfer-Encoding": "chunked"}):
        assert parts.hostname is not None
        connection = HTTPConnection(parts.hostname, parts.port or 80, timeout=60)
        connection.putrequest("PUT", "/api/own-apps/diary/blobs/sha256:" + "0" * 64)
        for name, value in {"Authorization": f"Bearer {owner.logged_in.token}", **header}.items():
            connection.putheader(name, value)
        connection.endheaders()
        assert connection.getresponse().status in (413, 422)
        connection.close()
    assert staged(owner) == []


def test_no_import_fills_the_hive_with_parts_or_bytes(owner: Owner, diary: Packed) -> None:
    assert owner.hive.hive is not None
    said = [put_part(owner, "diary", digest_of(part), part) for part in (bytes([number]) for number in range(40))]
    assert Sent(422, "import-refused") in said
    assert len(staged(owner)) < 40
    apps = [put_part(owner, f"app-{number}", digest_of(b"x"), b"x") for number in range(12)]
    assert Sent(422, "import-refused") in apps
    owner.hive.stop()
    owner.hive.start()
    owner.hive.hive.imports.most_bytes = 1000
    assert put_part(owner, "diary", digest_of(bytes(600)), bytes(600)) == Sent(204)
    assert put_part(owner, "diary", digest_of(bytes(601)), bytes(601)) == Sent(422, "import-refused")
    assert (own(owner), kept(owner)) == ([], [])


def test_a_hive_that_was_killed_in_an_import_lists_nothing_of_it_and_begins_without_it(
    owner: Owner, diary: Packed
) -> None:
    for digest, content in parts_of(diary).items():
        put_part(owner, "diary", digest, content)
    assert len(staged(owner)) == len(parts_of(diary))
    owner.hive.stop()
    owner.hive.start()
    assert (own(owner), kept(owner), staged(owner)) == ([], [], [])
    assert refused(partial(put, owner, "diary", own_app(owner, diary))).code == "parts-missing"
    assert import_app(owner, diary).digest == diary.digest


def test_another_account_sees_and_removes_nothing_of_it(owner: Owner, diary: Packed, hive: RunningHive) -> None:
    import_app(owner, diary)
    bob = second_account(hive)
    assert own(bob) == []
    with bob.client() as client:
        assert refused(partial(client.order, "DELETE", "/api/own-apps/diary")).code == "own-app-unknown"
    # What is here for one account is not here for the other, and one's signature is not the other's.
    assert refused(partial(put, bob, "diary", own_app(bob, diary))).code == "parts-missing"
    for digest, content in parts_of(diary).items():
        put_part(bob, "diary", digest, content)
    assert refused(partial(put, bob, "diary", own_app(owner, diary))).code == "approval-wrong"
    assert own(owner) == [diary.digest]


def test_what_somebody_gave_up_importing_keeps_nobody_else_from_it(
    owner: Owner, diary: Packed, hive: RunningHive
) -> None:
    bob = second_account(hive)
    assert hive.hive is not None
    hive.hive.imports.most_bytes = 20_000
    assert put_part(bob, "album", digest_of(bytes(20_000)), bytes(20_000)) == Sent(204)
    assert put_part(owner, "diary", digest_of(b"x"), b"x") == Sent(422, "import-refused")
    for path in (hive.config.state / "importing" / bob.logged_in.account).rglob("*"):
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 3700))
    assert import_app(owner, diary).digest == diary.digest
    assert staged(bob) == []
