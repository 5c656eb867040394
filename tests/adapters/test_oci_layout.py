"""Exports: an app in one file, whole and verified on the other side, or refused without a trace."""

import hashlib
import json
import os
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from mosaic.adapters import oci_layout
from mosaic.adapters.bundle_archive import write as write_archive
from mosaic.adapters.bundle_extraction import extract
from mosaic.adapters.oci_layout import ExportUnusable, read, write
from mosaic.core import file_index, package
from mosaic.core.descriptor_json import describe, plain
from mosaic.core.oci_types import EMPTY_CONTENT, OCI_MANIFEST, Descriptor, Digest, digest_of
from mosaic.core.package import About, PackageTooNew, PlainTar
from support.killed_disk import killed_anywhere
from support.raw_tar import file, header, pax

ANNOTATIONS = {"org.opencontainers.image.ref.name": "1.2"}


class Published:
    """An app as files of a content store, an image's blob beside it, and trust metadata."""

    def __init__(self, place: Path) -> None:
        self.blobs, self.trust = place / "store", place / "metadata"
        (place / "app").mkdir(parents=True)
        (place / "app" / "docker-compose.yml").write_bytes(b"services: {}\n")
        self.blobs.mkdir()
        (self.trust / "targets").mkdir(parents=True)
        (self.trust / "1.root.json").write_bytes(b"root")
        (self.trust / "targets" / "stable.json").write_bytes(b"stable")
        written = write_archive(place / "app", place / "bundle", skip=lambda _: False)
        index = file_index.write(written.index)
        self.manifest = package.write(
            About("notes", "1.2"),
            bundle=Descriptor("", Digest(written.digest), written.size),
            tar=PlainTar(written.tar_digest, written.tar_size),
            index=index,
            layer_sizes=None,
            compose=b"services: {}\n",
        )
        self.bundle, self.index = written.digest, written.index
        self.app = describe(self.manifest, OCI_MANIFEST, ANNOTATIONS)
        contents = (self.manifest, index, EMPTY_CONTENT, b"services: {}\n", (place / "bundle").read_bytes(), b"a layer")
        self.digests = [self.keep(content) for content in contents]

    def keep(self, content: bytes) -> str:
        digest = digest_of(content)
        self.path(digest).write_bytes(content)
        return digest

    def path(self, digest: str) -> Path:
        return self.blobs / digest.removeprefix("sha256:")

    def export(self, target: Path) -> Path:
        write(target, manifests=[self.app], blobs=self.digests, path_of=self.path, trust=self.trust)
        return target


@pytest.fixture
def published(tmp_path: Path) -> Published:
    return Published(tmp_path / "published")


def test_an_export_is_read_back_with_all_its_blobs_and_its_trust(published: Published, tmp_path: Path) -> None:
    found = read(published.export(tmp_path / "notes.tar"), tmp_path / "in")
    assert found.app == published.app
    assert found.manifest.about == About("notes", "1.2")
    for digest in published.digests:
        assert found.blob(digest).read_bytes() == published.path(digest).read_bytes()
    extract(found.blob(published.bundle), tmp_path / "notes", published.index)
    names = {path.relative_to(found.trust).as_posix(): path for path in found.trust.rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in names.items()} == {
        "1.root.json": b"root",
        "targets/stable.json": b"stable",
    }


def test_the_same_app_is_the_same_export_and_other_tools_read_it_as_a_layout(
    published: Published, tmp_path: Path
) -> None:
    first = published.export(tmp_path / "one.tar").read_bytes()
    os.utime(published.trust / "1.root.json", (1, 1))
    published.digests.reverse()
    assert published.export(tmp_path / "two.tar").read_bytes() == first
    found = read(tmp_path / "one.tar", tmp_path / "in")
    assert json.loads((found.folder / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    (listed,) = json.loads((found.folder / "index.json").read_bytes())["manifests"]
    assert (listed["digest"], listed["annotations"]) == (published.app.digest, ANNOTATIONS)


def test_an_export_that_is_sent_has_the_bytes_and_the_length_of_one_that_is_written(
    published: Published, tmp_path: Path
) -> None:
    going = oci_layout.gather(
        manifests=[published.app], blobs=published.digests, path_of=published.path, approval=b"signed"
    )
    sent = b"".join(going.pieces())
    assert len(sent) == going.size
    (tmp_path / "sent.tar").write_bytes(sent)
    found = read(tmp_path / "sent.tar", tmp_path / "in")
    assert (found.approval, list(found.trust.iterdir())) == (b"signed", [])
    assert read(published.export(tmp_path / "other.tar"), tmp_path / "other").approval is None


def test_a_damaged_blob_is_not_exported(published: Published, tmp_path: Path) -> None:
    published.path(published.bundle).write_bytes(b"other")
    with pytest.raises(ExportUnusable, match="damaged here"):
        published.export(tmp_path / "notes.tar")
    assert [path.name for path in tmp_path.iterdir()] == ["published"]


def test_trust_that_could_not_be_read_back_is_not_exported(published: Published, tmp_path: Path) -> None:
    (published.trust / "link").symlink_to("/etc/passwd")
    with pytest.raises(ExportUnusable, match="trust/link"):
        published.export(tmp_path / "notes.tar")


def tar(
    *entries: bytes, manifests: object = None, layout: bytes = b'{"imageLayoutVersion":"1.0.0"}'
) -> Callable[[Published], bytes]:
    """A whole export, but for what is changed and added."""

    def make(published: Published) -> bytes:
        listed = [plain(published.app)] if manifests is None else manifests
        index = json.dumps({"schemaVersion": 2, "manifests": listed}).encode()
        return b"".join(
            [blobs(published), file("index.json", index), file("oci-layout", layout), *entries, bytes(1024)]
        )

    return make


def blobs(published: Published, *, but: str = "") -> bytes:
    kept = [published.path(digest).read_bytes() for digest in published.digests if digest != but]
    return b"".join(file("blobs/sha256/" + hashlib.sha256(content).hexdigest(), content) for content in kept)


def lacking(what: int) -> Callable[[Published], bytes]:
    def make(published: Published) -> bytes:
        whole = tar()(published)
        every = blobs(published)
        return blobs(published, but=published.digests[what]) + whole[len(every) :]

    return make


def deep(number: int) -> bytes:
    """A file of the metadata, below two thousand folders that no other has."""
    name = b"trust/%d/" % number + b"d/" * 1900 + b"f"
    return pax(("path", name)) + file("short")


ZEROS = "0" * 64
HOSTILE: dict[str, Callable[[Published], bytes]] = {
    "nothing": lambda _: b"",
    "no tar": lambda _: b"x" * 4096,
    "an empty tar": lambda _: bytes(1024),
    "something behind it": lambda published: tar()(published) + b"evil",
    "cut short": lambda published: tar()(published)[:-1500],
    "without its manifest": lacking(0),
    "without its index": lacking(1),
    "without its config": lacking(2),
    "without its bundle": lacking(4),
    "no manifests": tar(manifests=[]),
    "a manifest that is a path": tar(manifests=[{"digest": "sha256:../../x", "mediaType": OCI_MANIFEST, "size": 1}]),
    "a manifest that is no app": tar(
        manifests=[{"digest": digest_of(b"a layer"), "mediaType": OCI_MANIFEST, "size": 7}]
    ),
    "a manifest of another size": tar(
        manifests=[{"digest": digest_of(EMPTY_CONTENT), "mediaType": OCI_MANIFEST, "size": 99}]
    ),
    "another layout": tar(layout=b'{"imageLayoutVersion":"2.0.0"}'),
    "no layout": lambda published: blobs(published) + bytes(1024),
    "folders without end": tar(*map(deep, range(10))),
    "a blob that is not what its name says": tar(file(f"blobs/sha256/{ZEROS}", b"x")),
    "a blob of another algorithm": tar(file("blobs/sha512/00", b"x")),
    "a blob in capitals": tar(file("blobs/sha256/" + "A" * 64, b"x")),
    "a file beside": tar(file("evil", b"x")),
    "a folder beside": tar(header("evil/", kind=b"5")),
    "a folder among the blobs": tar(header(f"blobs/sha256/{ZEROS}", kind=b"5")),
    "a path out": tar(file("trust/../../evil", b"x")),
    "an absolute path": tar(file("/evil", b"x")),
    "a link": tar(header("trust/link", kind=b"2", link="1.root.json")),
    "a link in place of trust": tar(header("trust", kind=b"2", link="/etc")),
    "a hard link": tar(header("trust/link", kind=b"1", link="/etc/passwd")),
    "a device": tar(header("trust/null", kind=b"3")),
    "an index twice": tar(file("index.json", b"{}")),
    "trust twice": tar(file("trust/a", b"1"), file("trust/a", b"2")),
    "trust that is file and folder": tar(file("trust/a", b"1"), file("trust/a/b", b"2")),
    "trust that is folder and file": tar(file("trust/a/b", b"1"), file("trust/a", b"2")),
    "an index beyond all": lambda _: header("index.json", size=2**30) + bytes(4096),
    "trust beyond all": lambda _: header("trust/a", size=2**30) + bytes(4096),
    "a blob beyond all": lambda _: header(f"blobs/sha256/{ZEROS}", size=2**39) + bytes(4096),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_export_is_refused_and_leaves_nothing(published: Published, tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.tar").write_bytes(HOSTILE[name](published))
    (tmp_path / "box").mkdir()
    with pytest.raises(ExportUnusable):
        read(tmp_path / "notes.tar", tmp_path / "box" / "in")
    assert list((tmp_path / "box").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["box", "notes.tar", "published"]


def test_an_export_made_by_hand_is_read(published: Published, tmp_path: Path) -> None:
    (tmp_path / "notes.tar").write_bytes(tar(header("./", kind=b"5"), file("trust/a/b", b"1"))(published))
    assert (read(tmp_path / "notes.tar", tmp_path / "in").trust / "a" / "b").read_bytes() == b"1"


def test_an_export_of_a_later_version_asks_for_a_later_mosaic(published: Published, tmp_path: Path) -> None:
    later = published.manifest.replace(b"mosaic.app.v1+json", b"mosaic.app.v2+json")
    published.app = describe(later, OCI_MANIFEST)
    published.digests.append(published.keep(later))
    with pytest.raises(PackageTooNew):
        read(published.export(tmp_path / "notes.tar"), tmp_path / "in")
    assert not (tmp_path / "in").exists()


def test_what_is_larger_than_it_may_be_is_refused(published: Published, tmp_path: Path) -> None:
    with pytest.raises(ExportUnusable, match="too large"):
        read(published.export(tmp_path / "notes.tar"), tmp_path / "in", most_bytes=100)


def test_killed_anywhere_an_import_is_there_whole_or_not_at_all(published: Published, tmp_path: Path) -> None:
    published.export(tmp_path / "notes.tar")
    numbers = count()

    def begin() -> Path:
        return tmp_path / "worlds" / str(next(numbers)) / "in"

    for target in killed_anywhere(begin, lambda target: read(tmp_path / "notes.tar", target)):
        if not target.exists():
            oci_layout.read(tmp_path / "notes.tar", target)
        assert list(target.parent.iterdir()) == [target]
        assert {path.name for path in (target / "blobs" / "sha256").iterdir()} == {
            digest.removeprefix("sha256:") for digest in published.digests
        }
    assert next(numbers) > 20
