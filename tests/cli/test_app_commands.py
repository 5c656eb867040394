"""`mosaic app init|check|build`: from an empty folder to a package, with and without registries."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mosaic.adapters.oci.credentials import NoCredentials
from mosaic.adapters.oci.registries import Registries
from support.app_repositories import git, push_image
from support.ran import Ran
from support.registry_server import RegistryServer, registry_server

Mosaic = Callable[..., Ran]
NOWHERE = ("--offline", "--engine", "unix:///nowhere.sock")


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))


@pytest.fixture
def app(mosaic: Mosaic, tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    assert mosaic("app", "init", str(folder), "--port", "80", "--data", "/data").code == 0
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    with registry_server(tmp_path_factory.mktemp("registry")) as running:
        yield running


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_an_app_is_begun_checked_and_built_in_an_empty_folder(mosaic: Mosaic, app: Path) -> None:
    checked = mosaic("app", "check", str(app))
    assert (checked.code, checked.stdout.splitlines()[0]) == (0, "notes can be published.")
    built = mosaic("app", "build", str(app), *NOWHERE)
    assert built.code == 0 and built.stdout.startswith("notes sha256:")
    assert "unpinned:  app" in built.stdout


def test_every_answer_has_its_form_as_json(mosaic: Mosaic, tmp_path: Path) -> None:
    folder = tmp_path / "web"
    begun = mosaic("app", "init", str(folder), "--json").value
    assert begun == {
        "files": [str(folder / each) for each in ("docker-compose.yml", "README.md", ".composeappignores")]
    }
    checked = mosaic("app", "check", str(folder), "--json").value
    assert checked == {
        "problems": [],
        "asks": [],
        "variables": [],
        "services": ["app"],
        "volumes": [],
        "is_disabled": False,
        "notes": [],
    }
    built = mosaic("app", "build", str(folder), *NOWHERE, "--json").value
    assert set(built) == {"app", "digest", "bundle_digest", "bundle_bytes", "unpinned", "platforms", "file"}
    assert (built["app"], built["unpinned"], built["platforms"], built["file"]) == ("web", ["app"], None, None)


def test_problems_end_with_1_and_what_is_not_understood_with_2(mosaic: Mosaic, app: Path, tmp_path: Path) -> None:
    (app / "docker-compose.yml").write_text("services:\n  app: {image: NGINX}\n")
    found = mosaic("app", "check", str(app))
    assert (found.code, found.stdout.startswith("docker-compose.yml:2: ")) == (1, True)
    assert "notes has 1 problem" in found.stderr
    as_json = mosaic("app", "check", str(app), "--json")
    assert (as_json.code, len(as_json.value["problems"]), as_json.stderr) == (1, 1, "")
    assert mosaic("app", "build", str(app), *NOWHERE).code == 1
    assert mosaic("app", "check", str(tmp_path / "missing")).code == 2
    assert mosaic("app", "frobnicate").code == 2
    assert mosaic("app", "publish", str(app)).code == 2


def test_a_folder_without_a_compose_file_is_told_what_makes_it_an_app(mosaic: Mosaic, tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    for words in (("check",), ("build", *NOWHERE)):
        ran = mosaic("app", *words, str(tmp_path / "web"))
        assert ran.code == 1 and "mosaic app init" in ran.stdout + ran.stderr
    assert content(tmp_path / "web") == {}


def test_what_is_refused_changes_nothing(mosaic: Mosaic, app: Path) -> None:
    before = content(app)
    assert mosaic("app", "init", str(app), "--title", "Another").code == 1
    assert mosaic("app", "init", str(app / "My App")).code == 1
    assert mosaic("app", "build", str(app), *NOWHERE, "--var", "odd").code == 1
    assert mosaic("app", "build", str(app), *NOWHERE, "--output", str(app / "notes.mosaic")).code == 1
    assert content(app) == before


def test_two_clones_under_another_umask_and_clock_give_the_same_bundle(mosaic: Mosaic, app: Path) -> None:
    built = mosaic("app", "build", str(app), *NOWHERE, "--json").value
    git(app, "init", "--quiet")
    git(app, "add", ".")
    git(app, "commit", "--quiet", "--message", "first")
    clone = app.parent / "another" / "notes"
    before = os.umask(0o077)
    try:
        git(app.parent, "clone", "--quiet", str(app), str(clone))
    finally:
        os.umask(before)
    os.utime(clone / "README.md", (1, 1))
    assert mosaic("app", "build", str(clone), *NOWHERE, "--json").value == built


def test_a_disabled_app_is_not_said_to_be_publishable(mosaic: Mosaic, app: Path) -> None:
    (app / ".disabled").write_text("")
    assert mosaic("app", "check", str(app)).stdout.startswith("notes is disabled")


def test_a_file_for_a_folder_that_is_not_there_is_refused_by_its_name(mosaic: Mosaic, app: Path) -> None:
    ran = mosaic("app", "build", str(app), *NOWHERE, "-o", str(app.parent / "missing" / "x"))
    assert ran.code == 1 and f"{app.parent / 'missing'} is no folder" in ran.stderr


def test_the_schema_is_json_for_editors(mosaic: Mosaic) -> None:
    assert mosaic("app", "check", "--schema").value["$schema"].startswith("https://json-schema.org/")


def test_a_package_goes_into_one_file(mosaic: Mosaic, app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(app)
    built = mosaic("app", "build", *NOWHERE, "-o", "../notes.mosaic", "--json").value
    assert built["app"] == "notes" and (app.parent / "notes.mosaic").stat().st_size > built["bundle_bytes"]
    assert sorted(path.name for path in app.parent.iterdir()) == ["notes", "notes.mosaic"]


@pytest.mark.parametrize("damage", ["{", "[]", '{"version": 2, "images": {}}', '{"version": 1, "images": {"x": 1}}'])
def test_a_damaged_lock_is_refused(mosaic: Mosaic, app: Path, damage: str) -> None:
    (app / "images.lock.json").write_text(damage)
    ran = mosaic("app", "build", str(app), *NOWHERE, "--json")
    assert (ran.code, ran.value["error"]["code"]) == (1, "lock-unusable")


@pytest.mark.registry
def test_what_registries_said_pins_the_same_without_them(mosaic: Mosaic, app: Path, server: RegistryServer) -> None:
    registries = Registries(NoCredentials())
    digest = push_image(registries, server.host, "team/web", "1", b"a layer").digest
    compose = (app / "docker-compose.yml").read_text().replace('"nginx:alpine"', f"{server.host}/team/web:1")
    (app / "docker-compose.yml").write_text(compose)
    online = mosaic("app", "build", str(app), "--json").value
    assert (online["unpinned"], online["platforms"]) == ([], ["linux/amd64"])
    lock = app / "images.lock.json"
    assert json.loads(lock.read_text())["images"][f"{server.host}/team/web:1"]["digest"] == digest
    assert lock.stat().st_mode & 0o777 == 0o644
    # The tag moves on; the lock is what counts.
    push_image(registries, server.host, "team/web", "1", b"another layer")
    registries.close()
    offline = mosaic("app", "build", str(app), *NOWHERE, "--json").value
    assert offline["bundle_digest"] == online["bundle_digest"]
    assert offline["unpinned"] == []
    copy = shutil.copytree(app, app.parent / "copy" / "notes")
    assert mosaic("app", "build", str(copy), *NOWHERE, "--json").value == offline
