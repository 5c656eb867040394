"""`mosaic volume list|show`, and where the other commands about volumes are."""

import click

from mosaic.cli.connection import connected
from mosaic.cli.imported_later import ImportedLater
from mosaic.cli.output import Output, json_option
from mosaic.cli.past.named import named
from mosaic.cli.shown import last_saved
from mosaic.cli.units import ago, second, size
from mosaic.wire.api import Volume
from mosaic.wire.storage import ConflictSnapshot, Replica

OTHERS = {
    "snapshots": ("volume_snapshots", "snapshots", "List what can be gone back to."),
    "browse": ("volume_browse", "browse", "Look into a snapshot, and fetch a file of it."),
    "export": ("volume_export", "export", "Write a snapshot, or a part of it, as tar."),
    "restore": ("volume_restore", "restore", "Bring an app's data back to a snapshot."),
    "fork": ("volume_fork", "fork", "Install an app once more, with the data of a snapshot."),
    "rekey": ("volume_rekey", "rekey", "Give an app's data new keys, after a Device was stolen."),
    "pin": ("volume_pin", "pin", "Keep a snapshot until it is unpinned."),
    "unpin": ("volume_pin", "unpin", "Let retention decide about a snapshot again."),
    "verify": ("volume_verify", "verify", "Read and check everything that is stored."),
    "audit": ("volume_audit", "audit", "Compare the disk with what is stored."),
    "drill": ("volume_drill", "drill", "Prove that a snapshot comes back."),
}


class VolumeCommands(ImportedLater):
    """The commands of this file, and those of `OTHERS`."""

    others = OTHERS


@click.group(cls=VolumeCommands)
def volume() -> None:
    """Encrypted volumes and their replicas."""


@volume.command("list")
@json_option
def list_(out: Output) -> None:
    """List the volumes of all installed apps."""
    with connected() as hive:
        volumes = hive.get("/api/volumes", list[Volume])
    rows = [[one.volume[:12], one.name, one.kind, ago(one.newest_instant_ns), _state(one)] for one in volumes]
    out.table(volumes, ["VOLUME", "APP", "KIND", "NEWEST SNAPSHOT", "STATE"], rows, empty="There are no volumes.")


@volume.command()
@click.argument("key")
@json_option
def show(out: Output, key: str) -> None:
    """Show one volume by the beginning of its KEY, or by its app's name."""
    with connected() as hive:
        volumes = hive.get("/api/volumes", list[Volume])
    one = named(volumes, key)
    lines = [
        f"{one.volume}",
        f"  app:              {one.name} ({one.kind})",
        f"  newest head:      {one.newest_head or 'none'}",
        f"  newest snapshot:  {ago(one.newest_instant_ns)}",
        f"  restorable:       {_proved(one)}",
    ]
    for report in one.reports:
        lines.append(f"  here:             {report.state}, {size(report.waiting_bytes)} waiting, {last_saved(report)}")
        if len(report.replicas) > 1:
            lines += [f"    {one.store + ':':<16}{_copy(one)}" for one in report.replicas]
        if report.problem is not None:
            lines += [f"  problem:          {report.problem.message}", f"  hint:             {report.problem.hint}"]
        lines += [f"  conflict:         {_kept(kept)}" for kept in report.conflicts]
    out.result(one, "\n".join(lines))


def _kept(conflict: ConflictSnapshot) -> str:
    why = f", {conflict.why}" if conflict.why else ""
    return f"{conflict.name} of epoch {conflict.epoch}{why}"


def _copy(replica: Replica) -> str:
    where = ", on the same machine" if replica.same_machine else ""
    why = f" ({replica.problem.message})" if replica.problem else ""
    return f"{replica.state}, newest snapshot {ago(replica.instant_ns)}{where}{why}"


def _state(one: Volume) -> str:
    return ", ".join(last_saved(report) for report in one.reports) or "not on any Device now"


def _proved(one: Volume) -> str:
    failed = one.last_drill if one.last_drill is not None and one.last_drill.drill.differing else None
    said = "never tried; `mosaic volume drill NAME` proves it"
    if one.proved is not None:
        drill = one.proved.drill
        said = (
            f"proved {ago(one.proved.at_ns)} for the snapshot of {second(one.proved.instant_ns)}: {drill.files} files"
        )
    if failed is not None:
        said += f". The last drill FAILED {ago(failed.at_ns)}: {failed.drill.differing} paths differ"
    return said
