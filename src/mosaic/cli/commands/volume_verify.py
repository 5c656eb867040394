"""`mosaic volume verify`: read everything that a snapshot reaches, and name what is damaged."""

from collections.abc import Sequence

import click
import msgspec

from mosaic.cli.output import Output, json_option
from mosaic.cli.past.asked import Asked, asked_of
from mosaic.cli.past.index_cache import index_of
from mosaic.cli.past.opening import NoSnapshots, chosen, past_of
from mosaic.cli.past.past import Past, PastSnapshot
from mosaic.cli.progress import drawn
from mosaic.cli.units import second, size
from mosaic.core.errors import Corrupt
from mosaic.storage.engine.heads import root_of
from mosaic.storage.engine.roots import RootRef
from mosaic.storage.engine.verify import VerifiedAll, verify_all


class VolumeDamaged(Corrupt):
    """Some of what snapshots reach can't be read. It was named before."""

    code = "volume-damaged"

    def __init__(self, name: str, snapshots: int) -> None:
        said = "a snapshot" if snapshots == 1 else f"{snapshots} snapshots"
        super().__init__(
            f"{said} of {name} can't be read whole",
            hint="other files are good, and so may be older snapshots: `mosaic volume verify NAME --all`. "
            "While its app runs, damage is mended from the live data by itself",
        )


class Checked(msgspec.Struct, frozen=True):
    """One snapshot, and the paths in it that are damaged."""

    head: str
    seq: int
    instant_ns: int
    damaged: list[str]


class Verified(msgspec.Struct, frozen=True):
    """What was read: `files` of all snapshots together, and `read_bytes` from the store."""

    files: int
    read_bytes: int
    snapshots: list[Checked]


@click.command()
@asked_of
@click.option("--all", "every", is_flag=True, help="Every snapshot; what they share is read once.")
@json_option
def verify(out: Output, asked: Asked, every: bool) -> None:
    """Read and check every stored byte of a snapshot of the volume NAME; exit 1 when something is damaged."""
    if every and asked.at is not None:
        raise click.UsageError("--all is every snapshot, and --at one of them: give one of the two")
    with past_of(asked) as past:
        wanted = list(past.snapshots()) if every else [chosen(past, asked.at)]
        if not wanted:
            raise NoSnapshots(past.name)
        keys = past.keys()
        # Snapshots of which nothing differs are one state.
        roots = list(dict.fromkeys(root_of(one.head) for one in wanted))
        # A lease on the newest one keeps what the others need too: what is condemned from now on waits for its end.
        with past.reading(wanted[0].hash), index_of(past, keys) as known, drawn("Verifying") as show:
            found = verify_all(roots, keys, past.store, known=known, on_progress=show)
    checked = _checked(wanted, roots, found)
    hit = sum(1 for one in checked if one.damaged)
    out.result(Verified(found.files, found.read_bytes, checked), _told(past, checked, found))
    if hit and out.as_json:
        raise click.exceptions.Exit(1)
    if hit:
        raise VolumeDamaged(past.name, hit)


def _checked(wanted: Sequence[PastSnapshot], roots: Sequence[RootRef], found: VerifiedAll) -> list[Checked]:
    damaged = dict(zip(roots, found.damaged, strict=True))
    return [Checked(one.hash, one.head.seq, one.head.instant_ns, list(damaged[root_of(one.head)])) for one in wanted]


def _told(past: Past, checked: list[Checked], found: VerifiedAll) -> str:
    lines = []
    for one in checked:
        state = f"{len(one.damaged)} paths damaged" if one.damaged else "whole"
        lines.append(f"{past.name}, snapshot {one.seq} of {second(one.instant_ns)}: {state}")
        lines += [f"  {path}" for path in one.damaged]
    lines.append(f"{size(found.read_bytes)} were read and checked, {found.files} files in all.")
    return "\n".join(lines)
