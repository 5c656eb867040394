"""`mosaic volume pin|unpin`: keep a snapshot, whatever retention keeps."""

import click
import msgspec

from mosaic.cli.output import Output, json_option
from mosaic.cli.past.asked import Asked
from mosaic.cli.past.at_hive import at_hive
from mosaic.cli.past.opening import chosen
from mosaic.cli.past.past import PastSnapshot
from mosaic.cli.units import second

_AT = "The snapshot: a number, a hash, `2026-11-20 14:00`, `2 hours ago`."


class Pinned(msgspec.Struct, frozen=True):
    """What a snapshot is pinned as now; None when it is not."""

    head: str
    seq: int
    instant_ns: int
    pin: str | None


@click.command()
@click.argument("name")
@click.option("--at", metavar="WHEN", help=f"{_AT} The newest without it.")
@click.option("--as", "label", metavar="WORDS", default="kept", show_default=True, help="What to call it.")
@json_option
def pin(out: Output, name: str, at: str | None, label: str) -> None:
    """Keep a snapshot of the volume NAME until it is unpinned."""
    found = _set(name, at, label)
    out.result(_shown(found, label), f"{_named(found)} stays until `mosaic volume unpin {name} --at {found.seq}`.")


@click.command()
@click.argument("name")
@click.option("--at", metavar="WHEN", required=True, help=_AT)
@json_option
def unpin(out: Output, name: str, at: str) -> None:
    """Let retention decide about a snapshot of the volume NAME again."""
    found = _set(name, at, None)
    out.result(_shown(found, None), f"{_named(found)} is kept as long as retention keeps it.")


def _set(name: str, at: str | None, label: str | None) -> PastSnapshot:
    asked = Asked(name, at, None, None, None, None)
    with at_hive(asked) as past:
        found = chosen(past, at)
        past.pin(found.hash, label)
    return found


def _shown(found: PastSnapshot, label: str | None) -> Pinned:
    return Pinned(found.hash, found.seq, found.head.instant_ns, label)


def _named(found: PastSnapshot) -> str:
    return f"Snapshot {found.seq} of {second(found.head.instant_ns)} ({found.short})"
