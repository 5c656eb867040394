"""`mosaic volume export`: a snapshot, or a part of it, as a tar archive."""

import os
import secrets
import sys
from pathlib import Path

import click
import msgspec

from mosaic.adapters.private_file import sync_folder
from mosaic.cli.output import Output, json_option
from mosaic.cli.past.asked import Asked, asked_of
from mosaic.cli.past.fetched import FileInTheWay, place
from mosaic.cli.past.opening import OpenSnapshot, opened
from mosaic.cli.past.paths import components
from mosaic.cli.progress import drawn
from mosaic.cli.units import size
from mosaic.core.errors import Refused
from mosaic.storage.engine.export import Exported, ExportIncomplete, Write
from mosaic.storage.engine.export import export as write_tar


class ArchiveToTerminal(Refused):
    """An archive would be written to a terminal."""

    code = "archive-to-terminal"

    def __init__(self) -> None:
        super().__init__("a tar archive is not for a terminal", hint="name a file: `-o FILE.tar`, or pipe it into tar")


class Archive(msgspec.Struct, frozen=True):
    """What was written. `path` is None for stdout."""

    path: str | None
    files: int
    directories: int
    written_bytes: int


@click.command()
@asked_of
@click.argument("path", default="")
@click.option("-o", "--output", required=True, help="The archive, a new file; - is stdout.")
@json_option
def export(out: Output, asked: Asked, path: str, output: str) -> None:
    """Write a snapshot of the volume NAME, or the folder or file PATH in it, as a tar archive.

    `tar -x -p --xattrs --xattrs-include='*' --numeric-owner -f FILE.tar`, run
    as root, gives everything back as it was.
    """
    if output == "-" and out.as_json:
        raise click.UsageError("with --json, -o needs a file: the archive and the answer cannot share stdout")
    if output == "-" and sys.stdout.isatty():
        raise ArchiveToTerminal
    if output != "-" and os.path.lexists(output):
        raise FileInTheWay(Path(output))
    with opened(asked) as found:
        if output == "-":
            _written(found, path, sys.stdout.buffer.write)
            sys.stdout.buffer.flush()
            return
        done = _to_file(found, path, Path(output))
    told = f"{done.files} files in {done.directories} directories, {size(done.written_bytes)}, are in {output}."
    out.result(Archive(output, done.files, done.directories, done.written_bytes), told)


def _written(found: OpenSnapshot, path: str, write: Write) -> Exported:
    with drawn("Exporting") as show:
        return write_tar(
            found.root,
            found.keys,
            found.past.store,
            write,
            known=found.known,
            below=components(path),
            on_progress=show,
        )


def _to_file(found: OpenSnapshot, path: str, target: Path) -> Exported:
    """Write the file whole. One that met damage is kept beside, for what is good in it, and is no archive to tar."""
    draft = target.with_name(f".mosaic-{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            try:
                done = _written(found, path, file.write)
            except ExportIncomplete:
                file.flush()
                draft.replace(target.with_name(f"{target.name}.incomplete"))
                sync_folder(target.parent)
                raise
            file.flush()
            os.fsync(descriptor)
        place(draft, target)
        return done
    finally:
        draft.unlink(missing_ok=True)
