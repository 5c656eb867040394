"""`mosaic doctor`: look at everything that Mosaic needs here, and say what to do about what is missing."""

import shutil
from collections.abc import Callable
from pathlib import Path

import click
import msgspec

from mosaic.adapters import process
from mosaic.cli import credentials
from mosaic.cli.connection import connected
from mosaic.cli.output import Output, json_option
from mosaic.cli.units import size
from mosaic.cli.up import preflight
from mosaic.cli.up.layout import Layout, state_folder
from mosaic.core.errors import MosaicError
from mosaic.wire.api import Account, Device

_SECONDS = 20.0


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at. `hint` is empty when it holds."""

    name: str
    held: bool
    detail: str
    hint: str = ""


class SomethingWrong(MosaicError):
    """At least one check failed."""

    code = "doctor-found"

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} of the checks above did not hold", hint="each says what to do")


@click.command()
@click.option("--state", type=click.Path(file_okay=False, path_type=Path), help="The state folder to look at.")
@json_option
def doctor(out: Output, state: Path | None) -> None:
    """Check this machine, the way to the Hive, and the Devices."""
    layout = Layout(state_folder(state))
    looks: list[tuple[str, Callable[[], str]]] = [
        ("Docker engine", _engine),
        ("docker compose", preflight.check_compose),
        ("btrfs", _btrfs),
        ("disk space", lambda: _room(layout)),
        ("storage daemon", lambda: _storage(layout)),
    ]
    if _needs_hive(layout):
        looks += [("Hive", _hive), ("Hive's own copy", _copy), ("Devices", _devices)]
    checks = [_checked(name, look) for name, look in looks]
    width = max(len(one.name) for one in checks) + 2
    lines = [f"{'✓' if one.held else '✗'} {one.name + ':':<{width}}{one.detail}" for one in checks]
    for at, one in enumerate(checks):
        lines[at] += f"\n  {one.hint}" if one.hint else ""
    out.result({"checks": checks}, "\n".join(lines))
    failed = sum(not one.held for one in checks)
    if failed and not out.as_json:
        raise SomethingWrong(failed)
    if failed:
        raise click.exceptions.Exit(1)


def _checked(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except MosaicError as error:
        return Check(name, False, error.message, error.hint)


def _engine() -> str:
    preflight.check_engine(preflight.ENGINE_SOCKET)
    return f"answers at {preflight.ENGINE_SOCKET}"


def _btrfs() -> str:
    # No problem by itself: a daemon whose image cannot be mounted says so below.
    without = "volumes lie in plain folders, and what changed is copied"
    if "btrfs" not in Path("/proc/filesystems").read_text():
        try:
            process.run(["modprobe", "btrfs"], deadline_seconds=_SECONDS)
        except (process.CommandFailed, process.ProgramMissing):
            return f"the kernel does not know it: {without}"
    if shutil.which("mkfs.btrfs", path="/usr/sbin:/sbin:/usr/bin:/bin") is None:
        return f"mkfs.btrfs is not here: {without}"
    return "the kernel knows it, and mkfs.btrfs is here"


def _room(layout: Layout) -> str:
    preflight.check_room(layout.state)
    folder = layout.state
    while not folder.exists():
        folder = folder.parent
    return f"{size(shutil.disk_usage(folder).free)} free at {folder}"


def _storage(layout: Layout) -> str:
    from mosaic.adapters.storage_client import StorageClient
    from mosaic.wire.storage import StateRequest

    if not layout.storage.exists():
        return f"none on this machine ({layout.storage} is not there)"
    client = StorageClient(layout.storage_socket)
    state = client.state(StateRequest())
    own = [one for one in client.hiveless().volumes if one.removed_ns is None]
    problem = state.pool.problem or next((one.problem for one in own if one.problem is not None), None)
    if problem is not None:
        raise _problem(problem.message, problem.hint)
    count = len(state.volumes) + len(own)
    held = "1 volume" if count == 1 else f"{count} volumes"
    kind = " in plain folders" if state.pool.kind == "folders" else ""
    return f"{held}{kind}, {size(state.pool.free_bytes)} of the pool free"


def _needs_hive(layout: Layout) -> bool:
    """Whether anything here has to do with a Hive: not where a storage daemon is alone and nobody has logged in."""
    return layout.settings.exists() or credentials.path().exists() or not layout.storage.exists()


def _hive() -> str:
    with connected() as hive:
        account = hive.get("/api/account", Account)
        return f"{account.name} at {hive.url}"


def _copy() -> str:
    import time

    from mosaic.cli.hive_words import require_safe
    from mosaic.wire.hive_backup import HiveState

    with connected() as hive:
        return require_safe(hive.get("/api/hive/state", HiveState), time.time_ns())


def _devices() -> str:
    with connected() as hive:
        devices = hive.get("/api/devices", list[Device])
    for device in devices:
        if device.health.colour in ("amber", "red"):
            raise _problem(f"{device.name}: {device.health.cause}", device.health.remedy)
    return ", ".join(f"{device.name} {device.health.word.lower()}" for device in devices) or "none yet"


def _problem(message: str, hint: str) -> MosaicError:
    return MosaicError(message, hint=hint)
