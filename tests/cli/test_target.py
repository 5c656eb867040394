"""`mosaic app publish` and `mosaic target`: what was published is listed, shown as the seed shows it, and changed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mosaic.adapters.oci.credentials import NoCredentials
from mosaic.adapters.oci.registries import Registries
from support.app_repositories import Workshop, push_image
from support.ran import Ran
from support.registry_server import RegistryServer, registry_server

Mosaic = Callable[..., Ran]
pytestmark = pytest.mark.registry


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    with registry_server(tmp_path_factory.mktemp("registry")) as running:
        registries = Registries(NoCredentials())
        push_image(registries, running.host, "library/nginx", "alpine", b"a layer")
        registries.close()
        yield running


class Publisher:
    """Somebody at a command line, with one app."""

    def __init__(self, workshop: Workshop, mosaic: Mosaic) -> None:
        self.workshop, self._mosaic = workshop, mosaic
        files, keys = workshop.repository.files.folder, workshop.folder / "online"
        self.words = ("--repo", str(files), "--keys", str(keys))

    def publish(self, *words: str) -> Ran:
        where = (str(self.workshop.apps), "--registry", self.workshop.registry, "--hardware", "generic-amd64")
        return self._mosaic("app", "publish", *where, *self.words, *words)

    def target(self, *words: str) -> Ran:
        return self._mosaic("target", *words, *self.words)


@pytest.fixture
def publisher(
    server: RegistryServer, mosaic: Mosaic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Publisher]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    workshop = Workshop(tmp_path / "workshop", server.host)
    workshop.write("httpd", compose=f"services:\n  web:\n    image: {server.host}/library/nginx:alpine\n")
    workshop.commit()
    yield Publisher(workshop, mosaic)
    workshop.registries.close()


def test_what_was_published_is_shown_with_exactly_the_seeds_table(publisher: Publisher) -> None:
    published = publisher.publish("--json")
    assert (published.code, published.value["version"], published.value["is_new"]) == (0, 1, True)
    uri = published.value["apps"]["httpd"]
    shown = publisher.target("show", "1").stdout
    assert shown.split("\n\n")[1] == f"COMPOSE APP VERSION\n----------- -------\nhttpd       {uri}\n"
    assert shown.startswith("## Target: stable/generic-amd64-1\n")
    (as_json,) = publisher.target("show", "1", "--json").value
    assert as_json["custom"]["docker_compose_apps"] == {"httpd": {"uri": uri}}


def test_versions_are_listed_the_newest_first(publisher: Publisher) -> None:
    assert publisher.target("list").stdout == "Nothing was published yet.\n"
    publisher.publish()
    publisher.publish("--force")
    rows = [line.split()[:3] for line in publisher.target("list").stdout.splitlines()[1:]]
    assert rows == [["2", "stable", "generic-amd64"], ["1", "stable", "generic-amd64"]]
    assert len(publisher.target("list", "--json").value) == 2


def test_nothing_changed_says_so_and_what_else_there_is_to_do(publisher: Publisher) -> None:
    publisher.publish()
    again = publisher.publish()
    assert again.code == 0 and again.stdout.startswith("Nothing changed since version 1.")


def test_a_group_alone_is_that_group_and_not_everybody(publisher: Publisher) -> None:
    assert "0 % of Devices, and all of canary" in publisher.publish("--group", "canary").stdout


def test_a_roll_out_keeps_what_is_not_said(publisher: Publisher) -> None:
    publisher.publish("--percentage", "25", "--group", "office")
    assert publisher.target("roll-out", "1").code == 2
    said = [
        publisher.target("roll-out", "1", *words).stdout
        for words in (["--pause"], ["--resume"], ["--percentage", "50"], ["--group", "canary"], ["--percentage", "100"])
    ]
    assert said == [
        "Version 1: paused; meant for 25 % of Devices, and all of office.\n",
        "Version 1: 25 % of Devices, and all of office.\n",
        "Version 1: 50 % of Devices, and all of office.\n",
        "Version 1: 50 % of Devices, and all of canary.\n",
        "Version 1: every Device.\n",
    ]


def test_a_version_that_was_withdrawn_is_gone_and_its_number_does_not_come_back(publisher: Publisher) -> None:
    publisher.publish()
    assert publisher.target("withdraw", "1").stdout == "Version 1 is withdrawn.\n"
    assert publisher.target("show", "1").code == 1
    assert publisher.publish("--json").value["version"] == 2


@pytest.mark.parametrize("words", [["show", "77"], ["withdraw", "77"], ["roll-out", "77", "--pause"]])
def test_a_version_that_there_is_none_of_is_refused(publisher: Publisher, words: list[str]) -> None:
    publisher.publish()
    ran = publisher.target(*words)
    assert ran.code == 1 and "there is no version 77" in ran.stderr
    assert publisher.target(words[0], "x").code == 2


def test_what_is_refused_publishes_nothing(publisher: Publisher) -> None:
    for words in (["--channel", "beta"], ["--dockerfile", "../Dockerfile"], ["--var", "odd"], ["--hardware", "A B"]):
        assert publisher.publish(*words).code == 1, words
    publisher.workshop.write("httpd", conf="changed\n")
    assert "in no commit" in publisher.publish().stderr
    assert publisher.target("list", "--json").value == []
