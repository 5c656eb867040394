"""An app with a link on a real engine and a real storage daemon; the Hive is simulated, and no gateway answers."""

import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import msgspec
import pytest

from mosaic.adapters import process
from mosaic.adapters.docker.engine import DockerEngine
from mosaic.adapters.machine import has_tun
from mosaic.core.compose_keys import TUN
from mosaic.core.ids import VolumeId
from mosaic.core.link_service import LINK_DATA
from mosaic.device.config import DEFAULT_ENGINE
from mosaic.device.observe import device_label
from mosaic.device.records import Records
from mosaic.storage.config import PLUGIN_DIR
from mosaic.wire.assignment import VolumeAssignment
from mosaic.wire.device_links import AssignedLink
from mosaic.wire.report import InstallationReport
from support import fake_hive_blobs
from support.absent_drivers import stand_aside, stand_in
from support.device_world import NOTES, World, assignment, wants
from support.storage_daemon import TestDaemon, place
from support.waiting import eventually

pytestmark = [pytest.mark.engine, pytest.mark.btrfs]

SERVES = (
    "$$s=IO::Socket::INET->new(LocalPort=>80,Listen=>9,ReuseAddr=>1);"
    'while($$c=$$s->accept){<$$c>;print $$c "HTTP/1.0 200 OK\\r\\n\\r\\n$$ENV{NAME}";close $$c}'
)
SEED = """
services:
  nginx:
    image: mosaic/base:12
    environment: {NAME: $LINK_DOMAIN_DEFAULT}
    command: [perl, -MIO::Socket::INET, -e, PROGRAM]
    stop_grace_period: 1s
    volumes: ["fractal-app-volume:/data"]
  link:
    image: fractalnetworks/link:latest
    environment:
      LINK: $LINK_DOMAIN_DEFAULT
      TOKEN: $LINK_TOKEN_DEFAULT
      EXPOSE: nginx:80
      FRACTAL_API: https://gateway.fractalnetworks.co
    cap_add: [NET_ADMIN]
    volumes: ["fractal-link-volume:/root/.local/share/caddy"]
volumes:
  fractal-app-volume: {external: true, name: $APP_VOLUME_NAME}
  fractal-link-volume: {external: true, name: $LINK_VOLUME_NAME}
""".replace("PROGRAM", json.dumps(SERVES))
# Nothing answers there: it is the discard port of the link's own container.
LINK = AssignedLink("abcdefghijkl", ["notes.quiet-fox.gate.example"], 1, "https://127.0.0.1:9", epoch="1.1")


@dataclass
class Real:
    """The world, its daemon, and what its Hive keeps."""

    world: World
    daemon: TestDaemon
    blobs: fake_hive_blobs.FakeHive
    digest: str
    epoch: str = "1.1"

    def run(self, goal: str = "run", *, link: AssignedLink | None = LINK) -> InstallationReport:
        """Run a Device with this goal."""
        volumes = [self._named(one) for one in self.world.hive.registered.values()]
        epoch = None if goal == "drop" else self.epoch
        return self.world.run(wants(assignment(self.digest, goal, epoch, volumes=volumes, link=link))).report()

    def grant(self) -> None:
        """Grant the next epoch, as at a failover."""
        for one in self.world.hive.registered.values():
            self.epoch, _ = self.blobs.grant(one.volume, "token-a")

    def _named(self, one: VolumeAssignment) -> VolumeAssignment:
        newest = self.blobs.volume(one.volume).newest
        return msgspec.structs.replace(one, base=newest if self.epoch != "1.1" else None, newest=newest)

    def inspect(self, words: str) -> str:
        return self.docker("inspect", "--format", words, self.container)

    def beside(self, command: str) -> str:
        """Return what a command says that sees the link's volumes, whether the link runs or tries again."""
        shell = ("--entrypoint", "sh", "mosaic/base:12", "-c", command)
        return self.docker("run", "--rm", "--network", "none", "--volumes-from", self.container, *shell)

    def docker(self, *words: str) -> str:
        return process.run(["docker", *words], deadline_seconds=60).stdout.decode().strip()

    @property
    def container(self) -> str:
        return f"mosaic-{self.world.device[:8]}-{NOTES}-link-1"


@pytest.fixture
def real(tmp_path: Path, btrfs_path: Path) -> Iterator[Real]:
    # The name that other tests use as well: an engine never forgets a volume driver, and waits for each that has gone.
    name, engine = "test", DockerEngine(DEFAULT_ENGINE)
    world = World(tmp_path / "d", name)
    world.device = secrets.token_hex(16)
    world.config = replace(world.config, has_tun=has_tun(is_contained=False))
    world.real_engine = engine
    with fake_hive_blobs.FakeHive().running() as blobs, place(btrfs_path, name, "token-a") as daemon:
        daemon.config = replace(daemon.config, plugin_dir=PLUGIN_DIR)
        stand_aside(f"mosaic-{name}")
        daemon.start()
        world.real_storage = daemon.client

        def grant(made: VolumeAssignment) -> None:
            if blobs.volume(made.volume).epoch is None:
                blobs.grant(VolumeId(made.volume), "token-a")

        world.hive.when_registered = grant
        try:
            daemon.connect(blobs)
            yield Real(world, daemon, blobs, world.publish(SEED))
        finally:
            anyio.run(lambda: engine.end_containers(device_label(world.device), grace_seconds=1))
            with Records(world.config.ledger) as records:
                for each in records.notes_of(NOTES).docker_volumes:
                    process.attempt(["docker", "volume", "rm", "--force", each], deadline_seconds=60)
            daemon.stop()
            stand_in(f"mosaic-{name}")


def page(report: InstallationReport) -> str:
    """Return what the app answers on this machine, through its link."""
    (port,) = (one.host_port for one in report.ports if one.service == "link")
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
            return str(answer.read().decode())
    except (urllib.error.URLError, OSError):
        return ""


def test_the_seeds_link_runs_with_its_own_means_and_its_certificates_move_along(real: Real) -> None:
    first = real.run()
    assert (first.phase, first.healthy, first.problem) == ("running", True, None)
    given = dict(pair.split("=", 1) for pair in json.loads(real.inspect("{{json .Config.Env}}")))
    assert (given["LINK"], given["LINK_GATEWAY"], given["LINK_EPOCH"]) == (LINK.names[0], LINK.gateway, "1.1")
    assert given["TOKEN"].startswith(f"lk_{LINK.id}_")
    assert real.inspect("{{.HostConfig.CapAdd}}") in ("[NET_ADMIN]", "[CAP_NET_ADMIN]")
    devices = json.loads(real.inspect("{{json .HostConfig.Devices}}")) or []
    assert [one["PathInContainer"] for one in devices] == ([TUN] if real.world.config.has_tun else [])
    real.beside(f"echo certificate > {LINK_DATA}/kept")

    assert real.run("leave").phase == "released"
    assert real.run("drop").phase == "dropped"
    real.grant()
    assert real.epoch == "1.2"
    again = real.run(link=msgspec.structs.replace(LINK, epoch=real.epoch))

    assert (again.phase, again.healthy, again.problem) == ("running", True, None)
    assert real.beside(f"cat {LINK_DATA}/kept") == "certificate"
    after = dict(pair.split("=", 1) for pair in json.loads(real.inspect("{{json .Config.Env}}")))
    assert (after["TOKEN"], after["LINK_EPOCH"]) == (given["TOKEN"], "1.2")


def test_without_a_link_the_same_file_serves_the_lan_and_has_no_privilege(real: Real) -> None:
    report = real.run(link=None)
    assert (report.phase, report.healthy, report.problem) == ("running", True, None)
    eventually(lambda: page(report) == "notes.localhost", seen=lambda: real.docker("logs", real.container))
    assert real.inspect("{{.HostConfig.CapAdd}} {{.HostConfig.Devices}}") in ("[] []", "<nil> []", "[] <nil>")
