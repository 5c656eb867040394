"""Links in bundles, held against the kernel: what is accepted never leads out, whatever was in it."""

import io
import os
import tarfile
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mosaic.adapters.bundle import AppUnpackable, BundleUnusable, digest, pack, unpack
from mosaic.core import symlinks

pytestmark = pytest.mark.long

Tree = list[tuple[str, str | None]]
"""Names, and where each leads: None is a file, "" a folder, all else a link."""

PARTS = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
STEPS = st.lists(st.sampled_from(["a", "b", "c", "..", "..", "."]), min_size=1, max_size=6).map("/".join)
LINKS = st.one_of(STEPS, STEPS, STEPS, STEPS.map("{}/".format), st.sampled_from(["/", "/etc", "//a"]))
TREES = st.lists(st.tuples(PATHS, st.one_of(LINKS, LINKS, st.sampled_from(["", None]))), max_size=10)
TWO_TOGETHER: Tree = [("a/b", ".."), ("a/c", "b/..")]


def kernels_answer(path: Path) -> Path | None:
    """Where the kernel ends when it opens a path; None when there is nothing, or a circle."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return Path(f"/proc/self/fd/{descriptor}").readlink()
    finally:
        os.close(descriptor)


def leading_out(folder: Path) -> list[Path]:
    """Every path in a folder from which the kernel, or Python's idea of it, gets out."""
    every = [Path(where) / name for where, folders, files in os.walk(folder) for name in (*folders, *files)]
    ends = {path: (kernels_answer(path), Path(os.path.realpath(path))) for path in every}
    return [path for path, both in ends.items() if any(end and not end.is_relative_to(folder) for end in both)]


def grow(folder: Path, tree: Tree) -> dict[str, str | None]:
    """Make what can be made of a tree: nothing through a link, nothing over something else. Returns what was."""
    made: dict[str, str | None] = {}
    folder.mkdir(parents=True)
    for name, leads in tree:
        above = [parent.as_posix() for parent in PurePosixPath(name).parents][:-1]
        if name in made or any(made.get(parent, "") != "" for parent in above):
            continue
        made.update((parent, "") for parent in above)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if leads is None:
            (folder / name).write_text(name)
        elif leads == "":
            (folder / name).mkdir()
        else:
            (folder / name).symlink_to(leads)
        made[name] = leads
    return made


def hostile(tree: Tree) -> bytes:
    """A bundle that nobody packed: names twice, below links and files, and in any order."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, leads in tree:
            entry = tarfile.TarInfo(name)
            if leads is not None:
                entry.type, entry.linkname = (tarfile.SYMTYPE, leads) if leads else (tarfile.DIRTYPE, "")
            tar.addfile(entry)
    return buffer.getvalue()


@settings(max_examples=300, deadline=None)
@given(tree=TREES)
@example(tree=TWO_TOGETHER)
def test_no_bundle_that_is_unpacked_has_a_way_out(tmp_path_factory: pytest.TempPathFactory, tree: Tree) -> None:
    box = tmp_path_factory.mktemp("box")
    try:
        unpack(hostile(tree), box / "in" / "app")
    except BundleUnusable:
        assert list((box / "in").iterdir()) == []
    else:
        assert leading_out(box / "in" / "app") == []
    assert list(box.iterdir()) == [box / "in"]


@settings(max_examples=300, deadline=None)
@given(tree=TREES)
@example(tree=TWO_TOGETHER)
def test_a_folder_that_is_packed_has_no_way_out_and_is_unpacked_the_same(
    tmp_path_factory: pytest.TempPathFactory, tree: Tree
) -> None:
    box = tmp_path_factory.mktemp("box")
    grow(box / "app", tree)
    try:
        packed = pack(box / "app")
    except AppUnpackable:
        return
    unpack(packed, box / "out")
    assert leading_out(box / "app") == leading_out(box / "out") == []
    assert digest(pack(box / "out")) == digest(packed)


@settings(max_examples=300, deadline=None)
@given(tree=TREES)
@example(tree=TWO_TOGETHER)
def test_names_alone_say_what_the_kernel_says(tmp_path_factory: pytest.TempPathFactory, tree: Tree) -> None:
    """It is stricter in two things only: where nothing is, and in circles, it still counts how far up a link goes."""
    folder = tmp_path_factory.mktemp("box") / "app"
    made = grow(folder, tree)
    links = {name: leads for name, leads in made.items() if leads}
    ends = [kernels_answer(folder / name) for name in links]
    relative = not any(leads.startswith("/") for leads in links.values())

    if symlinks.fault(made, links) is None:
        assert leading_out(folder) == []
    elif relative:
        assert any(end is None or not end.is_relative_to(folder) for end in ends)


def test_two_links_that_leave_only_together_are_neither_packed_nor_unpacked(tmp_path: Path) -> None:
    grow(tmp_path / "app", TWO_TOGETHER)
    with pytest.raises(AppUnpackable, match="a/c is a link that leads out of the package"):
        pack(tmp_path / "app")
    with pytest.raises(BundleUnusable, match="a/c is a link that leads out of the package"):
        unpack(hostile(TWO_TOGETHER), tmp_path / "out")


def test_a_link_through_what_is_left_out_of_the_bundle_is_followed_on_the_disk(tmp_path: Path) -> None:
    grow(tmp_path / "app", [(".git/host", "/"), ("link", ".git/host/etc")])
    with pytest.raises(AppUnpackable, match="link is a link that leads out of the package"):
        pack(tmp_path / "app")


@pytest.mark.parametrize(
    "tree",
    [
        [("a", "b"), ("a/c", None)],
        [("a/c", None), ("a", "b")],
        [("a", "b"), ("a", "")],
        [("a", ""), ("a", "b")],
        [("a", None), ("a", "b")],
        [("a", "b"), ("a", None)],
        [("a", None), ("a", "")],
        [("a", None), ("a/b", None)],
        [("a", "b"), ("./a", "..")],
        [("a", "b"), ("a//", "c")],
        [("a" + "/a" * 65, None)],
        [("a/" * 1500 + "a", None)],
    ],
    ids=str,
)
def test_names_that_meet_or_cannot_be_are_refused_and_leave_nothing(tmp_path: Path, tree: Tree) -> None:
    with pytest.raises(BundleUnusable):
        unpack(hostile(tree), tmp_path / "app")
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_holes_does_not_fill_the_disk(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        entry = tarfile.TarInfo("large")
        entry.pax_headers = {"GNU.sparse.size": str(2**40), "GNU.sparse.map": f"{2**40},0"}
        tar.addfile(entry)
    with pytest.raises(BundleUnusable, match="not a plain file"):
        unpack(buffer.getvalue(), tmp_path / "app")


def test_headers_without_end_are_an_error_that_says_so(tmp_path: Path) -> None:
    """Each header is read inside the one before it."""
    header = tarfile.TarInfo("x")
    header.type = tarfile.XHDTYPE
    with pytest.raises(BundleUnusable):
        unpack(header.tobuf() * 3000, tmp_path / "app")
    assert list(tmp_path.iterdir()) == []
