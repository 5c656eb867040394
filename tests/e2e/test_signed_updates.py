"""An app of a signed catalog, as its owner meets it: installed, tampered with, updated, brought back, rolled back."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.publishers import CommandLinePublisher
from e2e.world import World, eventually, fetch
from mosaic.adapters.docker.image_build import build_image, push_image
from mosaic.cli.up.orphans import Note, read_note
from support.app_repositories import ENGINE, git
from support.ran import Json
from support.registry_server import registry_server
from support.target_world import served

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.timeout(900)]

IMAGE = """\
FROM mosaic/base:12
RUN apt-get update && apt-get install --yes --no-install-recommends nginx-light \\
    && rm -rf /var/lib/apt/lists/* /etc/nginx/sites-enabled/*
COPY site.conf /etc/nginx/conf.d/site.conf
"""

COMPOSE = """\
x-mosaic: {{title: Logbook, summary: Writes a line at each start}}
services:
  web:
    image: ${{REGISTRY}}/logbook-web:latest
    command: [sh, -c, "echo {line} >> /srv/logbook/lines; exec nginx -g 'daemon off;'"]
    ports: ["8080:80"]
    volumes: ["logbook:/srv/logbook"]
    healthcheck: {{test: [CMD-SHELL, "{check}"], interval: 1s, timeout: 5s, retries: 3}}
    stop_grace_period: 2s
volumes:
  logbook: {{}}
"""

SITE = "server { listen 80; location / { root /srv/logbook; default_type text/plain; try_files /lines =404; } }\n"


class Publisher(CommandLinePublisher):
    """Somebody who publishes one app by the command line."""

    def write(self, line: str, *, check: str = "test -s /srv/logbook/lines") -> Json:
        """Publish a version that writes `line` at each start."""
        app = self.folder / "repository" / "logbook"
        app.mkdir(parents=True, exist_ok=True)
        (app / "docker-compose.yml").write_text(COMPOSE.format(line=line, check=check))
        git(self.folder / "repository", "add", "--all")
        git(self.folder / "repository", "commit", "--quiet", "--message", f"logbook writes {line}")
        return self.publish()

    def publish(self) -> Json:
        """Publish what is committed."""
        words = ("--registry", f"{self.server.host}/team", "--var", f"REGISTRY={self.server.host}/team")
        return self.world.ok("app", "publish", str(self.folder / "repository"), *words, *self.places)

    def bundle_file(self) -> Path:
        """Return where the registry keeps the newest bundle of the app."""
        shown = self.world.ok("target", "show", "1", *self.places)
        uri = str(shown[0]["custom"]["docker_compose_apps"]["logbook"]["uri"])
        manifest = json.loads(self.server.blob_file(uri.rpartition("@")[2]).read_bytes())
        return self.server.blob_file(manifest["layers"][0]["digest"])


@pytest.fixture(scope="module")
def publisher(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Publisher]:
    """A publisher whose catalog the owner of this world believes, with the first version published."""
    folder = tmp_path_factory.mktemp("publisher")
    with registry_server(folder / "registry") as server, served(folder / "public") as mirror:
        made = Publisher(world, folder, server)
        (folder / "secret").write_text("a passphrase for offline keys\n")
        offline = ("--offline-keys", str(folder / "drawer"), "--passphrase-file", str(folder / "secret"))
        world.ok("app", "keys", "init", *made.places, *offline)
        (folder / "image").mkdir()
        (folder / "image" / "Dockerfile").write_text(IMAGE)
        (folder / "image" / "site.conf").write_text(SITE)
        name = f"{server.host}/team/logbook-web:latest"
        build_image(ENGINE, folder / "image", name, dockerfile="Dockerfile", network="host")
        push_image(ENGINE, name)
        (folder / "repository").mkdir()
        git(folder / "repository", "init", "--quiet")
        made.write("one")
        passphrase = ("--passphrase-file", str(world.folder / "passphrase"))
        world.ok("catalog", "add", "team", mirror.address, "--yes", *passphrase)
        yield made


def lines(world: World) -> list[str]:
    """Return what the logbook shows."""

    def said() -> str | None:
        try:
            found: str = fetch(world.address("logbook"))
        except (OSError, IndexError):
            return None
        return found

    return str(eventually(said, "the logbook answers", seconds=60)).split()


def test_a_package_with_one_wrong_byte_in_its_registry_is_refused_and_nothing_is_installed(
    publisher: Publisher,
) -> None:
    world, server = publisher.world, publisher.server
    bundle = publisher.bundle_file()
    whole = bundle.read_bytes()
    bundle.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    try:
        refused = world.mosaic("install", "logbook", "--device", "home")
        assert refused.code == 1
        assert "sha256:" in refused.stderr
        assert not any(one["name"] == "logbook" for one in world.asked("/api/installations"))
    finally:
        bundle.write_bytes(whole)
    assert server.process.poll() is None


def test_an_app_of_a_catalog_is_installed_updated_brought_back_and_rolled_back(publisher: Publisher) -> None:
    world = publisher.world
    installed = world.ok("install", "logbook", "--device", "home")
    assert (installed["catalog"], installed["label"]) == ("team", "stable 1")
    assert lines(world) == ["one"]
    first = world.installation("logbook")["app_digest"]

    publisher.write("two", check="exit 1")
    world.ok("catalog", "refresh", "team")
    failed = world.mosaic("update", "logbook", "--gate", "5")
    assert failed.code == 1, failed.stdout
    after = world.installation("logbook")
    assert (after["app_digest"], after["updating"]["outcome"]) == (first, "failed")
    # It writes a line at each start; what the other version wrote is not here.
    assert eventually(lambda: set(lines(world)) == {"one"}, "the version before runs with its data", seconds=60)
    assert after["updating"]["kept"], "what the version that failed wrote is kept"
    report = world.mosaic("update", "logbook", "--report")
    assert report.code == 0
    assert "web" in report.stdout

    publisher.write("three")
    world.ok("catalog", "refresh", "team")
    plan = world.ok("update", "logbook", "--dry-run")
    assert (plan["label_before"], plan["label_after"]) == ("stable 1", "stable 3")
    world.ok("update", "logbook", "--gate", "3")
    assert eventually(lambda: lines(world)[-1] == "three", "the new version runs", seconds=60)
    assert "two" not in lines(world)
    assert world.installation("logbook")["label"] == "stable 3"

    world.ok("rollback", "logbook", "--yes")
    assert eventually(lambda: set(lines(world)) == {"one"}, "program and data are those of before", seconds=120)
    assert world.installation("logbook")["app_digest"] == first


def test_a_device_and_its_storage_daemon_that_are_killed_in_an_update_end_it_all_the_same(publisher: Publisher) -> None:
    world = publisher.world
    publisher.write("four")
    world.ok("catalog", "refresh", "team")
    world.ok("update", "logbook", "--gate", "4", "--no-wait")
    for service in ("device", "storage", "device"):
        eventually(lambda: _stage(world) in ("trying", "done"), "the new version is tried", seconds=120)
        note = eventually(lambda service=service: _running(world, service), f"{service} runs", seconds=120)
        os.kill(note.pid, signal.SIGKILL)
        eventually(lambda note=note: not note.is_alive, "the killed is dead", seconds=60)

    def ended() -> bool:
        return world.installation("logbook")["updating"]["outcome"] is not None

    eventually(ended, "the update has ended", seconds=300)
    assert world.installation("logbook")["updating"]["outcome"] == "done"
    assert eventually(lambda: lines(world)[-1] == "four", "the new version runs", seconds=120)
    assert lines(world)[0] == "one"
    assert not {"two", "three"} & set(lines(world))


def _running(world: World, service: str) -> Note | None:
    note = read_note(world.home.note(service))
    return note if note is not None and note.is_alive else None


def _stage(world: World) -> str:
    state = world.installation("logbook")["updating"]["state"]
    return "" if state is None else str(state["stage"])


def test_a_catalog_and_a_registry_that_are_gone_stop_nothing(publisher: Publisher) -> None:
    world = publisher.world
    publisher.server.process.kill()
    publisher.server.process.wait(60)
    before = lines(world)
    world.ok("restart", "logbook")
    assert eventually(lambda: lines(world) == [*before, "four"], "it runs again", seconds=60)
    world.ok("uninstall", "logbook", "--yes")
