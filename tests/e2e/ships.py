"""A Hive alone, Devices in containers that join it, and somebody who asks an app all the time."""

import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from e2e.world import EXAMPLES, MOSAIC, World, answers, eventually
from mosaic.adapters import process
from mosaic.adapters.api_client import HiveClient
from mosaic.core.device_container import JOIN, PASSPHRASE
from mosaic.wire.api import LoggedIn, Setup
from support.contained_device import ContainedDevice
from support.unshared import free_port


@contextmanager
def lone_hive(folder: Path) -> Iterator[World]:
    """Yield a Hive with an account and no Device."""
    made = World(folder)
    (made.folder / "password").write_text("a password of my own")
    state, port = made.folder / "hive", free_port()
    url = f"http://127.0.0.1:{port}"
    words = [*MOSAIC, "hive", "serve", "--state", str(state), "--port", str(port), "--catalog", str(EXAMPLES)]
    serving = process.spawn(words, log=made.folder / "hive.log", env={"MOSAIC_STATE": str(state)})
    try:
        eventually(lambda: answers(f"{url}/api/hive"), "the Hive answers", seconds=120)
        with HiveClient(url) as first:
            code = (state / "setup-code").read_text().strip()
            first.send("POST", "/api/setup", Setup(code, "ada", "a password of my own"), LoggedIn)
        password = ["--password-file", str(made.folder / "password")]
        made.ok("login", url, "--name", "ada", *password)
        (made.folder / "passphrase").write_text(made.ok("passphrase", "set")["passphrase"])
        yield made
    finally:
        serving.stop(60)
        shutil.rmtree(made.folder, ignore_errors=True)


def paste(hive: World, made: ContainedDevice, name: str) -> None:
    """Add a Device, run the line, and wait for the green circle."""
    passphrase = hive.folder / "passphrase"
    token = hive.ok("device", "add", "--name", name, "--passphrase-file", str(passphrase))
    made.secrets = {JOIN: token["join_token"], PASSPHRASE: passphrase.read_text()}
    made.paste(name=name)
    try:
        eventually(lambda: is_green(hive, name), "the Device is green", seconds=120)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{made.told()}") from None


def is_green(hive: World, name: str) -> bool:
    """Whether the Hive hears the Device and calls it well."""
    return any(
        one["name"] == name and one["connected"] and one["health"]["colour"] == "green"
        for one in hive.asked("/api/devices")
    )


@contextmanager
def asked_all_the_time(address: str) -> Iterator[list[str]]:
    """Ask an app one question after the other while the block runs; yield what went wrong."""
    failures: list[str] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            try:
                with urllib.request.urlopen(f"{address}/healthz", timeout=30) as answer:
                    answer.read()
            except (OSError, urllib.error.URLError) as error:
                failures.append(repr(error))
            done.wait(0.02)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield failures
    finally:
        done.set()
        thread.join(60)
