"""The `mosaic lan` family: apps on their Device's own network, without a gateway."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from mosaic.cli.output import Output, json_option
from mosaic.core.errors import Corrupt, NotFound, Unavailable

if TYPE_CHECKING:
    from mosaic.adapters.api_client import HiveClient
    from mosaic.cli.verdict import Verdict
    from mosaic.wire.api import Installation
    from mosaic.wire.lan import LanState

_WAIT_SECONDS = 60.0
_LOOK_SECONDS = 0.5


class LanSilent(Unavailable):
    """A Device has not told what came of a change."""

    code = "lan-silent"

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(
            f"{name} has taken the wish, and has not done it yet" + (f": {problem}" if problem else ""),
            hint=f"it goes on by itself; `mosaic lan show {name}` says how it is",
        )


class NoLanRoot(NotFound):
    """A Device has no authority."""

    code = "no-lan-root"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} has no HTTPS of its own", hint=f"`mosaic lan https {name} on` adds it")


class LanRootUnlimited(Corrupt):
    """What is told as the root of a Device may certify more than names of that machine and its network."""

    code = "lan-root-unlimited"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"what is told as the root of {name} is not one that can certify names below localhost and local alone",
            hint=f"trust it nowhere; on {name} itself its front gives its root: /mosaic-root.crt at the plain port",
        )


@click.group()
def lan() -> None:
    """Reach apps from other machines of your own network, without a gateway.

    An app is on its machine alone until you open it.
    """


@lan.command("open")
@click.argument("name")
@json_option
def open_app(out: Output, name: str) -> None:
    """Open the app NAME to its Device's network: whoever reaches the machine reaches its ports.

    The app is started anew for it. A port that another program has on the network is replaced by a free one.
    """
    _set_open(out, name, is_open=True)


@lan.command()
@click.argument("name")
@json_option
def close(out: Output, name: str) -> None:
    """Have the app NAME on its own machine only. The app is started anew for it."""
    _set_open(out, name, is_open=False)


@lan.command()
@click.argument("device", required=False)
@json_option
def show(out: Output, device: str | None) -> None:
    """Show where apps are reached on the networks of your Devices."""
    from mosaic.cli.connection import connected
    from mosaic.cli.devices import find
    from mosaic.cli.lan_view import in_words
    from mosaic.wire.api import Device, Installation

    with connected() as hive:
        devices = [find(hive, device)] if device is not None else hive.get("/api/devices", list[Device])
        apps = hive.get("/api/installations", list[Installation])
        states = {one.name: _state(hive, one.device) for one in devices if one.last_report_ns is not None}
    on = {one.name: [app for app in apps if app.device == one.device] for one in devices}
    told = [in_words(name, state, on[name]) for name, state in states.items()]
    out.result(states, "\n\n".join(told) or "No Device has told anything yet.")


@lan.command()
@click.argument("device")
@click.argument("switch", type=click.Choice(["on", "off"]), metavar="on|off")
@json_option
def https(out: Output, device: str, switch: str) -> None:
    """Give the apps of DEVICE addresses by HTTPS, of an authority of its own, or no more.

    Browsers have to be told once to trust it: `mosaic lan root DEVICE`.
    """
    is_on = switch == "on"
    _wish(out, device, {"https": is_on}, lambda state: (state.https_port is not None) == is_on)


@lan.command()
@click.argument("device")
@click.argument("switch", type=click.Choice(["on", "off"]), metavar="on|off")
@json_option
def names(out: Output, device: str, switch: str) -> None:
    """Give the open apps of DEVICE names on its network (http://APP.local:PORT), by multicast DNS, or no more."""
    is_on = switch == "on"
    _wish(out, device, {"names": is_on}, lambda state: state.wish.names == is_on)


@lan.command()
@click.argument("device")
@json_option
def root(out: Output, device: str) -> None:
    """Print the root certificate of DEVICE, for browsers that shall trust its apps.

    It can certify names below `localhost` and `local`, and nothing else.
    """
    from mosaic.cli.connection import connected
    from mosaic.cli.devices import find
    from mosaic.crypto.lan_authority import fingerprint, limited

    with connected() as hive:
        state = _state(hive, find(hive, device).device)
    if not state.root:
        raise NoLanRoot(device)
    try:
        certificate = limited(state.root)
    except ValueError:
        raise LanRootUnlimited(device) from None
    out.remark(f"SHA-256 {fingerprint(certificate)}")
    out.result({"root": certificate, "sha256": fingerprint(certificate)}, certificate.strip())


def _set_open(out: Output, name: str, *, is_open: bool) -> None:
    from mosaic.adapters.api_client import segment
    from mosaic.cli.connection import connected
    from mosaic.cli.follow import follow
    from mosaic.cli.shown import describe
    from mosaic.cli.verdict import reached
    from mosaic.wire.api import Installation, Open

    def judge(installation: "Installation") -> "Verdict":
        return reached(installation, is_open=is_open)

    with connected() as hive:
        asked = hive.send("POST", f"/api/installations/{segment(name)}/open", Open(is_open), Installation)
        settled = follow(hive, asked.installation, judge)
    out.result(settled, describe(settled))


def _wish(out: Output, name: str, wish: dict[str, bool], is_so: "Callable[[LanState], bool]") -> None:
    from mosaic.cli.connection import connected
    from mosaic.cli.devices import find
    from mosaic.cli.lan_view import in_words
    from mosaic.wire.lan import LanState, SetLan

    with connected() as hive:
        device = find(hive, name).device
        hive.send("PUT", f"/api/devices/{device}/lan", SetLan(**wish), LanState)
        until = time.monotonic() + _WAIT_SECONDS
        while not is_so(state := _state(hive, device)):
            if time.monotonic() > until:
                raise LanSilent(name, state.problem)
            time.sleep(_LOOK_SECONDS)
    out.result(state, in_words(name, state, []))


def _state(hive: "HiveClient", device: str) -> "LanState":
    from mosaic.wire.report import Report

    return hive.get(f"/api/devices/{device}/report", Report).lan
