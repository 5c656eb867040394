"""What a package brings and asks for is said before anybody installs it, whichever way it came."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mosaic.cli.commands.app_build import build
from mosaic.cli.commands.app_show import show

COMPOSE = """\
services:
  web:
    image: ${REGISTRY}/web:latest
    environment: {GREETING: "${GREETING}"}
    pid: host
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "docker-compose.yml").write_text(COMPOSE)
    (folder / "page.html").write_text("hello")
    (folder / "link").symlink_to("page.html")
    return folder


def ran(*words: str) -> Result:
    return CliRunner().invoke(show, words, catch_exceptions=False)


def test_a_folder_and_the_file_that_was_built_from_it_are_shown_as_the_same(app: Path, tmp_path: Path) -> None:
    target = tmp_path / "web.tar"
    built = CliRunner().invoke(
        build, ["--offline", "--output", str(target), "--json", str(app)], catch_exceptions=False
    )
    assert built.exit_code == 0
    of_folder, of_file = (json.loads(ran("--json", str(one)).stdout) for one in (app, target))
    assert of_folder == of_file
    assert of_folder["digest"] == json.loads(built.stdout)["digest"]


def test_it_is_said_what_the_app_asks_for_and_needs_and_what_files_it_has(app: Path) -> None:
    lines = ran("--files", str(app)).stdout.splitlines()
    assert lines[0].startswith("web sha256:")
    assert [line.split() for line in lines if "asks for" in line or "needs" in line] == [
        ["asks", "for:", "host-pid"],
        ["needs:", "a", "value", "of", "GREETING"],
    ]
    assert lines[-3:] == ["  docker-compose.yml", "  link → page.html", "  page.html"]


def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    (tmp_path / "not").write_bytes(b"a package")
    result = CliRunner().invoke(show, [str(tmp_path / "not")])
    assert (result.exit_code, getattr(result.exception, "code", None)) == (1, "export-unusable")
