"""`mosaic app import|remove` against a real Hive: packed here, signed here, listed there."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from mosaic.adapters.oci.credentials import NoCredentials
from mosaic.adapters.oci.limits import Limits
from mosaic.adapters.oci.registries import Registries
from mosaic.cli import credentials, publishing
from mosaic.crypto import approvals
from support.app_repositories import push_image
from support.ran import Ran
from support.registry_server import registry_server
from support.running_hive import PASSPHRASE, Owner, running_hive, write_app

Mosaic = Callable[..., Ran]
PINNED = "services: {web: {image: 'notes@sha256:" + "1" * 64 + "'}}\n"
NOWHERE = ("--engine", "unix:///nowhere.sock")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Owner]:
    with running_hive(tmp_path_factory.mktemp("hive")) as hive:
        yield hive.set_up()


@pytest.fixture
def owner(served: Owner, config_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Owner:
    """The owner, logged in on this machine, without a login at any registry."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    with served.client() as client:
        key = client.identity().key
    known = credentials.Credentials(
        served.hive.url, served.logged_in.token, served.logged_in.account, served.logged_in.name, key
    )
    credentials.save(known)
    return served


@pytest.fixture
def words(tmp_path: Path) -> tuple[str, ...]:
    file = tmp_path / "words"
    file.write_text(PASSPHRASE + "\n")
    return "--passphrase-file", str(file), "--yes"


def own(owner: Owner) -> dict[str, str]:
    return {one.app: one.digest for one in owner.catalog() if one.source == "own"}


def test_a_folder_becomes_an_app_of_ones_own(
    mosaic: Mosaic, owner: Owner, tmp_path: Path, words: tuple[str, ...]
) -> None:
    folder = write_app(tmp_path, "diary", PINNED)
    ran = mosaic("app", "import", str(folder), "--offline", *NOWHERE, *words)
    assert ran.code == 0, ran.stderr
    entry = next(one for one in owner.catalog() if one.app == "diary")
    assert ran.stdout == f"diary {entry.digest} is in your catalog; `mosaic install diary` installs it.\n"
    assert "image:    web: docker.io/library/notes@sha256:" in ran.stderr
    signed = {"owner_key": owner.keys.keys.owner_key, "account": owner.logged_in.account, "app": "diary"}
    assert approvals.is_approved(entry.approval, digest=entry.digest, **signed)
    shown = mosaic("catalog", "show", "diary")
    assert entry.digest in shown.stdout
    assert mosaic("app", "remove", "diary").stdout == "diary is off the catalog. What is installed from it runs on.\n"
    assert "diary" not in own(owner)
    assert "own-app-unknown" in mosaic("app", "remove", "diary", "--json").stdout


def test_images_are_pinned_where_registries_answer(
    mosaic: Mosaic, owner: Owner, tmp_path: Path, words: tuple[str, ...]
) -> None:
    with registry_server(tmp_path / "registry") as server:
        opened = Registries(NoCredentials())
        image = push_image(opened, server.host, "web", "1", b"layer")
        opened.close()
        folder = write_app(tmp_path, "pinned", f"services: {{web: {{image: '{server.host}/web:1'}}}}\n")
        ran = mosaic("app", "import", str(folder), *words, "--json")
    assert (ran.code, ran.value["unpinned"]) == (0, [])
    assert image.digest in (folder / "images.lock.json").read_text()


def test_what_no_registry_says_stays_a_name_and_is_said(
    mosaic: Mosaic, owner: Owner, tmp_path: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty = partial(Registries, limits=Limits(first_pause_seconds=0.01))
    monkeypatch.setattr(publishing, "Registries", hasty)
    folder = write_app(tmp_path, "loose", "services: {web: {image: '127.0.0.1:9/web:1'}}\n")
    ran = mosaic("app", "import", str(folder), "--plain", "127.0.0.1:9", *NOWHERE, *words)
    assert (ran.code, "unpinned:  web" in ran.stdout) == (0, True), ran.stderr
    assert "loose" in own(owner)


def test_a_file_that_was_built_elsewhere_is_signed_here(
    mosaic: Mosaic, owner: Owner, tmp_path: Path, words: tuple[str, ...]
) -> None:
    folder, file = write_app(tmp_path, "carried", PINNED), tmp_path / "carried.mosaic"
    built = mosaic("app", "build", str(folder), "--offline", *NOWHERE, "-o", str(file), "--json").value
    assert mosaic("app", "import", str(file), *words, "--name", "brought").code == 0
    assert own(owner)["brought"] == built["digest"]


@pytest.mark.parametrize(
    ("compose", "more", "code"),
    [
        ("services: {web: {image: NGINX}}\n", [], "app-has-problems"),
        ("services: {}\n", [], "app-has-problems"),
        (PINNED, ["--name", "../up"], "name-unusable"),
        (PINNED, ["--name", "two\nlines"], "name-unusable"),
        (PINNED, [], "not-imported"),
    ],
)
def test_what_cannot_be_imported_is_refused_before_anything_is_sent(
    mosaic: Mosaic, owner: Owner, tmp_path: Path, compose: str, more: list[str], code: str
) -> None:
    folder = write_app(tmp_path, "refused", compose)
    ran = mosaic("app", "import", str(folder), "--offline", *NOWHERE, *more, "--json")
    assert (ran.code, ran.value["error"]["code"]) == (1, code)
    assert "refused" not in own(owner)


def test_a_wrong_passphrase_signs_nothing(mosaic: Mosaic, owner: Owner, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("some other words that are none\n")
    folder = write_app(tmp_path, "wrong-words", PINNED)
    arguments = ["--offline", *NOWHERE, "--yes", "--passphrase-file", str(tmp_path / "wrong")]
    assert mosaic("app", "import", str(folder), *arguments).code == 1
    assert "wrong-words" not in own(owner)


def test_an_app_of_ones_own_comes_back_from_its_file_by_the_signature_in_it(
    mosaic: Mosaic, owner: Owner, tmp_path: Path, words: tuple[str, ...]
) -> None:
    folder, file = write_app(tmp_path, "kept", PINNED), tmp_path / "kept.mosaic"
    assert mosaic("app", "import", str(folder), "--offline", *NOWHERE, *words).code == 0
    before = next(one for one in owner.catalog() if one.app == "kept")
    exported = mosaic("app", "export", "kept", "--to", str(file))
    assert (exported.code, "Its images are not" in exported.stdout) == (0, True), exported.stderr
    mosaic("app", "remove", "kept")
    # Neither the passphrase nor a terminal is there: what was signed is enough.
    assert mosaic("app", "import", str(file)).code == 0
    assert next(one for one in owner.catalog() if one.app == "kept") == before


def test_a_file_that_the_owner_did_not_sign_so_is_asked_about_and_not_believed(
    mosaic: Mosaic, owner: Owner, tmp_path: Path, words: tuple[str, ...]
) -> None:
    folder, file = write_app(tmp_path, "strange", PINNED), tmp_path / "strange.mosaic"
    mosaic("app", "import", str(folder), "--offline", *NOWHERE, *words)
    mosaic("app", "export", "strange", "--to", str(file))
    signed = file.read_bytes()
    at = signed.index(b'"signature":"') + len(b'"signature":"')
    file.write_bytes(signed[:at] + (b"1" if signed[at : at + 1] == b"0" else b"0") + signed[at + 1 :])
    (tmp_path / "good.mosaic").write_bytes(signed)
    for words_of in (["strange.mosaic"], ["good.mosaic", "--name", "other"]):
        ran = mosaic("app", "import", str(tmp_path / words_of[0]), *words_of[1:], "--json")
        assert (ran.code, ran.value["error"]["code"]) == (1, "not-imported")
    # Whom the file names counts for nothing; the signature is what is checked.
    account = owner.logged_in.account.encode()
    file.write_bytes(signed.replace(b'"account":"' + account, b'"account":"' + account[::-1]))
    assert mosaic("app", "import", str(file)).code == 0


def test_a_file_whose_content_was_changed_is_refused(
    mosaic: Mosaic, owner: Owner, tmp_path: Path, words: tuple[str, ...]
) -> None:
    folder, file = write_app(tmp_path, "damaged", PINNED), tmp_path / "damaged.mosaic"
    mosaic("app", "import", str(folder), "--offline", *NOWHERE, *words)
    mosaic("app", "export", "damaged", "--to", str(file))
    content = file.read_bytes()
    for wrong in (content.replace(b"notes@sha256", b"notez@sha256"), content[:-5000], b""):
        file.write_bytes(wrong)
        ran = mosaic("app", "import", str(file), "--json")
        assert (ran.code, ran.value["error"]["code"]) == (1, "export-unusable")


def test_an_app_of_a_folder_is_signed_by_nobody_and_not_exported(mosaic: Mosaic, owner: Owner, tmp_path: Path) -> None:
    ran = mosaic("app", "export", "notes", "--to", str(tmp_path / "notes.mosaic"), "--json")
    assert (ran.code, ran.value["error"]["code"]) == (1, "nobody-signed")
    assert "mosaic app import" in ran.value["error"]["hint"]
    assert list(tmp_path.glob("*notes.mosaic*")) == []


def test_a_file_in_a_folder_that_is_not_there_is_said_before_anybody_is_asked(mosaic: Mosaic, tmp_path: Path) -> None:
    error = mosaic("app", "export", "notes", "--to", str(tmp_path / "none" / "notes.mosaic"), "--json").value["error"]
    assert (error["code"], str(tmp_path / "none") in error["message"]) == ("no-folder-to-write-to", True)
