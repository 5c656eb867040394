"""`mosaic volume audit`: compare what is on this machine's disk with what was stored of it."""

import time
from pathlib import Path

import click

from mosaic.adapters.storage_client import StorageClient
from mosaic.cli.output import Output, json_option
from mosaic.cli.progress import drawn
from mosaic.cli.units import second, size
from mosaic.cli.up.layout import Layout, state_folder
from mosaic.core.errors import Corrupt, NotFound, Unavailable
from mosaic.core.ids import VolumeId
from mosaic.storage.engine.roots import Progress
from mosaic.wire.storage import Audited, AuditRequest, AuditState, Failure, StateRequest

_PAUSE_SECONDS = 0.3
_SILENCE_SECONDS = 600.0
"""An audit that has not begun, or reads nothing, for so long is watched no more; it goes on by itself."""

_KEY_CHARACTERS = 4


class AuditFailed(Corrupt):
    """Paths are not stored as they are on the disk. They were named before."""

    code = "audit-failed"

    def __init__(self, name: str, count: int) -> None:
        super().__init__(
            f"{count} paths of {name} were not stored as they are on the disk",
            hint="nothing has to be done: everything is read again into a new snapshot, and that is audited. "
            f"`mosaic volume snapshots {name}` marks the snapshots that may lack changes",
        )


class AuditUnended(Unavailable):
    """The audit came to no end."""

    code = "audit-unended"

    def __init__(self, name: str, problem: Failure | None, *, waits: bool) -> None:
        why = "it waits for the audit of another volume, or for a snapshot" if waits else "it ended early"
        why = problem.message if problem else why
        super().__init__(
            f"the audit of {name} came to no end: {why}",
            hint=problem.hint if problem else "it goes on by itself; ask again later, or now",
        )


class VolumeNotHeldHere(NotFound):
    """This machine's storage daemon knows no such volume."""

    code = "volume-not-held-here"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} is no volume of this machine",
            hint="run it on the Device that has the app, and name the storage daemon's folder with `--state` if it is "
            "another one; `mosaic volume list` shows where volumes are",
        )


@click.command()
@click.argument("name")
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the storage daemon keeps everything. [/var/lib/mosaic/storage]",
)
@json_option
def audit(out: Output, name: str, state: Path | None) -> None:
    """Read all of the volume NAME on this machine's disk, and compare it with what is stored; exit 1 if it differs.

    NAME is an app's name, a Docker volume's, or the beginning of a key. It is
    done every night by itself. Ctrl-C stops watching, not the audit.
    """
    client = StorageClient((state or Layout(state_folder(None)).storage).absolute() / "storage.sock")
    volume = _found(client, name)
    ended = _watched(client, client.audit(AuditRequest(volume, begin=True)))
    found = ended.answer
    if found is None:
        raise AuditUnended(name, ended.problem, waits=ended.asked)
    out.result(found, _said(name, found))
    if found.difference_count and out.as_json:
        raise click.exceptions.Exit(1)
    if found.difference_count:
        raise AuditFailed(name, found.difference_count)


def _found(client: StorageClient, name: str) -> VolumeId:
    """Return the volume that is meant. The Hive is asked for an app's name only."""
    hiveless = [one for one in client.hiveless().volumes if one.removed_ns is None]
    keys = [one.volume for one in client.state(StateRequest()).volumes] + [one.public_key for one in hiveless]
    found = [one.public_key for one in hiveless if one.name == name]
    if not found and len(name) >= _KEY_CHARACTERS:
        found = [key for key in keys if key.startswith(name)]
    if not found:
        from mosaic.cli.connection import connected
        from mosaic.cli.past.named import named
        from mosaic.wire.api import Volume

        with connected() as hive:
            found = [key for key in [named(hive.get("/api/volumes", list[Volume]), name).volume] if key in keys]
    if len(found) != 1:
        raise VolumeNotHeldHere(name)
    return VolumeId(found[0])


def _watched(client: StorageClient, now: AuditState) -> AuditState:
    mark, moved_at = (now.under_way, now.read_bytes), time.monotonic()
    with drawn("Auditing") as show:
        while now.asked and time.monotonic() - moved_at < _SILENCE_SECONDS:
            time.sleep(_PAUSE_SECONDS)
            now = client.audit(AuditRequest(now.volume))
            if (now.under_way, now.read_bytes) != mark:
                mark, moved_at = (now.under_way, now.read_bytes), time.monotonic()
            if now.under_way:
                show(Progress(0, now.read_bytes or 0, now.total_bytes))
    return now


def _said(name: str, found: Audited) -> str:
    what = f"{name}, snapshot {found.seq} of {second(found.instant_ns)}"
    much = f"{found.files} files, {size(found.read_bytes)} read from the disk"
    if not found.difference_count:
        return f"Stored as on the disk: {what}.\n  {much}."
    lines = [f"NOT stored as on the disk: {what}", f"  {much}; {found.difference_count} paths differ:"]
    lines += [f"  {one.path}: {one.reason}" for one in found.differing]
    if found.difference_count > len(found.differing):
        lines.append(f"  and {found.difference_count - len(found.differing)} more")
    return "\n".join(lines)
