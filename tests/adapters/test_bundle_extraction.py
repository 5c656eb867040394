"""Extraction believes nothing: whatever is wrong with an archive, nothing of it is left, inside or outside."""

import gzip
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.adapters import bundle_extraction
from mosaic.adapters.bundle import BundleUnusable, pack
from mosaic.adapters.bundle_archive import write
from mosaic.adapters.bundle_extraction import extract, read_file, survey
from mosaic.adapters.written_tree import TreeNotWritten
from mosaic.core import file_index
from mosaic.core.file_index import FileIndex, IndexedFile
from support.raw_tar import file, header, long_name, packed, packed_zeros, pax

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
GOOD = file("a", b"1")
PAD = bytes(1024)

HOSTILE = {
    "an absolute path": packed(file("/etc/evil")),
    "dots": packed(file("a/../../evil")),
    "dots that stay inside": packed(header("a", kind=b"5"), file("a/../b")),
    "a link out": packed(header("link", kind=b"2", link="../..")),
    "an absolute link": packed(header("link", kind=b"2", link="/etc")),
    "a file below a link": packed(header("link", kind=b"2", link="."), file("link/evil")),
    "a hard link": packed(GOOD, header("link", kind=b"1", link="a")),
    "a character device": packed(header("null", kind=b"3")),
    "a block device": packed(header("disk", kind=b"4")),
    "a pipe": packed(header("pipe", kind=b"6")),
    "an old sparse file": packed(header("holes", kind=b"S", size=0)),
    "a new sparse file": packed(pax(("GNU.sparse.major", b"1"), ("GNU.sparse.size", b"99999999999")), file("holes")),
    "a header for all": packed(header("pax", kind=b"g")),
    "an unknown kind": packed(header("what", kind=b"Z")),
    "a name twice": packed(GOOD, GOOD),
    "a folder twice": packed(header("a/", kind=b"5"), header("a", kind=b"5")),
    "the top twice": packed(header("./", kind=b"5"), header("./", kind=b"5")),
    "a name twice in two cases": packed(file("README"), file("readme")),
    "a name twice in two spellings": packed(file("é"), file("e\u0301")),
    "a name that is not UTF-8": packed(file(b"\xff\xfe")),
    "a name with a line break": packed(file("a\nb")),
    "a name that is too long": packed(long_name(b"x" * 256), file("x")),
    "a path that is too long": packed(pax(("path", b"/".join([b"x" * 200] * 25))), file("x")),
    "a header of a name that is too long": packed(header("pax", kind=b"x", size=2**33)),
    "no name": packed(file("")),
    "a file where a folder is": packed(file("a/b"), file("a")),
    "a folder where a file is": packed(GOOD, file("a/b")),
    "a folder with content": packed(header("a", kind=b"5", size=512), PAD),
    "a wrong checksum": gzip.compress(b"b" + GOOD[1:] + PAD),
    "no tar": gzip.compress(b"nothing of the kind" * 100),
    "no end": packed(GOOD, ending=b""),
    "half an end and something": packed(GOOD, ending=bytes(512) + b"x" * 512),
    "something behind the end": packed(GOOD, ending=PAD + b"evil"),
    "no gzip": b"nothing of the kind" * 100,
    "nothing": b"",
    "a cut gzip": packed(file("a", os.urandom(5000)))[:3000],
    "a gzip without its last byte": packed(GOOD)[:-1],
    "a gzip with a wrong sum": packed(GOOD)[:-8] + bytes(8),
    "something behind the gzip": packed(GOOD) + b"\0",
    "two gzips": gzip.compress(GOOD) + gzip.compress(PAD),
    "an extended header for nothing": packed(pax(("path", b"a"))),
    "two extended headers": packed(pax(("path", b"a")), long_name(b"b"), file("c")),
    "an extended header of nonsense": packed(header("p", kind=b"x", size=512), b"9999999 path=x\n".ljust(512, b"\0")),
    "a negative size": packed(header("a")[:124] + b"\xff" * 12 + header("a")[136:]),
}

PLAIN = {
    f"{name}, not compressed": gzip.decompress(content)
    for name, content in HOSTILE.items()
    if content.startswith(b"\x1f\x8b") and "gzip" not in name
}
"""The same as plain tars, as a catalog that is a folder hands them out."""

HOSTILE |= PLAIN


def index(*paths: str) -> FileIndex:
    return file_index.of({path: IndexedFile(EMPTY, 0, executable=False) for path in paths}, {}, [])


@pytest.fixture
def box(tmp_path: Path) -> Path:
    (tmp_path / "box").mkdir()
    return tmp_path / "box"


def nothing_is_left(tmp_path: Path) -> bool:
    return sorted(path.name for path in tmp_path.iterdir()) == ["app.tgz", "box"] and not any(
        (tmp_path / "box").iterdir()
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_and_leaves_nothing(tmp_path: Path, box: Path, name: str) -> None:
    (tmp_path / "app.tgz").write_bytes(HOSTILE[name])
    with pytest.raises(BundleUnusable):
        survey(tmp_path / "app.tgz")
    one_byte = file_index.of(
        {"a": IndexedFile("6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b", 1, False)}, {}, []
    )
    with pytest.raises(BundleUnusable):
        extract(tmp_path / "app.tgz", box / "app", one_byte)
    assert nothing_is_left(tmp_path)


@pytest.fixture
def little_memory() -> Iterator[None]:
    """No more address space than is in use and 64 MiB."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + 64 * 2**20, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize("declared", [0, 2**30, 10 * 2**30])
def test_zeros_without_end_in_a_few_bytes_stop_at_what_the_index_says(
    tmp_path: Path, box: Path, little_memory: None, declared: int
) -> None:
    (tmp_path / "app.tgz").write_bytes(packed_zeros(header("a", size=declared), 96 * 2**20))
    with pytest.raises(BundleUnusable):
        extract(tmp_path / "app.tgz", box / "app", index("a"))
    assert nothing_is_left(tmp_path)


def test_a_large_app_needs_no_more_memory_than_a_small_one(tmp_path: Path, box: Path, little_memory: None) -> None:
    (tmp_path / "app").mkdir()
    with (tmp_path / "app" / "large").open("wb") as large:
        large.truncate(96 * 2**20)
    written = write(tmp_path / "app", tmp_path / "app.tgz", skip=lambda _: False)
    extract(tmp_path / "app.tgz", box / "app", written.index)
    assert (box / "app" / "large").stat().st_size == 96 * 2**20


def test_a_million_entries_are_refused_at_the_first_too_many(tmp_path: Path, box: Path) -> None:
    many = b"".join(header(f"{number}") for number in range(file_index.MAX_ENTRIES + 1))
    (tmp_path / "app.tgz").write_bytes(gzip.compress(many * 2, 1))
    with pytest.raises(BundleUnusable, match="more than 16384"):
        survey(tmp_path / "app.tgz")
    with pytest.raises(BundleUnusable, match="'0' is not in its index"):
        extract(tmp_path / "app.tgz", box / "app", index("a"))
    assert nothing_is_left(tmp_path)


def test_an_archive_that_differs_from_its_index_is_refused_by_the_name_of_what_differs(
    tmp_path: Path, box: Path
) -> None:
    app = tmp_path / "app"
    app.mkdir()
    (app / "nginx.conf").write_bytes(b"location / {}")
    (app / "link").symlink_to("nginx.conf")
    archive = tmp_path / "app.tgz"
    right = write(app, archive, skip=lambda _: False).index
    conf = right.files["nginx.conf"]
    wrong = {
        "content of 'nginx.conf'": ({"nginx.conf": IndexedFile(EMPTY, conf.size, conf.executable)}, right.links),
        "'nginx.conf' is not in its index": ({"nginx.conf": IndexedFile(conf.sha256, 1, conf.executable)}, right.links),
        "'nginx.conf' is not in its": ({"nginx.conf": IndexedFile(conf.sha256, conf.size, True)}, right.links),
        "'link' is not in its index": (right.files, {"link": "other"}),
        "'more' is in its index and not in it": ({"more": conf, **right.files}, right.links),
    }
    for words, (files, links) in wrong.items():
        with pytest.raises(BundleUnusable, match=words):
            extract(archive, box / "app", file_index.of(files, links, []))
        assert not any(box.iterdir())
    extract(archive, box / "app", right)
    assert (box / "app" / "link").read_bytes() == b"location / {}"


def test_a_plain_tar_is_extracted_like_one_in_gzip(tmp_path: Path, box: Path) -> None:
    app = tmp_path / "app"
    (app / "sub" / ("long" * 40)).mkdir(parents=True)
    (app / "docker-compose.yml").write_bytes(b"services: {}\n")
    (app / "sub" / ("long" * 40) / "größe").write_bytes(b"1" * 5000)
    (app / "run.sh").write_bytes(b"#!")
    (app / "run.sh").chmod(0o700)
    (app / "link").symlink_to("run.sh")
    zipped = write(app, tmp_path / "app.tgz", skip=lambda _: False)
    (tmp_path / "app.tar").write_bytes(pack(app))
    assert survey(tmp_path / "app.tar") == zipped.index
    extract(tmp_path / "app.tar", box / "app", zipped.index)
    assert (box / "app" / "sub" / ("long" * 40) / "größe").stat().st_size == 5000
    assert os.access(box / "app" / "link", os.X_OK)


def test_a_place_that_is_taken_stays_as_it_is(tmp_path: Path, box: Path) -> None:
    (tmp_path / "app.tgz").write_bytes(packed(file("a")))
    (box / "app").mkdir()
    (box / "app" / "mine").write_bytes(b"1")
    with pytest.raises(TreeNotWritten, match="there already"):
        extract(tmp_path / "app.tgz", box / "app", index("a"))
    assert [path.name for path in box.iterdir()] == ["app"]
    assert (box / "app" / "mine").read_bytes() == b"1"


def test_archives_of_other_tools_are_read(tmp_path: Path, box: Path) -> None:
    name = "folder/" + "x" * 150
    (tmp_path / "app.tgz").write_bytes(
        packed(
            header("./", kind=b"5"),
            header("./folder/", kind=b"5", magic=b"ustar  \0"),
            pax(("path", name.encode()), ("SCHILY.xattr.user.x", b"\0\n=")),
            file("folder/xxx", b"1", mode=0o4775),
            long_name(b"./folder/" + b"y" * 150),
            file("folder/yyy", b"22"),
            header("./link", kind=b"2", link="folder", mode=0o777),
            ending=bytes(10_240),
        )
    )
    found = survey(tmp_path / "app.tgz")
    assert {path: (entry.size, entry.executable) for path, entry in found.files.items()} == {
        name: (1, True),
        "folder/" + "y" * 150: (2, False),
    }
    extract(tmp_path / "app.tgz", box / "app", found)
    assert (box / "app" / "link" / ("y" * 150)).read_bytes() == b"22"
    assert (box / "app" / name).stat().st_mode & 0o7777 == 0o755


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 4095), value=st.integers(0, 255), more=st.binary(max_size=30), packs=st.booleans())
def test_no_change_of_bytes_gets_anything_else_out_of_an_archive(
    tmp_path_factory: pytest.TempPathFactory, at: int, value: int, more: bytes, packs: bool
) -> None:
    place = tmp_path_factory.mktemp("any")
    plain = bytearray(header("sub", kind=b"5") + file("sub/a", b"1") + header("l", kind=b"2", link="sub") + bytes(1024))
    right = file_index.of(
        {"sub/a": IndexedFile("6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b", 1, False)},
        {"l": "sub"},
        ["sub"],
    )
    if packs:
        plain[at % len(plain)] = value
        plain[at % len(plain) : at % len(plain)] = more
        changed = gzip.compress(bytes(plain), mtime=0)
    else:
        whole = bytearray(gzip.compress(bytes(plain), mtime=0))
        whole[at % len(whole)] = value
        changed = bytes(whole) + more
    (place / "app.tgz").write_bytes(changed)
    try:
        bundle_extraction.extract(place / "app.tgz", place / "app", right)
    except BundleUnusable:
        assert [path.name for path in place.iterdir()] == ["app.tgz"]
    else:
        assert (place / "app" / "l" / "a").read_bytes() == b"1"
        assert len(list((place / "app").rglob("*"))) == 3


def test_one_small_file_is_read_and_nothing_behind_it_is_looked_at(tmp_path: Path) -> None:
    archive = tmp_path / "bundle"
    archive.write_bytes(packed(GOOD, ending=b"nothing of the kind"))
    assert read_file(archive, "a", most_bytes=1) == b"1"
    for path, most in (("a", 0), ("b", 9)):
        with pytest.raises(BundleUnusable):
            read_file(archive, path, most_bytes=most)
