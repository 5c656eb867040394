"""Catalogs on the command line: believed after a look at the root, listed with what is wrong with them."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from cli.conftest import FakeHive, problem
from cli.samples import installation
from mosaic.crypto import approvals
from mosaic.crypto.account import Made
from mosaic.wire.api import CatalogApp
from mosaic.wire.versions import AddCatalog, Catalog
from support.ran import Json, Ran
from support.target_world import Publisher

Mosaic = Callable[..., Ran]
APPS = [
    CatalogApp("notes", "Notes", "Keeps notes.", "sha256:1", ["web"]),
    CatalogApp("wiki", "Wiki", "Pages for all.", "sha256:2", ["web"], source="community", label="stable 7"),
    CatalogApp("old", "Old", "", "sha256:3", [], problem="its registry is away", source="community", label="stable 7"),
]
COMMUNITY = Catalog(
    "community", "https://apps.example/repo", "stable", "ab" * 32, 10**18, 10**18, 2 * 10**18,
    ["generic-amd64 7"], ["old", "wiki"], warnings=["its timestamp expires soon"],
)  # fmt: skip


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path / "publisher").create("stable")


@pytest.fixture
def with_catalogs(with_keys: FakeHive) -> FakeHive:
    with_keys.answers["GET /api/catalog"] = APPS
    with_keys.answers["GET /api/catalogs"] = [COMMUNITY]
    with_keys.answers["POST /api/catalogs"] = COMMUNITY
    with_keys.answers["POST /api/catalogs/community/refresh"] = COMMUNITY
    with_keys.answers["DELETE /api/catalogs/community"] = (204, None)
    return with_keys


def test_a_catalog_is_signed_by_its_root_after_a_look_at_it(
    mosaic: Mosaic, with_catalogs: FakeHive, made: Made, words_file: str, publisher: Publisher
) -> None:
    url = publisher.public.as_uri()
    ran = mosaic("catalog", "add", "community", url, "--yes", "--passphrase-file", words_file)
    assert ran.code == 0
    assert hashlib.sha256(publisher.root).hexdigest() in ran.stderr
    assert "signed by 1 of 1 keys" in ran.stderr
    sent = with_catalogs.asked[-1][1]
    wish = msgspec.convert(sent, AddCatalog)
    assert (wish.url, wish.root, wish.trust.channel) == (url, publisher.root, "stable")
    assert approvals.is_trusted(wish.trust, owner_key=made.opened.owner_key, account="account")


def test_a_root_is_believed_without_a_question_only_by_its_fingerprint(
    mosaic: Mosaic, with_catalogs: FakeHive, words_file: str, publisher: Publisher, tmp_path: Path
) -> None:
    root, sha256 = tmp_path / "1.root.json", hashlib.sha256(publisher.root).hexdigest()
    root.write_bytes(publisher.root)
    given = ["catalog", "add", "community", "https://apps.example/repo", "--root", str(root)]
    for more, code in (([], "root-not-confirmed"), (["--fingerprint", "00" * 32], "root-differs")):
        ran = mosaic(*given, "--passphrase-file", words_file, "--json", *more)
        assert (ran.code != 0, code in ran.stdout + ran.stderr) == (True, True)
        assert not any(asked.startswith("POST") for asked, _ in with_catalogs.asked)
    ran = mosaic(*given, "--passphrase-file", words_file, "--json", "--fingerprint", sha256.upper())
    assert (ran.code, ran.value["name"]) == (0, "community")


@pytest.mark.parametrize(
    ("name", "url", "code", "hint"),
    [
        ("Bad Name", "https://apps.example/repo", "name-unusable", "try 'bad-name'"),
        ("team", "not-a-url", "catalog-refused", "https://"),
        ("team", "http://127.0.0.1:1/repo", "first-root-away", "`--root FILE`"),
    ],
)
def test_what_cannot_be_added_is_said_before_anything_is_asked(
    mosaic: Mosaic, with_catalogs: FakeHive, name: str, url: str, code: str, hint: str
) -> None:
    error = mosaic("catalog", "add", name, url, "--yes", "--json").value["error"]
    assert (error["code"], hint in error["hint"]) == (code, True)
    assert not any(asked.startswith("POST") for asked, _ in with_catalogs.asked)


def test_nobody_has_to_agree_to_the_removal_of_what_is_not_there(mosaic: Mosaic, with_catalogs: FakeHive) -> None:
    with_catalogs.answers["DELETE /api/catalogs/nothing"] = (404, problem("catalog-unknown", "there is none", "look"))
    assert mosaic("catalog", "remove", "nothing", "--json").value["error"]["code"] == "catalog-unknown"


def test_the_list_says_where_apps_come_from_and_what_is_wrong(mosaic: Mosaic, with_catalogs: FakeHive) -> None:
    lines = mosaic("catalog", "list").stdout.splitlines()
    assert [line.split()[:3] for line in lines[1:3]] == [["notes", "Notes", "folder"], ["wiki", "Wiki", "community"]]
    assert "its registry is away" in lines[3]


def test_a_search_finds_what_has_all_words(mosaic: Mosaic, with_catalogs: FakeHive) -> None:
    assert [one["app"] for one in mosaic("catalog", "search", "pages", "WIKI", "--json").value] == ["wiki"]
    assert "No app has 'mail'" in mosaic("catalog", "search", "mail").stdout


def test_an_app_and_a_catalog_are_shown_by_name(mosaic: Mosaic, with_catalogs: FakeHive) -> None:
    shown = mosaic("catalog", "show", "wiki").stdout
    assert "the catalog community" in shown
    assert "`mosaic install wiki` installs it." in shown
    shown = mosaic("catalog", "show", "community").stdout
    assert "ab" * 32 in shown
    assert "its timestamp expires soon" in shown
    assert mosaic("catalog", "show", "nothing", "--json").value["error"]["code"] == "app-unknown"


def test_catalogs_are_listed_refreshed_and_removed(mosaic: Mosaic, with_catalogs: FakeHive) -> None:
    assert "its timestamp expires soon" in mosaic("catalog", "sources").stdout
    for words in (["community"], []):
        assert [one["name"] for one in mosaic("catalog", "refresh", *words, "--json").value] == ["community"]
    assert mosaic("catalog", "remove", "community").code != 0
    assert not any(asked.startswith("DELETE") for asked, _ in with_catalogs.asked)
    assert "runs on" in mosaic("catalog", "remove", "community", "--yes").stdout
    assert with_catalogs.asked[-1][0] == "DELETE /api/catalogs/community"


def test_an_install_waits_for_the_package_that_the_hive_fetches(mosaic: Mosaic, with_catalogs: FakeHive) -> None:
    left = [3]

    def answer(_: Json) -> object:
        left[0] -= 1
        return (503, problem("package-coming", "1 of 9 MiB are here", "ask again")) if left[0] else installation()

    with_catalogs.answers["POST /api/installations"] = answer
    assert mosaic("install", "community/wiki", "--no-wait").code == 0
    assert left == [0]
