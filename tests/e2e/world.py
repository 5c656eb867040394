"""A whole Mosaic in real processes on the real engine: `mosaic up`, a second Device, and what a browser sees."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from mosaic.adapters.api_client import HiveClient
from mosaic.cli.credentials import Credentials
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.orphans import read_note
from mosaic.cli.up.services import own_packages
from support.absent_drivers import stand_aside, stand_in
from support.ran import Json, Ran

MOSAIC = [sys.executable, "-m", "mosaic.cli.main"]
EXAMPLES = Path(__file__).parents[2] / "examples"
START_SECONDS = 180.0
STOP_SECONDS = 150.0
COMMAND_SECONDS = 300.0
SMALL_POOL = ("--pool-gigabytes", "1")
"""Several worlds of 8 GiB each, as they are by default, would fill a disk."""


def eventually(condition: Any, what: str, *, seconds: float, pause: float = 0.1) -> Any:
    """Return what `condition` returns once it is true; fail with `what` when it is not within `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(pause)


@dataclass
class World:
    """`folder` holds everything; nothing outside of it but containers, mounts and the drivers' sockets is made.

    `python` is the version of Mosaic whose commands are run.
    """

    folder: Path
    catalogs: list[Path] = field(default_factory=lambda: [EXAMPLES])
    driver: str = "mosaic-e2e"
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    welcome: Json = None
    python: str = sys.executable

    @property
    def home(self) -> Layout:
        """The state folder of `mosaic up`."""
        return Layout(self.folder / "home")

    @property
    def env(self) -> dict[str, str]:
        """An environment in which this world's command line is logged in and nobody else's is touched."""
        own = {"XDG_CONFIG_HOME": str(self.folder / "config"), "MOSAIC_STATE": str(self.home.state)}
        return {**os.environ, **own_packages(self.python), **own}

    @property
    def program(self) -> list[str]:
        """The first words of every command."""
        return [self.python, *MOSAIC[1:]]

    def mosaic(self, *words: str, seconds: float = COMMAND_SECONDS) -> Ran:
        """Run one command to its end."""
        done = subprocess.run(
            [*self.program, *words],
            capture_output=True,
            text=True,
            timeout=seconds,
            env=self.env,
            stdin=subprocess.DEVNULL,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def ok(self, *words: str, seconds: float = COMMAND_SECONDS) -> Json:
        """Run one command with --json, expect it to be done, and return its value."""
        ran = self.mosaic(*words, "--json", seconds=seconds)
        assert ran.code == 0, f"mosaic {' '.join(words)}: {ran.stdout} {ran.stderr}"
        return ran.value

    def start(self, *options: str) -> "subprocess.Popen[bytes]":
        """Start `mosaic up` and wait until it has said where everything is."""
        stand_aside(self.driver)
        said = self.folder / "up.json"
        words = [
            *self.program,
            "up",
            "--state",
            str(self.home.state),
            "--name",
            "home",
            "--driver",
            self.driver,
            *SMALL_POOL,
            "--json",
        ]
        for catalog in self.catalogs:
            words += ["--catalog", str(catalog)]
        with said.open("wb") as out, (self.folder / "up.err").open("ab") as err:
            up = subprocess.Popen([*words, *options], stdout=out, stderr=err, env=self.env, stdin=subprocess.DEVNULL)
        self.processes.append(up)

        def is_welcome() -> bool:
            assert up.poll() is None, self.told()
            with contextlib.suppress(json.JSONDecodeError):
                self.welcome = json.loads(said.read_text())
            return self.welcome is not None

        self.welcome = None
        try:
            eventually(is_welcome, "mosaic up says where everything is", seconds=START_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.told()}") from None
        assert "error" not in self.welcome, f"{self.welcome}\n{self.told()}"
        return up

    def stop(self, up: "subprocess.Popen[bytes]") -> int:
        """Press Ctrl-C, and return the exit code."""
        up.send_signal(signal.SIGINT)
        return up.wait(STOP_SECONDS)

    def start_device(self, name: str, *options: str) -> "subprocess.Popen[bytes]":
        """Start another Device, and wait until the Hive hears it."""
        stand_aside(f"mosaic-{name}")
        self.others.append(name)
        trusted = [word for catalog in self.catalogs for word in ("--trust-apps", str(catalog))]
        with (self.folder / f"{name}.log").open("ab") as log:
            started = subprocess.Popen(
                [
                    *self.program,
                    "device",
                    "run",
                    "--name",
                    name,
                    "--state",
                    str(self.folder / name),
                    *SMALL_POOL,
                    *trusted,
                    *options,
                ],
                stdout=log,
                stderr=log,
                env=self.env,
                stdin=subprocess.DEVNULL,
            )
        self.processes.append(started)

        def is_connected() -> bool:
            assert started.poll() is None, (self.folder / f"{name}.log").read_text()
            return any(one["name"] == name and one["connected"] for one in self.asked("/api/devices"))

        eventually(is_connected, f"the Device {name} is connected", seconds=60)
        return started

    def kill_device(self, name: str, started: "subprocess.Popen[bytes]") -> None:
        """Kill -9 a Device, its supervisor, its storage daemon and its LAN front, all at once."""
        layout = Layout(self.folder / name)
        notes = [read_note(layout.note(service)) for service in ("device", "storage", "front")]
        started.kill()
        for note in notes:
            if note is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(note.pid, signal.SIGKILL)
        started.wait(60)
        eventually(lambda: not any(note and note.is_alive for note in notes), "the killed are dead", seconds=60)

    def installation(self, name: str) -> Json:
        """Return an installation as the API shows it."""
        return self.asked(f"/api/installations/{name}")

    def asked(self, path: str) -> Json:
        """Ask this world's Hive, without starting a program: that would take its time from what is waited for."""
        known = msgspec.json.decode((self.folder / "config/mosaic/cli.json").read_bytes(), type=Credentials)
        with HiveClient(known.url, token=known.token, ca_pem=known.ca_pem) as hive:
            return hive.get(path, object)

    def device_id(self, name: str) -> str:
        """Return a Device's id."""
        return str(next(one["device"] for one in self.asked("/api/devices") if one["name"] == name))

    def address(self, name: str) -> str:
        """Return the plain address of an app."""
        port = self.report(name)["ports"][0]
        return f"http://127.0.0.1:{port['host_port']}"

    def report(self, name: str) -> Json:
        """Return what the Device of an app reports of it. One that is back a moment ago may have said nothing yet."""

        def reported() -> Json:
            seen = self.installation(name)
            return seen["reports"].get(seen["device"])

        return eventually(reported, f"the Device of {name} has reported it", seconds=60)

    def told(self) -> str:
        """Return the ends of all logs, for a failure's message."""
        parts = [(self.folder / "up.err").read_text()[-2000:]]
        for log in sorted(self.folder.glob("*/logs/*.log")):
            parts.append(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}")
        return "\n".join(parts)

    def end(self) -> None:
        """Take everything down, whatever state it is in."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
            process.kill()
            process.wait()
        for state in [path.parent for path in self.folder.glob("*/up.json")]:
            ran = self.mosaic("up", "--uninstall", "--delete-data", "--state", str(state))
            assert ran.code == 0, ran.stderr
            assert ran.stderr == "", "uninstalling leaves nothing behind that it would have to tell of"
        for driver in {self.driver, *(f"mosaic-{name}" for name in self.others)}:
            stand_in(driver)


def fetch(url: str, *, method: str = "GET", body: bytes | None = None, headers: dict[str, str] | None = None) -> Json:
    """Return the JSON (or text) of one answer. Names under `localhost` are this machine, as in a browser."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    asked = {"Content-Type": "application/json", **(headers or {})}
    if host.endswith(".localhost"):
        url = parts._replace(netloc=f"127.0.0.1:{parts.port or 80}").geturl()
        asked["Host"] = parts.netloc
    request = urllib.request.Request(url, data=body, method=method, headers=asked)
    with urllib.request.urlopen(request, timeout=30) as answer:
        said = answer.read().decode()
    try:
        return json.loads(said)
    except json.JSONDecodeError:
        return said


def answers(url: str) -> bool:
    """Tell whether something answers there, and well."""
    try:
        fetch(url)
    except (OSError, urllib.error.URLError):
        return False
    return True


def write_note(address: str, text: str, *, attached: bytes = b"") -> int:
    """Write a note into the sample app, with a file when `attached`, and return its number."""
    note: int = fetch(f"{address}/api/notes", method="POST", body=json.dumps({"text": text}).encode())["id"]
    if attached:
        fetch(f"{address}/api/notes/{note}/files/photo", method="PUT", body=attached)
    return note


def read_notes(address: str) -> dict[str, list[bytes]]:
    """Return the notes' texts and the contents of their files."""
    found = {}
    for note in fetch(f"{address}/api/notes")["notes"]:
        files = []
        for file in note["files"]:
            with urllib.request.urlopen(f"{address}/files/{file['id']}", timeout=30) as answer:
                files.append(answer.read())
        found[note["text"]] = files
    return found


@contextlib.contextmanager
def listener() -> Iterator[int]:
    """A port that something listens on."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]
