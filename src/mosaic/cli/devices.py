"""Finding a Device by what a person calls it."""

from mosaic.adapters.api_client import HiveClient
from mosaic.cli.units import ago, size
from mosaic.core.errors import NotFound, Refused
from mosaic.wire.api import Device


class DeviceUnknown(NotFound):
    """No Device has that name or id."""

    code = "device-unknown"

    def __init__(self, name: str, known: list[str]) -> None:
        there = f"these exist: {', '.join(known)}" if known else "there is none yet; `mosaic device add` adds one"
        super().__init__(f"there is no Device called {name!r}", hint=there)


def find(hive: HiveClient, name: str) -> Device:
    """Return the Device of that name, or of that id. Raises DeviceUnknown."""
    devices = hive.get("/api/devices", list[Device])
    for device in devices:
        if name in (device.name, device.device):
            return device
    raise DeviceUnknown(name, [device.name for device in devices])


class RemovalNotConfirmed(Refused):
    """Nobody confirmed that a Device goes."""

    code = "removal-not-confirmed"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} was not removed, for nobody confirmed it", hint="pass `--yes` to confirm")


def could_read(apps: list[str]) -> str:
    """Return what to tell about a Device that is gone and had the account's root key."""
    what = f"the volumes of {', '.join(apps)}" if apps else "every volume of the account, of which there is none yet"
    return (
        f"If it is in other hands than yours: it had the root key, and so could read {what}, in all their\n"
        f"snapshots, and still can where it gets at a store. Passwords that those apps keep should be changed.\n"
        "`mosaic keys renew` makes new keys, which it never had, and says what comes after that."
    )


def state(device: Device) -> str:
    """Return how it is in a word or three, for a list."""
    return f"{device.health.word}, being removed" if device.leaving else device.health.word


def in_full(device: Device) -> str:
    """Return everything that `mosaic device show` tells a person."""
    lines = [f"{device.name}: {device.health.word}. {device.health.cause}"]
    if device.leaving:
        lines.append(f"  It is being removed; `mosaic device remove {device.name} --dry-run` says how it stands.")
    if device.health.remedy:
        lines.append(f"  {device.health.remedy}")
    if device.problem is not None:
        lines += [f"  {device.problem.message}", f"  {device.problem.hint}"]
    facts = [
        ("id", device.device),
        ("admitted", "yes" if device.admitted else f"no; `mosaic device admit {device.name}`"),
        ("root key", "has it" if device.has_root_key else "waits for it"),
        ("version", device.version or "told only with automatic upgrades"),
        ("engine", device.engine_version or "unknown"),
        ("reported", ago(device.last_report_ns)),
        ("apps", ", ".join(device.installations) or "none"),
    ]
    if device.machine is not None:
        machine = device.machine
        facts += [
            ("disk", f"{size(machine.disk_free_bytes)} of {size(machine.disk_total_bytes)} free"),
            ("memory", f"{size(machine.memory_available_bytes)} of {size(machine.memory_total_bytes)} free"),
        ]
    if device.pool is not None:
        facts.append(("pool", f"{size(device.pool.free_bytes)} of {size(device.pool.total_bytes)} free"))
    return "\n".join([*lines, *(f"  {name + ':':<11}{value}" for name, value in facts)])
