"""`mosaic volume drill`: prove that a snapshot comes back, by bringing it back to a folder that is thrown away."""

import os
import tempfile
from pathlib import Path

import click
import msgspec

from mosaic.cli.output import Output, json_option
from mosaic.cli.past.asked import Asked, asked_of
from mosaic.cli.past.opening import OpenSnapshot, opened
from mosaic.cli.past.past import Past
from mosaic.cli.progress import drawing
from mosaic.cli.units import second, size
from mosaic.core.errors import Corrupt, MosaicError
from mosaic.core.snapshot_choice import SHORT_HASH
from mosaic.storage.engine.drill import Tried
from mosaic.storage.engine.drill import drill as try_out
from mosaic.storage.engine.restore import RestoreIncomplete
from mosaic.wire.api import Drill

_LASTING = Path("/var/tmp")  # noqa: S108 (the folder within is made for this process alone)
"""Unlike /tmp, which may be memory."""


class DrillFailed(Corrupt):
    """What came back is not what was stored. The paths were named before."""

    code = "drill-failed"

    def __init__(self, name: str, count: int) -> None:
        super().__init__(
            f"{name} did not come back as it was stored: {count} paths differ",
            hint="run it again with another `--scratch` to rule out that disk, then `mosaic volume verify NAME`",
        )


class Difference(msgspec.Struct, frozen=True):
    """A path that did not come back as it was stored."""

    path: str
    reason: str


class Result(msgspec.Struct, frozen=True):
    """What was proved. `owners_compared` needs root; `unheld` are paths whose attributes this disk can't hold."""

    head: str
    seq: int
    instant_ns: int
    proved: bool
    files: int
    directories: int
    content_bytes: int
    compared_bytes: int
    fetched_bytes: int
    restore_seconds: float
    compare_seconds: float
    owners_compared: bool
    unheld: list[str]
    difference_count: int
    differing: list[Difference]
    told: bool


@click.command()
@asked_of
@click.option(
    "--scratch",
    type=click.Path(path_type=Path, exists=True, file_okay=False, writable=True),
    help="Where the copy is made, and removed again; /var/tmp unless TMPDIR says another.",
)
@json_option
def drill(out: Output, asked: Asked, scratch: Path | None) -> None:
    """Restore a snapshot of the volume NAME to a scratch folder, compare every byte, and remove it.

    As root it proves owners too. Nothing of the app is touched.
    """
    with opened(asked) as found:
        tried = _tried(found, scratch or _default())
        told = _tell(found.past, _drill(found, tried))
    shown = _result(found, tried, told=told)
    out.result(shown, _said(found.past, shown))
    if not shown.proved and out.as_json:
        raise click.exceptions.Exit(1)
    if not shown.proved:
        raise DrillFailed(found.past.name, shown.difference_count)


def _default() -> Path:
    return _LASTING if "TMPDIR" not in os.environ and _LASTING.is_dir() else Path(tempfile.gettempdir())


def _tried(found: OpenSnapshot, scratch: Path) -> Tried:
    with drawing() as draw:
        try:
            return try_out(
                found.root,
                found.keys,
                found.past.store,
                scratch,
                known=found.known,
                on_restore=draw("Restoring to scratch"),
                on_compare=draw("Comparing"),
            )
        except RestoreIncomplete as incomplete:
            # That it did not come back counts as much as that another one did.
            _tell(found.past, Drill(found.snapshot.hash, 0, 0, 0.0, len(incomplete.paths)))
            raise


def _drill(found: OpenSnapshot, tried: Tried) -> Drill:
    return Drill(
        head=found.snapshot.hash,
        files=tried.proof.files,
        content_bytes=tried.restoration.content_bytes,
        seconds=tried.restore_seconds + tried.compare_seconds,
        differing=tried.proof.difference_count,
    )


def _tell(past: Past, drill: Drill) -> bool:
    try:
        return past.tell(drill)
    except MosaicError as error:
        # What was proved is proved, whether the Hive heard of it or not.
        click.echo(f"The Hive was not told: {error.message}.", err=True)
        return False


def _result(found: OpenSnapshot, tried: Tried, *, told: bool) -> Result:
    restoration, proof, head = tried.restoration, tried.proof, found.snapshot.head
    return Result(
        head=found.snapshot.hash,
        seq=head.seq,
        instant_ns=head.instant_ns,
        proved=proof.difference_count == 0,
        files=proof.files,
        directories=proof.directories,
        content_bytes=restoration.content_bytes,
        compared_bytes=proof.content_bytes,
        fetched_bytes=restoration.fetched_bytes,
        restore_seconds=tried.restore_seconds,
        compare_seconds=tried.compare_seconds,
        owners_compared=os.geteuid() == 0,
        unheld=sorted({one.path for one in restoration.lost}),
        difference_count=proof.difference_count,
        differing=[Difference(one.path, one.reason) for one in proof.differing],
        told=told,
    )


def _said(past: Past, shown: Result) -> str:
    what = f"{past.name}, snapshot {shown.seq} of {second(shown.instant_ns)} ({shown.head[:SHORT_HASH]})"
    much = f"{shown.files} files in {shown.directories} directories, {size(shown.content_bytes)}"
    times = f"restored in {shown.restore_seconds:.1f} s, read back and compared in {shown.compare_seconds:.1f} s"
    lines = [f"{'Proved restorable' if shown.proved else 'NOT as stored'}: {what}", f"  {much}; {times}."]
    lines += [f"  {one.path}: {one.reason}" for one in shown.differing]
    if not shown.owners_compared:
        lines.append("  Owners were not compared: only root can restore them.")
    if shown.unheld:
        lines.append(f"  Attributes of {len(shown.unheld)} paths were not compared: that disk can't hold them.")
    lines.append(f"  The copy is removed.{' The Hive was told.' if shown.told else ''}")
    return "\n".join(lines)
