"""What a new app begins with passes the check as it is, whatever it was asked for; nothing that is there is changed."""

import itertools
from pathlib import Path

import pytest

from mosaic.core.image_ref import ImageRefUnreadable
from mosaic.packager.checking import check_app
from mosaic.packager.starting_point import StartingPoint, StartingPointUnusable, write

TITLES = ["Notes", 'A "quoted" \\ title', "yes", "# no comment: {a}", "Ünïcode 🎈", "1.0", "${HOME}"]
IMAGES = ["nginx:alpine", "123", "true", "1e3", "null", "localhost:5000/team/web@sha256:" + "a" * 64]
PORTS = [None, 1, 80, 65535]
FOLDERS = [None, "/data", "/var/lib/app.d", "/true"]


@pytest.mark.parametrize("image", IMAGES)
def test_whatever_was_asked_for_what_is_written_passes_the_check(tmp_path: Path, image: str) -> None:
    for number, (title, port, data) in enumerate(itertools.product(TITLES, PORTS, FOLDERS)):
        folder = tmp_path / f"app-{number}"
        write(StartingPoint(folder.name, title, image, port, data), folder)
        found = check_app(folder)
        assert [str(problem) for problem in found.problems] == [], (title, port, data)
        assert (found.services, found.volumes, found.variables) == (("app",), ("data",) if data else (), ())


@pytest.mark.parametrize(
    "point",
    [
        StartingPoint("My App", "a", "nginx"),
        StartingPoint("app", "two\nlines", "nginx"),
        StartingPoint("app", "", "nginx"),
        StartingPoint("app", "a" * 500, "nginx"),
        StartingPoint("app", "a", "nginx", port=0),
        StartingPoint("app", "a", "nginx", port=65536),
        StartingPoint("app", "a", "nginx", data="data"),
        StartingPoint("app", "a", "nginx", data="//"),
        StartingPoint("app", "a", "nginx", data="/."),
        StartingPoint("app", "a", "nginx", data="/a/../etc"),
        StartingPoint("app", "a", "nginx", data="/a:ro"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(tmp_path: Path, point: StartingPoint) -> None:
    with pytest.raises(StartingPointUnusable):
        write(point, tmp_path / "app")
    assert not (tmp_path / "app").exists()


def test_an_image_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageRefUnreadable):
        write(StartingPoint("app", "a", "NGINX"), tmp_path / "app")


@pytest.mark.parametrize("name", ["docker-compose.yml", "README.md", ".composeappignores"])
def test_a_file_that_is_there_is_not_changed_and_no_other_is_written(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine\n")
    with pytest.raises(StartingPointUnusable, match=name):
        write(StartingPoint("app", "a", "nginx"), tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {name: "mine\n"}


def test_a_link_that_leads_nowhere_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "README.md").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StartingPointUnusable, match=r"README\.md"):
        write(StartingPoint("app", "a", "nginx"), tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def test_begun_and_killed_it_is_ended_by_the_next_call(tmp_path: Path) -> None:
    point = StartingPoint("app", "a", "nginx", 80, "/data")
    files = write(point, tmp_path)
    whole = {file: file.read_text() for file in files}
    files[1].unlink()
    (tmp_path / ".README.md.new").write_text("# hal")
    assert {file: file.read_text() for file in write(point, tmp_path)} == whole
    assert sorted(tmp_path.iterdir()) == sorted(files)
