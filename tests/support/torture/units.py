"""What systemd does with the units of `mosaic up --install`: only a machine that it booted shows that.

Installs, kills each part, stops, upgrades and uninstalls, with an app that is
asked all the time. For a machine without Mosaic that nothing else is on:
`script/bare bookworm --boot` makes one.
"""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

from e2e.ships import asked_all_the_time
from e2e.world import EXAMPLES, answers, read_notes, write_note
from mosaic.cli.up import install, systemd
from support.installed_mosaic import build_wheel, make_beside, put_into
from support.ran import Json, Ran
from support.torture.tally import Tally
from support.waiting import eventually

STATE = Path("/var/lib/mosaic-torture")
GOOD, BROKEN = "90.0.0", "91.0.0"
CANNOT_START = 'def serve(config):\n    raise OSError("no such port, today")'
_SECONDS = 300.0


class NotForThisMachine(Exception):
    """No systemd runs here, or Mosaic is installed already."""


def run(tally: Tally, folder: Path) -> None:
    """Kill the four parts in turn, `tally.count` times in all, and see the rest of their lives once."""
    if not install.has_systemd() or any((install.UNIT_FOLDER / name).exists() for name in systemd.SERVICES):
        raise NotForThisMachine("it takes a machine that systemd booted and that has no Mosaic")
    world = _World(folder)
    said = world.ok("up", "--install", "--demo", "--state", str(STATE), "--catalog", str(EXAMPLES))
    try:
        _live(tally, world, said)
    finally:
        ran = world.mosaic("up", "--uninstall", "--delete-data", "--state", str(STATE))
    tally.check(ran.code == 0, f"uninstalling ended with {ran.code}: {ran.stderr}")
    tally.check(not STATE.exists(), "the state is still there")
    tally.check(not _told("list-units", "--all", "--plain", "--no-legend", "mosaic*"), "units are left")
    tally.check(str(STATE) not in Path("/proc/mounts").read_text(), "a mount is left")


class _World:
    """The command line, logged in where no other user of this machine is."""

    def __init__(self, folder: Path) -> None:
        self._env = {**os.environ, "XDG_CONFIG_HOME": str(folder / "config")}
        self.folder = folder

    def mosaic(self, *words: str, python: str = sys.executable) -> Ran:
        env = self._env if python == sys.executable else {**self._env, "PYTHONPATH": ""}
        argv = [python, "-m", "mosaic.cli.main", *words]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_SECONDS, env=env, stdin=subprocess.DEVNULL)
        return Ran(done.returncode, done.stdout, done.stderr)

    def ok(self, *words: str) -> Json:
        ran = self.mosaic(*words, "--json")
        assert ran.code == 0, f"mosaic {' '.join(words)}: {ran.code} {ran.stderr}"
        return ran.value


def _live(tally: Tally, world: _World, said: Json) -> None:
    by_port, by_name = said["apps"][0]["addresses"]
    write_note(by_port, "the first")
    for unit in (*systemd.SERVICES, *systemd.PATHS):
        tally.check(_told("is-enabled", unit) == "enabled", f"{unit} would not start with the machine")
        tally.check(_told("is-active", unit) == "active", f"{unit} does not run")
    with asked_all_the_time(by_port) as failures:
        _kill(tally, by_name)
        _stop_device(tally)
        _upgrade(tally, world)
    tally.check(not failures, f"the app was away: {failures[:3]}")
    tally.check(answers(by_name), "the app does not answer by its name")
    tally.check(list(read_notes(by_port)) == ["the first"], "the app lost its note")
    tally.check(not _told("--failed", "--no-legend", "--plain"), "units have failed")


def _kill(tally: Tally, by_name: str) -> None:
    for turn in range(tally.count):
        unit = systemd.SERVICES[turn % len(systemd.SERVICES)]
        before = _pid(unit)
        os.kill(before, signal.SIGKILL)
        eventually(partial(_is_another, unit, before), seconds=60)
        eventually(partial(answers, by_name), seconds=60)
        tally.figures["kills"] += 1


def _is_another(unit: str, before: int) -> bool:
    return _pid(unit) not in (0, before)


def _stop_device(tally: Tally) -> None:
    """What somebody stopped stays so, though the file is there that the path unit waits for."""
    _told("stop", systemd.DEVICE)
    (STATE / "device").touch()
    tally.check(_told("is-active", systemd.DEVICE) == "inactive", "a Device that was stopped runs")
    _told("start", systemd.DEVICE)
    tally.figures["stops"] += 1


def _upgrade(tally: Tally, world: _World) -> None:
    before = _programs()
    broken = _environment(world.folder, BROKEN, serve=CANNOT_START)
    words = ("upgrade", "--state", str(STATE), "--gate-seconds", "2", "--json")
    ran = world.mosaic(*words, python=broken)
    tally.check(ran.code == 1, f"a version that does not start was kept: {ran.stdout}")
    tally.check("no such port, today" in ran.stdout + ran.stderr, f"nobody says why: {ran.stdout} {ran.stderr}")
    tally.check(_programs() == before, "the version before does not run")
    good = _environment(world.folder, GOOD)
    ran = world.mosaic(*words, python=good)
    tally.check(ran.code == 0, f"a good version was not kept: {ran.stdout} {ran.stderr}")
    tally.check(_programs() == {good}, f"other versions run: {_programs()}")
    tally.figures["upgrades"] += 2


def _environment(folder: Path, version: str, *, serve: str = "") -> str:
    python = make_beside(folder / version, Path(sys.prefix))
    put_into(python, build_wheel(folder / f"wheel-{version}", version, serve=serve))
    return str(python)


def _programs() -> set[str]:
    """Return the Python of every unit that has one; the front has become Caddy."""
    units = [unit for unit in systemd.SERVICES if unit != systemd.FRONT]
    return {Path(f"/proc/{_pid(unit)}/cmdline").read_bytes().split(b"\0")[0].decode() for unit in units}


def _pid(unit: str) -> int:
    return int(_told("show", "--property", "MainPID", "--value", unit) or 0)


def _told(*words: str) -> str:
    done = subprocess.run(["systemctl", *words], capture_output=True, text=True, timeout=180, check=False)
    return done.stdout.strip()
