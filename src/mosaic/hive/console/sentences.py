"""What a page says first: one true sentence, then what needs its reader.

Pure: everything comes from what the Hive's views returned. Asks are ordered
worst first; the page shows five and counts the rest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from mosaic.hive.console.shapes import is_under_way, under_way
from mosaic.hive.console.words import day, number, stopped
from mosaic.wire.api import Account, Device, Health, Installation
from mosaic.wire.link_api import Link

SHOWN = 5


@dataclass(frozen=True, slots=True)
class Ask:
    """What is true, why and what to do; `link` leads to where it is done."""

    symbol: str
    tone: str
    truth: str
    why: str
    link: str
    action: str


_SEVERITY = {"is-bad": 0, "is-warn": 1, "is-busy": 2, "is-off": 3}


def first(devices: Sequence[Device], installations: Sequence[Installation]) -> str:
    """Return the home page's one sentence."""
    if not installations:
        return "No app is installed yet." if devices else "No device has joined yet."
    wanted = [one for one in installations if one.wanted == "run"]
    well = [one for one in wanted if runs(one)]
    if not wanted:
        return _said(len(installations), "is stopped", "are stopped", installations)
    if len(well) == len(wanted):
        return _said(len(well), "runs", "run", well, every=len(well) > 1)
    if not well:
        return _said(len(wanted), "does not run yet", "do not run", wanted)
    return f"{number(len(well)).capitalize()} of {number(len(wanted))} apps {'runs' if len(well) == 1 else 'run'}."


def runs(installation: Installation) -> bool:
    """Say whether the Device that it belongs on reports that it runs and answers."""
    report = installation.reports.get(installation.device)
    heard = installation.health.colour != "red" or installation.problem is not None
    return report is not None and report.phase == "running" and report.healthy and heard


def _said(count: int, one: str, more: str, them: Sequence[Installation], *, every: bool = False) -> str:
    if count == 1:
        return f"{them[0].name} {one}."
    if every:
        return f"All {number(count)} apps {more}." if count > 2 else f"Both apps {more}."
    return f"{number(count).capitalize()} apps {more}."


def second(devices: Sequence[Device], installations: Sequence[Installation]) -> str:
    """Return what goes on: moves and restores, silent Devices. Empty when it is quiet."""
    names = {device.device: device.name for device in devices}
    said = [_going(one, names) for one in installations if is_under_way(one)]
    stopped = [one.name for one in installations if one.wanted == "stop"]
    if stopped and len(stopped) < len(installations):
        said.append(f"{', '.join(stopped)} {'is' if len(stopped) == 1 else 'are'} stopped on purpose.")
    return " ".join(said)


def _going(one: Installation, names: dict[str, str]) -> str:
    if one.target is not None and one.phase in ("preparing", "draining"):
        return f"{one.name} is moving to {names.get(one.target, 'a removed device')}."
    if one.phase in ("arriving", "confirming"):
        return f"{one.name} is coming up on {names.get(one.device, 'a removed device')}."
    return f"{one.name} is {under_way(one).lower()}."


def asks(
    account: Account, devices: Sequence[Device], installations: Sequence[Installation], links: Sequence[Link] = ()
) -> list[Ask]:
    """Return what needs attention, worst first."""
    found = [*_keys(account), *_devices(devices), *_apps(installations), *_links(links)]
    return sorted(found, key=lambda ask: _SEVERITY[ask.tone])


def _keys(account: Account) -> Iterator[Ask]:
    if account.keys is None:
        yield Ask(
            "h-warn", "is-warn", "Your passphrase is not set",
            "No device can join, and nothing can be encrypted, before it is.", "/setup/passphrase", "Set it…",
        )  # fmt: skip


def _devices(devices: Sequence[Device]) -> Iterator[Ask]:
    for device in devices:
        link = f"/devices/{quote(device.device)}"
        if not device.admitted:
            why = "It has joined and gets no work before you admit it with your passphrase."
            yield Ask("h-wait", "is-off", f"{device.name} waits to be admitted", why, f"{link}/admit", "Admit…")
        elif not device.has_root_key:
            why = "It cannot open any data before it is given the account's key."
            yield Ask("h-warn", "is-warn", f"{device.name} has no key", why, f"{link}/admit", "Give it…")
        elif _needs_reader(device.health):
            tone = "is-bad" if device.health.colour == "red" else "is-warn"
            symbol = ("h-bad" if tone == "is-bad" else "h-warn") if device.connected else "h-lost"
            truth = f"{device.name}: {device.health.word.lower()}"
            yield Ask(symbol, tone, truth, _why(device.health.cause, device.health.remedy), link, "See it")


def _apps(installations: Sequence[Installation]) -> Iterator[Ask]:
    for one in installations:
        link = f"/apps/{quote(one.name)}"
        health = one.health
        if _needs_reader(health) and not is_under_way(one):
            tone = "is-bad" if health.colour == "red" else "is-warn"
            symbol = "h-bad" if health.colour == "red" else "h-warn"
            truth = f"{one.name}: {health.word.lower()}"
            yield Ask(symbol, tone, truth, _why(health.cause, health.remedy), link, "See it")
        if one.data_health is not None and _needs_reader(one.data_health):
            truth = f"{one.name}: {one.data_health.word.lower()}"
            tone, symbol = ("is-bad", "h-bad") if one.data_health.colour == "red" else ("is-warn", "h-warn")
            yield Ask(
                symbol, tone, truth, _why(one.data_health.cause, one.data_health.remedy), f"{link}#data", "See it"
            )
        kept = len(one.set_aside)
        if kept:
            truth = f"{one.name} has {number(kept)} set-aside {'snapshot' if kept == 1 else 'snapshots'}"
            why = "What was written elsewhere before another device took over is kept until you decide."
            yield Ask("h-warn", "is-warn", truth, why, f"{link}#data", "See it")


def _links(links: Sequence[Link]) -> Iterator[Ask]:
    for one in links:
        page = f"/apps/{quote(one.app)}/link"
        for at in one.gateways:
            if at.problem:
                yield Ask("h-warn", "is-warn", f"The link of {one.app}", stopped(at.problem), page, "See it")
        for name in one.names:
            if name.state == "amber" and name.ends_ns is not None:
                truth = f"Nothing proves any more that {name.name} is yours"
                why = f"It leads to {one.app} until {day(name.ends_ns)}. Put the record back."
                yield Ask("h-warn", "is-warn", truth, why, page, "See it")


def _needs_reader(health: Health) -> bool:
    """Amber without a remedy passes by itself."""
    return health.colour == "red" or (health.colour == "amber" and bool(health.remedy))


def _why(cause: str, remedy: str) -> str:
    return f"{stopped(cause)} {stopped(remedy)}".strip()
