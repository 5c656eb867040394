"""An installation in words, for `show`, and for what long commands print at their end."""

from mosaic.cli.lan_view import on_network
from mosaic.cli.output import printable
from mosaic.cli.units import ago, day
from mosaic.cli.verdict import address, holder_report
from mosaic.wire.api import Installation
from mosaic.wire.report import VolumeReport


def describe(installation: Installation) -> str:
    """Return how it runs and where it is reached, in a few lines."""
    report = holder_report(installation)
    lines = [f"{installation.name}: {installation.health.word}. {installation.health.cause}"]
    if report is not None and installation.wanted == "run":
        lines += [f"  {one}" for one in address(report)]
    if installation.health.remedy:
        lines.append(f"  {installation.health.remedy}")
    return "\n".join(lines)


def in_full(installation: Installation, device_name: str) -> str:
    """Return everything that `mosaic show` tells a person."""
    report = holder_report(installation)
    facts = [
        ("app", f"{installation.app} {installation.app_digest[:19]}"),
        *([("version", printable(installation.label))] if installation.label else []),
        *_update(installation),
        ("device", device_name),
        *[("network", one) for one in on_network(installation, device_name)],
        ("wanted", installation.wanted),
        ("phase", installation.phase),
        ("epoch", installation.epoch),
        ("installed", day(installation.created_ns)),
    ]
    lines = [describe(installation), "", *(f"  {name + ':':<11}{value}" for name, value in facts)]
    if installation.problem:
        lines.append(f"  {'problem:':<11}{installation.problem}")
    if report is not None:
        lines += ["", "  services:"]
        lines += [f"    {one.service:<16}{one.health or one.state}" for one in report.services]
        lines += [f"  problem:   {report.problem.message}"] if report.problem else []
    if installation.volumes:
        lines += ["", "  volumes:", *(f"    {_volume(volume)}" for volume in installation.volumes)]
    return "\n".join(lines)


def version_of(label: str, digest: str) -> str:
    """Return how a version is called."""
    return printable(label) or f"version {digest.removeprefix('sha256:')[:12]}"


def _update(installation: Installation) -> list[tuple[str, str]]:
    """Return what can be had, and how the newest update goes or went."""
    facts = []
    if installation.newest is not None:
        facts.append(("newer", f"{printable(installation.newest)}: mosaic update {installation.name}"))
    if installation.follows:
        facts.append(("follows", "newer versions are taken by themselves"))
    wish = installation.updating
    if wish is None:
        return facts
    to = version_of(wish.label, wish.app_digest)
    if wish.ended_ns is None:
        stage = wish.state.stage if wish.state is not None else "waits for its device"
        return [*facts, ("update", f"to {to}: {stage}")]
    if wish.outcome == "done":
        return [*facts, ("update", f"to {to}, {ago(wish.ended_ns)}")]
    why = wish.failure.message if wish.failure is not None else "nobody said why"
    kept = f"; what it wrote is kept as {wish.kept}" if wish.kept else ""
    return [*facts, ("update", f"to {to} failed {ago(wish.ended_ns)}: {why.rstrip('.')}{kept}")]


def last_saved(volume: VolumeReport) -> str:
    """Return when the volume was last replicated, and what is wrong with that."""
    elsewhere = [replica for replica in volume.replicas if not replica.same_machine]
    instants = [replica.instant_ns for replica in elsewhere or volume.replicas if replica.instant_ns is not None]
    newest = max(instants, default=None)
    if newest is None:
        return "nothing is saved yet"
    # G2: a copy on the holder's own machine is never called a replica.
    return f"replicated {ago(newest)}" if elsewhere else f"saved on this machine only, {ago(newest)}"


def _volume(volume: VolumeReport) -> str:
    return f"{volume.volume[:12]}  {volume.kind:<6}{volume.state:<12}{last_saved(volume)}"
