"""What a package brings and asks for is said before anybody installs it, whichever way it came."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mosaic.cli.commands.app_build import build
from mosaic.cli.commands.app_show import show
from mosaic.core import file_index, package
from mosaic.core.file_index import FileIndex, IndexedFile
from mosaic.core.oci_types import Descriptor, Digest, digest_of
from mosaic.core.package import About, PackageUnreadable, PlainTar
from mosaic.packager.showing import show as show_package

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


def shown(*, compose: bytes, in_bundle: bytes = b"services: {}", index: bytes | None = None) -> None:
    """Show a package with this compose file beside the bundle, and that one in it."""
    sha256 = digest_of(in_bundle).removeprefix("sha256:")
    files = FileIndex({"docker-compose.yml": IndexedFile(sha256, len(in_bundle), executable=False)}, {}, frozenset())
    index = index or file_index.write(files)
    bundle = Descriptor("", Digest(digest_of(b"bundle")), 6)
    tar = PlainTar(digest_of(b"tar"), 3)
    manifest = package.write(About("web"), bundle=bundle, tar=tar, index=index, layer_sizes=None, compose=compose)
    blobs = {digest_of(one): one for one in (index, compose)}
    show_package(manifest, lambda one: blobs[one.digest])


def test_a_package_that_shows_another_compose_file_than_it_installs_is_refused() -> None:
    evil = COMPOSE.replace("pid: host", "privileged: true").encode()
    with pytest.raises(PackageUnreadable, match="not the one in its bundle"):
        shown(compose=COMPOSE.encode(), in_bundle=evil)
    shown(compose=COMPOSE.encode(), in_bundle=COMPOSE.encode())


def test_a_package_whose_index_is_none_is_refused_in_a_sentence() -> None:
    with pytest.raises(PackageUnreadable, match="its file index"):
        shown(compose=COMPOSE.encode(), index=b"[]")


def test_a_package_cannot_write_to_the_terminal_what_it_likes(app: Path) -> None:
    (app / "docker-compose.yml").write_text('services:\n  "a\\e[1A\\e[2K\\u202e":\n    image: nginx\n    pid: host\n')
    (app / "link").unlink()
    (app / "link").symlink_to("page\n  asks for: nothing\x1b[8m")
    out = ran("--files", str(app)).stdout
    assert "host-pid" in out
    assert "page\\n  asks for: nothing\\x1b[8m" in out
    assert all(letter.isprintable() or letter == "\n" for letter in out)
