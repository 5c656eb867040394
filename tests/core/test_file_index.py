"""The file index: one spelling, and no path in it that could mean two things."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core import file_index, strict_json
from mosaic.core.file_index import IndexedFile
from mosaic.core.package_paths import fault_of
from mosaic.core.strict_json import NotStrict

HEX = "0" * 64
FILE = IndexedFile(HEX, 3, executable=False)
PATHS = st.lists(
    st.text("ab.é-", min_size=1, max_size=5).filter(lambda part: part not in (".", "..")), min_size=1, max_size=3
).map("/".join)


@given(
    st.dictionaries(PATHS, st.builds(IndexedFile, st.just(HEX), st.integers(0, 100), st.booleans())),
    st.lists(PATHS, max_size=3),
)
def test_an_index_is_read_as_it_was_written_and_in_no_other_spelling(
    files: dict[str, IndexedFile], folders: list[str]
) -> None:
    try:
        index = file_index.of(files, {}, folders)
    except NotStrict:
        return  # a file that others lie in, or two names that are one
    content = file_index.write(index)
    assert file_index.read(content) == index
    with pytest.raises(NotStrict):
        file_index.read(content + b"\n")
    with pytest.raises(NotStrict):
        file_index.read(json.dumps(json.loads(content), indent=1).encode())


def test_folders_of_files_and_empty_ones_are_in_it() -> None:
    assert file_index.of({"a/b/c": FILE}, {}, ["empty"]).folders == {"a", "a/b", "empty"}


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/a",
        "../a",
        "a/../b",
        "a//b",
        "./a",
        "a/",
        "a/.",
        "a\0b",
        "a\nb",
        "\x7f",
        "\ud800",
        "x" * 256,
        "é" * 128,
        "ab/" * 1400 + "c",
    ],
)
def test_a_path_that_is_not_plain_is_refused(path: str) -> None:
    assert fault_of(path) is not None
    for files, links, folders in (({path: FILE}, {}, []), ({}, {path: "a"}, []), ({}, {}, [path])):
        with pytest.raises(NotStrict):
            file_index.of(files, links, folders)


@pytest.mark.parametrize(
    ("files", "links", "words"),
    [
        ({"a": FILE, "a/b": FILE}, {}, "a' is in it twice"),
        ({"a": FILE}, {"a": "b"}, "twice"),
        ({"A": FILE, "a": FILE}, {}, "one name on some disks"),
        ({"\u00e9": FILE, "e\u0301": FILE}, {}, "one name on some disks"),
        ({"sub/x": FILE, "SUB/y": FILE}, {}, "one name on some disks"),
        ({"l/x": FILE}, {"l": "."}, "twice"),
        ({}, {"l": ".."}, "leads out"),
        ({}, {"l": "/etc"}, "leads out"),
        ({}, {"l": "\ud800"}, "not UTF-8"),
        ({}, {"l": ""}, "no path"),
        ({"a": IndexedFile(HEX, file_index.MAX_UNPACKED_BYTES + 1, executable=False)}, {}, "1024 MiB"),
    ],
)
def test_entries_that_cannot_be_beside_each_other_are_refused(
    files: dict[str, IndexedFile], links: dict[str, str], words: str
) -> None:
    with pytest.raises(NotStrict, match=words):
        file_index.of(files, links, [])


def test_an_index_of_a_million_files_is_refused() -> None:
    with pytest.raises(NotStrict, match="more than 16384"):
        file_index.of({str(number): FILE for number in range(20_000)}, {}, [])
    with pytest.raises(NotStrict, match="larger than"):
        file_index.read(b" " * (file_index.MAX_INDEX_BYTES + 1))


@pytest.mark.parametrize(
    "content",
    [
        b"{}",
        b'{"files":{},"folders":[],"format":2,"links":{}}',
        b'{"files":{},"folders":[],"format":true,"links":{}}',
        b'{"extra":1,"files":{},"folders":[],"format":1,"links":{}}',
        b'{"files":{"a":{"mode":"4755","sha256":"%s","size":1}},"folders":[],"format":1,"links":{}}' % HEX.encode(),
        b'{"files":{"a":{"mode":"0644","sha256":"..","size":1}},"folders":[],"format":1,"links":{}}',
        b'{"files":{"a/b":{"mode":"0644","sha256":"%s","size":1}},"folders":[],"format":1,"links":{}}' % HEX.encode(),
        b'{"files":{},"folders":["b","a"],"format":1,"links":{}}',
        b'{"files":{},"files":{},"folders":[],"format":1,"links":{}}',
        b'{"files":{},"folders":[],"format":1,"links":{"l":"\\ud800"}}',
        b"[" * 5_000_000,
    ],
)
def test_what_is_no_index_is_refused(content: bytes) -> None:
    with pytest.raises(NotStrict):
        file_index.read(content)


def test_a_key_that_comes_twice_is_found_at_once_among_very_many() -> None:
    # Counting each of these keys among all others took minutes.
    pairs = ",".join(f'"{number:x}":0' for number in range(90_000))
    with pytest.raises(NotStrict, match="'15f8f' is in it twice"):
        strict_json.read(f'{{{pairs},"15f8f":0}}'.encode(), most_bytes=1024**2)


@pytest.mark.parametrize(
    "index", [{"files": {"\x1b[2J": 0}}, {"files": {"\ud800": {}}}, {"files": {}, "links": {"\x1b[2J": 0}}]
)
def test_what_is_said_of_a_hostile_name_can_be_printed(index: dict[str, object]) -> None:
    with pytest.raises(NotStrict) as refused:
        file_index.read(json.dumps({"folders": [], "format": 1, "links": {}} | index).encode())
    assert str(refused.value).isprintable()
