"""What an installation's page says, worked out of the installation and its Devices' reports.

Pure but for the clock of its caller. Absent things are said as absent; nothing
is left blank.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from mosaic.core import condition
from mosaic.core.condition import CopySight
from mosaic.hive.console.steps import Work, works
from mosaic.wire.api import Device, Health, Installation
from mosaic.wire.report import InstallationReport, VolumeReport

_PUBLIC_SCHEMES = ("http://", "https://")
_LOOPBACK = ("127.0.0.1", "::1", "localhost", "")


@dataclass(frozen=True, slots=True)
class Address:
    """Where it is reached. `link` is None for what no browser opens; `reach` says from where."""

    text: str
    link: str | None
    reach: str


@dataclass(frozen=True, slots=True)
class Journey:
    """A move under way. `arrived` says that the lease is at the target."""

    source: str
    target: str
    arrived: bool
    work: Work | None


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that the page shows beside the installation itself."""

    device: str
    known: Device | None
    report: InstallationReport | None
    addresses: tuple[Address, ...]
    answering: int
    works: tuple[Work, ...]
    journey: Journey | None
    data: Health
    last_replicated_ns: int | None
    waiting_bytes: int


def of(installation: Installation, devices: Sequence[Device]) -> Overview:
    """Work it out for now."""
    now_ns = time.time_ns()
    known = next((device for device in devices if device.device == installation.device), None)
    report = installation.reports.get(installation.device)
    volumes = _current(installation)
    waiting = sum(volume.waiting_bytes for volume in volumes)
    found = works(installation, devices, now_ns)
    return Overview(
        device=known.name if known else "a removed device",
        known=known,
        report=report,
        addresses=tuple(_addresses(installation.name, report, known.name if known else "its device")) if report else (),
        answering=sum(service.state == "running" and service.health != "unhealthy" for service in _services(report)),
        works=tuple(found),
        journey=_journey(installation, devices, found),
        data=installation.data_health or Health("grey", "Not known", "No volume has been reported yet.", ""),
        last_replicated_ns=saved_elsewhere(installation),
        waiting_bytes=waiting,
    )


def _services(report: InstallationReport | None) -> list["condition.ServiceSight"]:
    if report is None:
        return []
    return [
        condition.ServiceSight(one.service, one.state, one.health, one.exit_code, is_link=one.link)
        for one in report.services
    ]


def _current(installation: Installation) -> list[VolumeReport]:
    """A volume is reported by every Device that has a copy; the holder's word counts."""
    best: dict[str, VolumeReport] = {}
    for volume in installation.volumes:
        seen = best.get(volume.volume)
        if seen is None or (seen.epoch is None and volume.epoch is not None):
            best[volume.volume] = volume
    return list(best.values())


def saved_elsewhere(installation: Installation) -> int | None:
    """Return up to when all its volumes are on another machine than their holder's; None when one is nowhere."""
    copies = [
        CopySight(each.store, each.same_machine, each.state, None if each.same_machine else each.instant_ns, one.volume)
        for one in _current(installation)
        for each in one.replicas
    ]
    return condition.safe_instant_ns(copies)


def _addresses(name: str, report: InstallationReport, device: str) -> list[Address]:
    found = []
    own = [(url, f"by name, on {device} itself") for url in (report.url, report.secure_url) if url is not None]
    for url, reach in [*own, *((url, "from the network") for url in report.network_urls)]:
        # A Device says what it likes: only what a browser opens as a page becomes a link.
        found.append(Address(url, url if url.startswith(_PUBLIC_SCHEMES) else None, reach))
    for port in report.ports:
        local = port.host_ip in _LOOPBACK or port.host_ip.startswith("127.")
        host = "127.0.0.1" if local else device
        # By a name of its own: cookies ignore ports, and one at 127.0.0.1 would be sent the Console's.
        named = f"{name}.localhost" if local else device
        link = f"http://{named}:{port.host_port}/" if port.protocol == "tcp" else None
        reach = f"on {device} only" if local else "from the network"
        moved = "" if port.host_port == port.container_port else f", its port {port.container_port}"
        found.append(Address(f"{host}:{port.host_port}", link, f"{port.service}{moved}, {port.protocol}, {reach}"))
    return found


def _journey(installation: Installation, devices: Sequence[Device], found: Sequence[Work]) -> Journey | None:
    names = {device.device: device.name for device in devices}
    here = names.get(installation.device, "a removed device")
    if installation.phase in ("preparing", "draining") and installation.target is not None:
        return _between(here, names.get(installation.target, "a removed device"), False, found)
    others = [device for device in installation.reports if device != installation.device]
    if installation.phase in ("arriving", "confirming") and others:
        source = installation.target if installation.target in others else others[0]
        return _between(names.get(source, "a removed device"), here, True, found)
    return None


def _between(source: str, target: str, arrived: bool, found: Sequence[Work]) -> Journey:
    busy = next((work for work in reversed(found) if work.busy), None)
    return Journey(source, target, arrived, busy)
