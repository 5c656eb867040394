"""What is wrong with an app's folder is told at once, each at its place; what is right is left in peace."""

import os
from pathlib import Path

import pytest

from mosaic.packager.building import Wish, build_offline
from mosaic.packager.checking import check_app
from mosaic.packager.own_file import app_name
from mosaic.packager.places import line_told

GOOD = """\
services:
  web:
    image: nginx:alpine   # any version will do
    environment: {GREETING: "${GREETING}"}
    volumes: ["files:/srv"]
volumes:
  files:
"""

BAD = """\
services:
  web:
    image: Nginx:alpine
    pid: host
    ports:
      - "80:80"
  app:
    build: .
    depends_on: [web]
  db:
    <<: &wide
      image: postgres:16
    frobnicate: 1
networks:
  default: {driver: host}
volumes:
  shared:
    driver: nfs
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "docker-compose.yml").write_text(GOOD)
    return folder


def told(app: Path) -> list[str]:
    return [str(problem) for problem in check_app(app).problems]


def test_an_app_that_is_right_has_no_problem_and_says_what_it_brings_and_needs(app: Path) -> None:
    found = check_app(app)
    assert (found.problems, found.asks) == ((), ())
    assert (found.services, found.volumes, found.variables) == (("web",), ("files",), ("GREETING",))


def test_all_problems_are_told_at_once_each_with_its_file_and_line(app: Path) -> None:
    (app / "docker-compose.yml").write_text(BAD)
    (app / ".composeappignores").write_text("# what is not needed\n[a\n")
    places = [line.split(" ")[0] for line in told(app)]
    assert places == [
        ".composeappignores:2:",
        "docker-compose.yml:3:",
        "docker-compose.yml:7:",
        "docker-compose.yml:18:",
    ]


def test_a_link_out_of_the_folder_is_told_unless_it_is_left_out(app: Path) -> None:
    (app / "out").symlink_to("/etc/passwd")
    assert any("out" in line for line in told(app))
    (app / ".composeappignores").write_text("out\n")
    assert told(app) == []


def test_what_the_owner_could_grant_is_an_ask_and_no_problem(app: Path) -> None:
    (app / "docker-compose.yml").write_text(BAD)
    found = check_app(app)
    assert {(ask.grant.partition(":")[0], ask.line) for ask in found.asks} >= {("key", 13), ("network", 15)}
    assert 4 in {ask.line for ask in found.asks}
    assert not any("pid" in str(problem) for problem in found.problems)


def test_every_problem_says_what_to_do(app: Path) -> None:
    (app / "docker-compose.yml").write_text(BAD)
    assert all(problem.hint for problem in check_app(app).problems)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("services:\n  web: {image: nginx}\n bad\n", 3),
        ("services:\n  web:\n    image: a\n    image: b\n", 3),
        ("services:\n  web: 3\n", 2),
        ("services:\n  web: {image: nginx, depends_on: [db]}\n", 2),
        ("services:\n  web: {image: nginx}\nx-mosaic: {snapshots: 1}\n", 1),
        ("[]\n", 1),
    ],
)
def test_a_file_that_is_wrong_as_a_whole_is_told_with_its_line(app: Path, text: str, line: int) -> None:
    (app / "docker-compose.yml").write_text(text)
    (found,) = check_app(app).problems
    assert (found.file, found.line) == ("docker-compose.yml", line)


def test_a_folder_that_is_no_app_says_how_to_make_it_one(tmp_path: Path) -> None:
    folder = tmp_path / "web"
    folder.mkdir()
    (found,) = check_app(folder).problems
    assert (found.line, found.hint) == (None, "`mosaic app init` writes one")
    (folder / "compose.yaml").write_text(GOOD)
    assert any("is called compose.yaml" in problem.sentence for problem in check_app(folder).problems)


def test_a_name_that_nothing_can_be_published_under_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "My App"
    folder.mkdir()
    (folder / "docker-compose.yml").write_text(GOOD)
    (found,) = check_app(folder).problems
    assert "my-app" in found.hint


def test_nothing_is_changed(app: Path) -> None:
    before = sorted((path.name, path.stat().st_mtime_ns) for path in app.iterdir())
    check_app(app)
    assert sorted((path.name, path.stat().st_mtime_ns) for path in app.iterdir()) == before


def test_a_sentence_that_names_no_place_is_told_at_the_top() -> None:
    assert line_told(None, "service web is odd") == line_told(None, "odd") == 1


def test_what_is_called_like_a_compose_file_and_is_none_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "web"
    (folder / "docker-compose.yml").mkdir(parents=True)
    assert any("is no file" in problem.sentence for problem in check_app(folder).problems)


@pytest.mark.parametrize("name", ["docker-compose.yml", ".composeappignores"])
def test_a_pipe_is_told_and_not_waited_for(app: Path, name: str) -> None:
    (app / name).unlink(missing_ok=True)
    os.mkfifo(app / name)
    assert check_app(app).problems


@pytest.mark.parametrize("name", ["docker-compose.yml", ".composeappignores"])
def test_a_file_larger_than_memory_is_told_and_not_read(app: Path, name: str) -> None:
    with (app / name).open("w") as file:
        file.truncate(2**40)
    assert any(str(2**40) in line for line in told(app))


def test_a_compose_file_that_leads_out_is_told_and_not_followed(app: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.yml").write_text("services: {a-secret: 1}\n")
    (app / "docker-compose.yml").unlink()
    (app / "docker-compose.yml").symlink_to("../elsewhere.yml")
    assert told(app) and not any("secret" in line for line in told(app))


def test_an_app_is_called_the_same_from_wherever_it_is_looked_at(app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (app / "sub").mkdir()
    monkeypatch.chdir(app / "sub")
    assert (app_name(Path("..")), app_name(Path("../../web"))) == ("web", "web")


def test_a_folder_that_publishing_passes_over_is_told(app: Path) -> None:
    assert "begins with a dot" in check_app(app.rename(app.with_name(".web"))).problems[0].sentence


def test_a_name_that_is_no_text_is_told_in_text(app: Path) -> None:
    odd = app.with_name(os.fsdecode(b"caf\xe9"))
    app.rename(odd)
    (odd / os.fsdecode(b"caf\xe9")).write_text("")
    assert all(str(problem).encode() and problem.hint.encode() for problem in check_app(odd).problems)


def test_what_a_killed_build_left_is_no_part_of_the_app(app: Path) -> None:
    before = build_offline(Wish(app, "unix:///nowhere"), into=app.parent).digest
    (app / "images.lock.json.new").write_text("{")
    assert build_offline(Wish(app, "unix:///nowhere"), into=app.parent).digest == before


LINKED = """\
services:
  web: {image: "nginx:alpine"}
  link:
    image: mosaic/link:1
    environment: {EXPOSE: "web:80", TOKEN: $LINK_TOKEN_DEFAULT, LD_PRELOAD: /x.so}
  more:
    image: mosaic/link:1
    environment: {EXPOSE: "web:80", TOKEN: "${OTHER_TOKEN}"}
"""


def test_what_a_link_does_not_know_is_told_and_two_links_with_one_token_are_a_problem(app: Path) -> None:
    file = app / "docker-compose.yml"
    file.write_text(LINKED)
    found = check_app(app)
    assert found.problems == ()
    assert found.notes == ("service link is a link, which does not know LD_PRELOAD: left out when it runs",)
    file.write_text(LINKED.replace("${OTHER_TOKEN}", "$LINK_TOKEN_DEFAULT"))
    (problem,) = check_app(app).problems
    assert "link and more are two links with one token" in problem.sentence
