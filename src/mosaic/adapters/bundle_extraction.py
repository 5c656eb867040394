"""Extracting a bundle archive against its file index, believing nothing that the archive says.

The index says what may come: every entry must be in it, once, as it is there, and each file's content is
hashed while it is written. So no more is ever written than the index has, and a small archive that
unpacks without end is refused at its first wrong header. Links are made last, so
that nothing is written through one. An archive is a tar, mostly one in gzip: what a catalog that is a folder
hands out (`mosaic.adapters.bundle`) is not compressed.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from mosaic.adapters.bundle import BundleUnusable, stays_inside
from mosaic.adapters.gzip_stream import GzipReader
from mosaic.adapters.tar_stream import Member, TarStream
from mosaic.adapters.written_tree import growing, write_file
from mosaic.core import file_index
from mosaic.core.file_index import MAX_ENTRIES, MAX_UNPACKED_BYTES, FileIndex, IndexedFile
from mosaic.core.strict_json import NotStrict
from mosaic.core.tar_header import Entry, TarWrong

_MAGIC = slice(257, 262)
"""Where a tar's first header says that it is one."""

_GZIP = b"\x1f\x8b"


def extract(archive: Path, target: Path, index: FileIndex) -> None:
    """Extract an archive to `target`, which must not exist; it appears whole, verified and durable, or not at all.

    Raises:
        BundleUnusable: the archive is not what its index says; the sentence names the entry.
        TreeNotWritten: no room, or `target` is there already.
    """
    with growing(target) as draft:
        for folder in sorted(index.folders):
            (draft / folder).mkdir()
            (draft / folder).chmod(0o755)
        draft.chmod(0o755)
        with _unusable(), archive.open("rb") as file:
            _fill(file, draft, index)
        for path, link in index.links.items():
            (draft / path).symlink_to(link)
        # The disk's own answer, should ours have missed something: it may fold names that we hold to be two.
        if (out := next((path for path in index.links if not stays_inside(draft / path, draft)), None)) is not None:
            raise BundleUnusable(f"{out} is a link that leads out of the package")


def survey(archive: Path) -> FileIndex:
    """Return the index that an archive without one would have. Nothing is written; every rule of an index holds for it.

    Raises:
        BundleUnusable: not a bundle, too large, or something in it that no package may have.
    """
    with archive.open("rb") as file:
        return survey_open(file)


def survey_open(archive: BinaryIO) -> FileIndex:
    """Return the same for an archive that is open, or in memory."""
    with _unusable():
        return _surveyed(archive)


def read_file(archive: Path, path: str, *, most_bytes: int) -> bytes:
    """Return one small file of an archive; nothing after it is looked at.

    Raises:
        BundleUnusable: not a bundle, or without that file, or it is larger.
    """
    with _unusable(), archive.open("rb") as file:
        for member, content in _each(file):
            if member.path == path and member.entry is Entry.FILE:
                if member.size > most_bytes:
                    raise BundleUnusable(f"{path} has {member.size} bytes, and {most_bytes} is the most")
                return b"".join(content())
    raise BundleUnusable(f"it has no file {path}")


@contextmanager
def _unusable() -> Iterator[None]:
    try:
        yield
    except (TarWrong, NotStrict) as error:
        raise BundleUnusable(str(error)) from None


def _surveyed(archive: BinaryIO) -> FileIndex:
    files: dict[str, IndexedFile] = {}
    links: dict[str, str] = {}
    folders: set[str] = set()
    unpacked = 0
    for member, content in _each(archive):
        unpacked += member.size
        if unpacked > MAX_UNPACKED_BYTES:
            raise BundleUnusable(f"its files have more than {MAX_UNPACKED_BYTES // 2**20} MiB together")
        match member.entry:
            case Entry.FOLDER:
                folders.add(member.path)
            case Entry.LINK:
                links[member.path] = member.link
            case Entry.FILE:
                digest = hashlib.sha256()
                for part in content():
                    digest.update(part)
                files[member.path] = IndexedFile(digest.hexdigest(), member.size, member.executable)
    return file_index.of(files, links, folders)


def _each(archive: BinaryIO) -> Iterator[tuple[Member, Callable[[], Iterator[bytes]]]]:
    seen: set[str] = set()
    tar = TarStream(_reader(archive))
    for member in tar.members():
        if member.path in seen:
            raise BundleUnusable(f"{member.path!r} is in it twice")
        if len(seen) == MAX_ENTRIES:
            raise BundleUnusable(f"it has more than {MAX_ENTRIES} files and folders")
        seen.add(member.path)
        if member.path:
            yield member, tar.content


def _reader(archive: BinaryIO) -> Callable[[int], bytes]:
    """Return what reads the tar. What begins like none is read as gzip, which says what is wrong with it."""
    head = archive.read(_MAGIC.stop)
    archive.seek(0)
    is_tar = head[_MAGIC] == b"ustar" and not head.startswith(_GZIP)
    return archive.read if is_tar else GzipReader(archive).read


def _fill(archive: BinaryIO, draft: Path, index: FileIndex) -> None:
    missing = {*index.files, *index.links}
    for member, content in _each(archive):
        _require_indexed(member, index)
        missing.discard(member.path)
        if member.entry is Entry.FILE:
            _write_verified(draft / member.path, member, index.files[member.path], content())
    if missing:
        raise BundleUnusable(f"{min(missing)!r} is in its index and not in it")


def _require_indexed(member: Member, index: FileIndex) -> None:
    match member.entry:
        case Entry.FOLDER:
            right = member.path in index.folders
        case Entry.LINK:
            right = index.links.get(member.path) == member.link
        case Entry.FILE:
            expected = index.files.get(member.path)
            right = expected is not None and (expected.size, expected.executable) == (member.size, member.executable)
    if not right:
        raise BundleUnusable(f"{member.path!r} is not in its index, or not as it is in the bundle")


def _write_verified(path: Path, member: Member, expected: IndexedFile, content: Iterator[bytes]) -> None:
    digest = hashlib.sha256()

    def hashed() -> Iterator[bytes]:
        for part in content:
            digest.update(part)
            yield part

    write_file(path, hashed(), executable=expected.executable)
    if digest.hexdigest() != expected.sha256:
        raise BundleUnusable(f"the content of {member.path!r} is not what its index says")
