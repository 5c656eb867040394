"""`mosaic volume browse`: look into a snapshot, and fetch a file of it."""

import stat
import sys
from pathlib import Path

import click
import msgspec

from mosaic.cli.output import Output, json_option
from mosaic.cli.past.asked import Asked, asked_of
from mosaic.cli.past.fetched import Fetched, fetch
from mosaic.cli.past.opening import OpenSnapshot, opened
from mosaic.cli.past.paths import components, exact, told
from mosaic.cli.units import second, size
from mosaic.core.errors import Refused
from mosaic.storage.engine.beneath import Components
from mosaic.storage.engine.browse import Browser, Entry
from mosaic.storage.engine.browse import browse as looking_into
from mosaic.storage.engine.records import NodeType

_KINDS = {
    NodeType.FILE: ("file", stat.S_IFREG),
    NodeType.DIRECTORY: ("directory", stat.S_IFDIR),
    NodeType.SYMLINK: ("symlink", stat.S_IFLNK),
    NodeType.FIFO: ("fifo", stat.S_IFIFO),
}


class FolderNotFetched(Refused):
    """A folder was to be fetched as if it were a file."""

    code = "folder-not-fetched"

    def __init__(self, path: Components) -> None:
        super().__init__(
            f"{told(b'/'.join(path)) or 'the volume itself'} is a folder, and --get fetches one file",
            hint="`mosaic volume export NAME PATH -o FILE.tar` fetches a folder with everything in it",
        )


class Shown(msgspec.Struct, frozen=True):
    """One name. `name_hex` has its bytes when `name` does not say them; `target` is a symbolic link's."""

    name: str
    name_hex: str | None
    type: str
    mode: str
    uid: int
    gid: int
    size: int
    mtime_ns: int
    links: int
    target: str | None


@click.command()
@asked_of
@click.argument("path", default="")
@click.option("--get", is_flag=True, help="Fetch the file at PATH: to stdout, or to the file that -o names.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="With --get: a new file, or a folder to put it.")
@json_option
def browse(out: Output, asked: Asked, path: str, get: bool, output: Path | None) -> None:
    """List what is in the folder PATH of the volume NAME, or describe the file there.

    Nothing is restored, and only what is looked at is read. Links are shown
    and not followed.
    """
    if output is not None and not get:
        raise click.UsageError("-o is for --get")
    if get and out.as_json and output is None:
        raise click.UsageError("with --json, --get needs -o: the file's bytes and the answer cannot share stdout")
    with opened(asked) as found, looking_into(found.root, found.keys, found.past.store, known=found.known) as browser:
        where = components(path)
        entry = browser.stat(where)
        if get:
            _get(out, browser, where, entry, output)
        elif entry.type is NodeType.DIRECTORY:
            _list(out, browser, where, found)
        else:
            out.result(_shown(entry), _in_full(entry, found))


def _get(out: Output, browser: Browser, where: Components, entry: Entry, output: Path | None) -> None:
    if entry.type is NodeType.DIRECTORY:
        raise FolderNotFetched(where)
    blocks = browser.read(where)
    if output is None:
        for block in blocks:
            sys.stdout.buffer.write(block)
        sys.stdout.buffer.flush()
        return
    got: Fetched = fetch(entry, blocks, output)
    out.result(got, f"{size(got.size)} in {got.path}, as it was at {second(entry.mtime_ns)}.")


def _list(out: Output, browser: Browser, where: Components, found: OpenSnapshot) -> None:
    entries = browser.list(where)
    if out.as_json:
        out.result([_shown(entry) for entry in entries], "")
        return
    out.remark(f"{found.past.name}, snapshot {found.snapshot.head.seq} of {second(found.snapshot.head.instant_ns)}")
    # Line by line: a folder may have more names than fit in memory.
    for entry in entries:
        click.echo(_line(entry))


def _line(entry: Entry) -> str:
    _, kind = _KINDS[entry.type]
    facts = f"{stat.filemode(kind | entry.mode)} {entry.links:>3} {entry.uid:>6} {entry.gid:>6} {entry.size:>13}"
    link = "" if entry.target is None else f" -> {told(entry.target)}"
    return f"{facts}  {second(entry.mtime_ns)}  {told(entry.name)}{link}"


def _in_full(entry: Entry, found: OpenSnapshot) -> str:
    word, kind = _KINDS[entry.type]
    facts = [
        ("type", word if entry.target is None else f"{word} to {told(entry.target)}"),
        ("size", f"{entry.size} bytes"),
        ("mode", stat.filemode(kind | entry.mode)),
        ("owner", f"{entry.uid}:{entry.gid}, as the container sees it"),
        ("changed", second(entry.mtime_ns)),
        ("names", str(entry.links)),
        ("snapshot", f"{found.snapshot.head.seq} of {second(found.snapshot.head.instant_ns)} ({found.snapshot.short})"),
    ]
    return "\n".join([told(entry.name), *(f"  {name + ':':<10}{value}" for name, value in facts)])


def _shown(entry: Entry) -> Shown:
    word, _ = _KINDS[entry.type]
    return Shown(
        name=told(entry.name),
        name_hex=exact(entry.name),
        type=word,
        mode=f"{entry.mode:04o}",
        uid=entry.uid,
        gid=entry.gid,
        size=entry.size,
        mtime_ns=entry.mtime_ns,
        links=entry.links,
        target=None if entry.target is None else told(entry.target),
    )
