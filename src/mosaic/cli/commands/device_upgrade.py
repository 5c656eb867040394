"""`mosaic device upgrades` and `mosaic device upgrade`: another version of Mosaic on a Device."""

import time
from typing import TYPE_CHECKING

import click

from mosaic.cli.output import Output, json_option
from mosaic.core.errors import MosaicError, Unavailable

if TYPE_CHECKING:
    from mosaic.adapters.api_client import HiveClient
    from mosaic.wire.upgrading import DeviceUpgrades

_WAIT_SECONDS = 1800.0
_LOOK_SECONDS = 1.0


class UpgradeFailed(MosaicError):
    """The Device was not upgraded."""

    code = "device-upgrade-failed"


class UpgradeSilent(Unavailable):
    """Nothing was heard of the end of an upgrade."""

    code = "device-upgrade-silent"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"nothing was heard of the end of the upgrade of {name}",
            hint=f"it goes on by itself; `mosaic device upgrade {name} --dry-run` says how it is",
        )


@click.command()
@click.argument("name")
@click.argument("switch", type=click.Choice(["on", "off"]), metavar="on|off")
@json_option
def upgrades(out: Output, name: str, switch: str) -> None:
    """Have the Device NAME take newer versions of Mosaic by itself, or no more.

    They come from the catalogs that you added, as signed packages. While it is on, the Device tells its version.
    """
    from mosaic.cli.connection import connected
    from mosaic.cli.devices import find
    from mosaic.wire.upgrading import DeviceUpgrades, SetUpgrades

    with connected() as hive:
        device = find(hive, name).device
        told = hive.send("PUT", f"/api/devices/{device}/upgrades", SetUpgrades(switch == "on"), DeviceUpgrades)
    said = "takes newer versions of Mosaic by itself" if told.on else "stays at its version until you upgrade it"
    out.result(told, f"{name} {said}.")


@click.command()
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Say what it would become and how its last upgrade went; change nothing.")
@click.option("--no-wait", is_flag=True, help="Return as soon as the Device has begun.")
@json_option
def upgrade(out: Output, name: str, dry_run: bool, no_wait: bool) -> None:
    """Have the Device NAME become the newest version of Mosaic that your catalogs have for it.

    Its apps run on. A version that has not reported to the Hive within a minute is put back.
    """
    from mosaic.cli.connection import connected
    from mosaic.cli.devices import find
    from mosaic.wire.upgrading import DeviceUpgrades

    with connected() as hive:
        device = find(hive, name).device
        if dry_run:
            told = hive.get(f"/api/devices/{device}/upgrade", DeviceUpgrades)
            return out.result(told, _in_words(name, told))
        ordered = hive.send("POST", f"/api/devices/{device}/upgrade", None, DeviceUpgrades)
        if no_wait:
            return out.result(ordered, f"{name} has begun; `mosaic device upgrade {name} --dry-run` says how it is.")
        ended = _wait(hive, device, ordered.wish, name)
    newest = ended.newest
    assert newest is not None
    if newest.stage == "kept":
        return out.result(ended, f"{name} runs Mosaic {newest.version} now.")
    left = "the version before runs again" if newest.stage == "back" else "nothing was changed"
    lines = f"; its last lines were:\n{newest.last_lines}" if newest.last_lines else ""
    raise UpgradeFailed(
        f"{name} was not upgraded, and {left}: {newest.why}{lines}",
        hint=f"apps were not touched; to try it once more: `mosaic device upgrade {name}`",
    )


def _wait(hive: "HiveClient", device: str, wish: str, name: str) -> "DeviceUpgrades":
    from mosaic.wire.upgrading import DeviceUpgrades

    until = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < until:
        told = hive.get(f"/api/devices/{device}/upgrade", DeviceUpgrades)
        if told.newest is not None and told.newest.wish == wish and told.newest.stage in ("kept", "back", "refused"):
            return told
        time.sleep(_LOOK_SECONDS)
    raise UpgradeSilent(name)


def _in_words(name: str, told: "DeviceUpgrades") -> str:
    takes = "by itself" if told.on else "only when you say so"
    lines = [f"{name} is upgraded {takes}."]
    if told.version:
        lines.append(f"It runs Mosaic {told.version}.")
    if told.offer is None:
        lines.append("There is nothing newer for it.")
    else:
        offer = told.offer
        failed = "; it went back from it before" if offer.failed else ""
        lines.append(f"It would be given {offer.label} of {offer.catalog} ({offer.digest[:19]}…){failed}.")
    if told.newest is not None:
        why = f": {told.newest.why}" if told.newest.why else ""
        lines.append(f"Its last upgrade, to {told.newest.version or 'a newer version'}: {told.newest.stage}{why}")
    return "\n".join(lines)
