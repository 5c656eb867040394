"""An app in one file, for machines without a registry: a tar of an OCI layout, with trust metadata beside it.

    blobs/sha256/<hex>   manifests, bundles, and images where they were given
    index.json           which of the blobs are manifests; the app's first
    oci-layout           {"imageLayoutVersion":"1.0.0"}
    trust/…              signed metadata, as it was given; whether it is believed is not decided here
    approval.json        instead of it: the word of an owner on an app of his own (`mosaic.wire.approval.SignedApp`)

The same content gives the same bytes. A file that is read comes from anywhere: names other than these, links, a blob
that is not what its name says and an app that lacks a part are refused, and nothing of it stays.
Source: OCI image-spec 1.1, image-layout.md.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mosaic.adapters.private_file import sync_folder
from mosaic.adapters.tar_stream import PART_BYTES, Member, TarStream
from mosaic.adapters.written_tree import growing, write_file
from mosaic.core import package_reading, strict_json, tar_header
from mosaic.core.descriptor_json import plain, read_descriptor
from mosaic.core.errors import Corrupt
from mosaic.core.file_index import MAX_ENTRIES
from mosaic.core.oci_types import OCI_INDEX, Descriptor
from mosaic.core.package import MAX_MANIFEST_BYTES, AppManifest, PackageUnreadable
from mosaic.core.package_paths import fault_of, folders_above
from mosaic.core.strict_json import NotStrict
from mosaic.core.tar_header import Entry, TarWrong

MAX_BYTES = 64 * 1024**3
_MAX_TRUST_BYTES = 64 * 1024**2
_DEEPEST_TRUST = 16
"""How many folders may be above a file. A few thousand names could ask for millions of them."""

_MAX_INDEX_BYTES = 1024**2
_LAYOUT = strict_json.write({"imageLayoutVersion": "1.0.0"})
_BLOB = re.compile(r"blobs/sha256/([0-9a-f]{64})", re.ASCII)
_FOLDERS = frozenset({"", "blobs", "blobs/sha256", "trust"})
_APPROVAL = "approval.json"
_NEEDED: Mapping[str, int] = {"oci-layout": 1024, "index.json": _MAX_INDEX_BYTES}
_FILES: Mapping[str, int] = {**_NEEDED, _APPROVAL: 4096}


class ExportUnusable(Corrupt):
    """The file is no export of an app that may be read, or one cannot be made. Nothing was left behind."""

    code = "export-unusable"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the exported app cannot be used: {reason}",
            hint="export it again where the app is, and copy the file anew",
        )


@dataclass(frozen=True, slots=True)
class Imported:
    """What an export holds, in its folder. `manifests` are all that its index names; the app's is the first."""

    folder: Path
    app: Descriptor
    manifest: AppManifest
    manifests: tuple[Descriptor, ...]

    def blob(self, digest: str) -> Path:
        """Return where a blob lies. Its content was verified."""
        return self.folder / "blobs" / "sha256" / digest.removeprefix("sha256:")

    @property
    def trust(self) -> Path:
        """Return the folder of signed metadata; empty when none was given."""
        return self.folder / "trust"

    @property
    def approval(self) -> bytes | None:
        """Return the owner's word as it was given; None when there is none."""
        path = self.folder / _APPROVAL
        return path.read_bytes() if path.is_file() else None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An export that is about to be written, or sent: each entry's name, its content (None: a folder), its digest."""

    entries: Sequence[tuple[str, bytes | Path | None, str | None]]

    @property
    def size(self) -> int:
        """How many bytes it has, as long as no file of it changes."""
        sizes = [_size_of(content) for _, content, _ in self.entries if content is not None]
        headers = sum(len(_header(name, content)) for name, content, _ in self.entries)
        return headers + sum(size + len(tar_header.padding(size)) for size in sizes) + len(tar_header.END)

    def pieces(self) -> Iterator[bytes]:
        """Yield its bytes. Raises ExportUnusable: a blob is not what its digest says; the end is then missing."""
        for name, content, digest in self.entries:
            yield from _entry(name, content, digest)
        yield tar_header.END


def gather(
    *,
    manifests: Iterable[Descriptor],
    blobs: Iterable[str],
    path_of: Callable[[str], Path],
    trust: Mapping[str, bytes | Path] | None = None,
    approval: bytes | None = None,
) -> Outgoing:
    """Return an export. `manifests` has the app's first; `blobs` are all digests; `trust` is by path below `trust/`.

    Raises:
        ExportUnusable: a path in `trust` could not be read back.
    """
    index = strict_json.write(
        {"manifests": [plain(one) for one in manifests], "mediaType": OCI_INDEX, "schemaVersion": 2}
    )
    given: dict[str, bytes | Path] = {"oci-layout": _LAYOUT, "index.json": index}
    if approval is not None:
        given[_APPROVAL] = approval
    digests = {f"blobs/sha256/{digest.removeprefix('sha256:')}": digest for digest in blobs}
    given |= {name: path_of(digest) for name, digest in digests.items()}
    if wrong := [name for name in trust or {} if fault_of(f"trust/{name}") is not None]:
        raise ExportUnusable(f"trust/{wrong[0]} cannot be in it")
    given |= {f"trust/{name}": content for name, content in (trust or {}).items()}
    folders = {"trust", *(above for name in given for above in folders_above(name))}
    return Outgoing([(name, given.get(name), digests.get(name)) for name in sorted({*given, *folders})])


def write(
    target: Path,
    *,
    manifests: Iterable[Descriptor],
    blobs: Iterable[str],
    path_of: Callable[[str], Path],
    trust: Path | None = None,
    approval: bytes | None = None,
) -> None:
    """Write an export, which appears whole or not at all. `manifests` has the app's first; `blobs` are all digests.

    Raises:
        ExportUnusable: a blob is not what its digest says, or there is no file in `trust` that could be read back.
    """
    files = dict(_trust_files(trust)) if trust is not None else {}
    going = gather(manifests=manifests, blobs=blobs, path_of=path_of, trust=files, approval=approval)
    draft = target.with_name(f".{target.name}.new")
    draft.unlink(missing_ok=True)
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "wb") as file:
            for piece in going.pieces():
                file.write(piece)
            file.flush()
            os.fsync(descriptor)
        draft.replace(target)
        sync_folder(target.parent)
    finally:
        draft.unlink(missing_ok=True)


def read(file: Path, target: Path, *, most_bytes: int = MAX_BYTES) -> Imported:
    """Extract an export to `target`, which must not exist; it appears whole, verified and durable, or not at all.

    Raises:
        ExportUnusable: not an export, damaged, incomplete, or larger than `most_bytes`.
        TreeNotWritten: no room, or `target` is there already.
    """
    with growing(target) as draft, _unusable():
        for name in sorted(_FOLDERS - {""}):
            (draft / name).mkdir()
        _extract(file, draft, most_bytes)
        found = _checked(draft)
    return Imported(target, found.app, found.manifest, found.manifests)


@contextmanager
def _unusable() -> Iterator[None]:
    try:
        yield
    except (TarWrong, NotStrict) as error:
        raise ExportUnusable(str(error)) from None
    except PackageUnreadable as error:
        raise ExportUnusable(error.message) from None


def _trust_files(trust: Path) -> Iterator[tuple[str, bytes | Path]]:
    for path in trust.rglob("*"):
        name = path.relative_to(trust).as_posix()
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            raise ExportUnusable(f"trust/{name} cannot be in it")
        if path.is_file():
            yield name, path


def _entry(name: str, content: bytes | Path | None, digest: str | None) -> Iterator[bytes]:
    yield _header(name, content)
    if content is None:
        return
    size, hashed, written = _size_of(content), hashlib.sha256(), 0
    for part in _parts(content):
        hashed.update(part)
        written += len(part)
        # What grew meanwhile would end beyond what was said of its size.
        if written <= size:
            yield part
    if written != size or digest not in (None, "sha256:" + hashed.hexdigest()):
        raise ExportUnusable(f"{name} is damaged here, or changed while it was read")
    yield tar_header.padding(size)


def _header(name: str, content: bytes | Path | None) -> bytes:
    if content is None:
        return tar_header.encode(name, Entry.FOLDER)
    return tar_header.encode(name, Entry.FILE, size=_size_of(content))


def _size_of(content: bytes | Path) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def _parts(content: bytes | Path) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as file:
        while part := file.read(PART_BYTES):
            yield part


def _extract(file: Path, draft: Path, most_bytes: int) -> None:
    seen: set[str] = set()
    files: set[str] = set()
    above: set[str] = set()
    total = trusted = 0
    with file.open("rb") as source:
        tar = TarStream(source.read)
        for member in tar.members():
            total += member.size
            trusted += member.size if member.path.startswith("trust/") else 0
            if member.path in seen or len(seen) == MAX_ENTRIES:
                raise TarWrong(f"{member.path!r} is in it twice, or it has too many files")
            if total > most_bytes or trusted > _MAX_TRUST_BYTES:
                raise TarWrong("it is too large")
            seen.add(member.path)
            if member.path.count("/") > _DEEPEST_TRUST:
                raise TarWrong(f"{member.path[:80]!r} lies below more than {_DEEPEST_TRUST} folders")
            parents = folders_above(member.path)
            above.update(parents)
            if member.entry is not Entry.FOLDER:
                files.add(member.path)
            if files.intersection(parents) or (member.path in files and member.path in above):
                raise TarWrong(f"{member.path!r} is a file where a folder is, or lies in one")
            _take(draft, member, tar.content())


def _take(draft: Path, member: Member, content: Iterator[bytes]) -> None:
    """Write one entry that an export may have."""
    path = draft / member.path
    match member.entry:
        case Entry.FOLDER if member.path in _FOLDERS:
            return
        case Entry.FOLDER if member.path.startswith("trust/"):
            path.mkdir(parents=True, exist_ok=True)
            return
        case Entry.FILE if (blob := _BLOB.fullmatch(member.path)) is not None:
            hashed = hashlib.sha256()
            write_file(path, _hashing(content, hashed.update), executable=False)
            if hashed.hexdigest() != blob[1]:
                raise TarWrong(f"the content of {member.path} is not what its name says")
            return
        case Entry.FILE if member.size <= _FILES.get(member.path, -1) or member.path.startswith("trust/"):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_file(path, content, executable=False)
            return
        case _:
            raise TarWrong(f"{member.path!r} is nothing that an export has")


def _hashing(content: Iterator[bytes], update: Callable[[bytes], object]) -> Iterator[bytes]:
    for part in content:
        update(part)
        yield part


def _checked(draft: Path) -> Imported:
    """Return what an extracted export holds, once all that its app needs was found in it."""
    for name in _NEEDED:
        if not (draft / name).is_file():
            raise NotStrict(f"it has no {name}")
    if strict_json.read((draft / "oci-layout").read_bytes(), most_bytes=1024) != {"imageLayoutVersion": "1.0.0"}:
        raise NotStrict("its layout is of a version that is unknown here")
    content = (draft / "index.json").read_bytes()
    index = strict_json.mapping(strict_json.read(content, most_bytes=_MAX_INDEX_BYTES), "its index")
    listed = strict_json.items(index.get("manifests"), "its list of manifests")
    manifests = tuple(read_descriptor(one, f"manifest {number}") for number, one in enumerate(listed))
    if not manifests:
        raise NotStrict("it names no app")
    found = Imported(draft, manifests[0], _manifest(draft, manifests[0]), manifests)
    for needed in (*manifests, *found.manifest.every):
        path = found.blob(needed.digest)
        if not path.is_file() or path.stat().st_size != needed.size:
            raise NotStrict(f"{needed.digest[:19]}… is not in it, or has another size")
    return found


def _manifest(draft: Path, app: Descriptor) -> AppManifest:
    path = draft / "blobs" / "sha256" / app.digest.removeprefix("sha256:")
    if not path.is_file() or path.stat().st_size > MAX_MANIFEST_BYTES:
        raise NotStrict("the manifest of its app is not in it, or too large")
    return package_reading.read(path.read_bytes())
