"""Isolated mode: a Device with a Docker engine of its own, whose apps the machine's engine never sees."""

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from e2e.world import World, eventually, fetch
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.orphans import Note, find, read_note
from mosaic.cli.up.own_engine import IMAGE

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

APP_IMAGE = "mosaic/notes-web:1"
JOTTER = """\
services:
  web:
    image: mosaic/notes-web:1
    entrypoint: [python3, -u, -c, "{program}"]
    healthcheck: {{disable: true}}
    init: true
    ports: ["8000"]
    volumes: [kept:/kept]
volumes:
  kept: {{}}
"""
PROGRAM = """\
import http.server, pathlib
kept = pathlib.Path('/kept/lines')
class Answer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        with kept.open('a') as file: file.write(self.rfile.read(int(self.headers['Content-Length'])).decode())
        self.do_GET()
    def do_GET(self):
        said = kept.read_bytes() if kept.exists() else b'nothing'
        self.send_response(200); self.send_header('Content-Length', str(len(said))); self.end_headers()
        self.wfile.write(said)
http.server.ThreadingHTTPServer(('', 8000), Answer).serve_forever()
"""
CELL = "cell"


class Cell:
    """The Device in isolated mode."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.layout = Layout(world.folder / CELL)
        self.images_before = ""
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        """Start it, or start it again."""
        self.process = self.world.start_device(CELL, *options)

    def engine(self, *words: str) -> str:
        """Ask its own engine."""
        return docker("--host", f"unix://{self.layout.engine_socket}", *words)

    @property
    def project(self) -> str:
        """What all containers and networks of its apps begin with."""
        return f"mosaic-{self.world.device_id(CELL)[:8]}"

    @property
    def daemon(self) -> Note:
        """The engine's own process."""
        found = find(self.layout.note("nobody"), self.layout.engine_socket)
        assert found is not None
        return found

    def says(self, wanted: str) -> None:
        """Wait until the app answers with what was written into it."""

        def said() -> str:
            try:
                # A Device that has just started has not found its containers again yet.
                return str(fetch(self.world.address("jotter")))
            except (OSError, LookupError) as error:
                return str(error)

        eventually(lambda: said() == wanted, f"the app says {wanted!r}", seconds=120)


@pytest.fixture(scope="module")
def cell(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cell]:
    """A Device in isolated mode that has joined, with an app in its own engine."""
    app = world.catalogs[1] / "jotter"
    app.mkdir()
    program = PROGRAM.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
    (app / "docker-compose.yml").write_text(JOTTER.format(program=program))
    archive = tmp_path_factory.mktemp("image") / "app.tar"
    docker("save", "--output", str(archive), APP_IMAGE)
    made = Cell(world)
    made.start("--own-engine", "--passphrase-file", str(world.folder / "passphrase"))
    made.images_before = made.engine("images", "--all", "--quiet")
    made.engine("load", "--input", str(archive))
    archive.unlink()
    world.ok("install", "jotter", "--device", CELL)
    # Started is not yet listening.
    made.says("nothing")
    fetch(world.address("jotter"), method="POST", body=b"first ")
    yield made
    world.ok("uninstall", "jotter", "--yes")


def test_the_machines_engine_has_seen_nothing_of_an_app_in_isolated_mode(cell: Cell) -> None:
    cell.says("first ")
    project = cell.project
    assert project in cell.engine("ps", "--format", "{{.Names}}")
    assert f"mosaic-{CELL}" in cell.engine("volume", "ls", "--format", "{{.Driver}}")
    assert cell.images_before == ""
    # Others use the machine's engine as well; nothing of this Device's is there but its engine.
    assert project not in docker("ps", "--all", "--format", "{{.Names}}")
    assert project not in docker("network", "ls", "--format", "{{.Name}}")
    assert f"mosaic-{CELL}" not in docker("info", "--format", "{{.Plugins.Volume}}")
    assert IMAGE in docker("ps", "--format", "{{.Image}}", "--filter", f"name=mosaic-{CELL}-engine")


def test_the_lan_front_leads_to_an_app_in_isolated_mode(cell: Cell) -> None:
    by_name = cell.world.report("jotter")["url"]
    assert by_name.startswith("http://jotter.localhost:")
    assert fetch(by_name) == "first "


def test_an_engine_of_its_own_that_was_killed_comes_back_with_its_apps(cell: Cell) -> None:
    killed, address = cell.daemon, cell.world.address("jotter")
    os.kill(killed.pid, signal.SIGKILL)
    eventually(lambda: not killed.is_alive, "it is dead", seconds=30)
    cell.says("first ")
    assert cell.world.address("jotter") == address


def test_the_engine_and_its_apps_outlive_a_supervisor_that_was_killed(cell: Cell) -> None:
    assert cell.process is not None
    engine, device = cell.daemon, read_note(cell.layout.note("device"))
    container = cell.engine("ps", "--quiet")
    cell.process.kill()
    cell.process.wait(60)
    eventually(lambda: device is None or not device.is_alive, "its Device ends with it", seconds=60)
    fetch(cell.world.address("jotter"), method="POST", body=b"alone ")
    cell.start()
    cell.says("first alone ")
    assert cell.daemon == engine
    assert cell.engine("ps", "--quiet") == container


def test_a_device_that_is_stopped_takes_its_engine_along_and_brings_it_back(cell: Cell) -> None:
    assert cell.process is not None
    engine = cell.daemon
    assert cell.world.stop(cell.process) == 0
    assert not engine.is_alive
    assert docker("ps", "--all", "--quiet", "--filter", f"name=mosaic-{CELL}-engine") == ""
    cell.start()
    cell.says("first alone ")


def docker(*words: str) -> str:
    """Run the engine's client."""
    return subprocess.run(["docker", *words], capture_output=True, text=True, timeout=180, check=True).stdout
