"""Which version of a catalog's app is for whom: the newest for a Device's hardware, as its roll-out lets it. Pure."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from mosaic.adapters.machine import generic_hardware
from mosaic.adapters.sql.catalogs import KeptCatalog
from mosaic.adapters.sql.devices import Device
from mosaic.core.errors import NotFound
from mosaic.core.roll_out import is_for_all
from mosaic.core.target import Target
from mosaic.core.target_choice import Taker, newest_for
from mosaic.hive.catalogs import Offered
from mosaic.wire.report import Report


class AppNotForDevice(NotFound):
    """The catalog has the app, and no version of it for this Device."""

    code = "app-not-for-device"

    def __init__(self, catalog: str, app: str, device: str, hardware: str, published: Iterable[str]) -> None:
        kinds = ", ".join(sorted(published)[:8])
        super().__init__(
            f"{catalog} has no version of {app} for {device}, which is {hardware}",
            hint=f"it is published for {kinds}, and may be rolled out in stages" if kinds else "it was withdrawn",
        )


def taker_of(device: Device, report: Report | None, *, holds: int | None = None) -> Taker:
    """Return the Device as a roll-out sees it: by its newest report, before its first one as it joined."""
    hardware = report.hardware if report is not None else ""
    group = report.group if report is not None else ""
    return Taker(hardware or generic_hardware(device.architecture), device.id, group or None, holds)


def offer_for(catalog: KeptCatalog, targets: Iterable[Target], app: str, taker: Taker) -> Offered | None:
    """Return the app in the version that this Device should have; None when there is none for it."""
    target = newest_for(taker, targets)
    return Offered(catalog, target, app) if target is not None and app in target.apps else None


def newest(targets: Iterable[Target]) -> list[Target]:
    """Return the newest Target of each kind of hardware, whoever takes it; the newest of them first."""
    found: dict[str, Target] = {}
    for target in targets:
        known = found.get(target.hardware)
        if known is None or known.version < target.version:
            found[target.hardware] = target
    return sorted(found.values(), key=lambda one: (-one.version, one.hardware))


def takeable(targets: Iterable[Target]) -> list[Target]:
    """Return the Targets that some Device may be given: of each kind of hardware those since the last one for everyone.

    The newest of a kind come first.
    """
    ordered = sorted(targets, key=lambda one: (one.hardware, -one.version))
    found: list[Target] = []
    for _, own in groupby(ordered, key=lambda one: one.hardware):
        for target in own:
            found.append(target)
            if is_for_all(target.roll_out):
                break
    return sorted(found, key=lambda one: (-one.version, one.hardware))


def offered(
    catalog: KeptCatalog, targets: Sequence[Target], takers: Sequence[Taker]
) -> tuple[list[Offered], list[Offered]]:
    """Return each app once: those that some of the takers would get, in the newest such version, and the others.

    Nobody to take them is everybody: then all are of the first kind.
    """
    choices = [newest_for(taker, targets) for taker in takers]
    ours = (
        sorted((one for one in choices if one is not None), key=lambda one: -one.version) if takers else newest(targets)
    )
    for_us = {app: Offered(catalog, target, app) for target in reversed(ours) for app in target.apps}
    every = {app: Offered(catalog, target, app) for target in reversed(newest(targets)) for app in target.apps}
    return list(for_us.values()), [one for app, one in every.items() if app not in for_us]
