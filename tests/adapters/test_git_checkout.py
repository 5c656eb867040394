"""A checkout follows a branch, whatever happened to it meanwhile."""

import shutil
from pathlib import Path

import pytest

from mosaic.adapters.git_checkout import BranchUnusable, RepositoryNotFetched, check_out
from support.app_repositories import git


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "page").write_text("first")
    commit(folder)
    return folder


def commit(folder: Path) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "a change")
    return git(folder, "rev-parse", "HEAD")


def test_the_newest_commit_is_checked_out_and_then_the_next(source: Path, tmp_path: Path) -> None:
    first = check_out(str(source), "main", tmp_path / "copy")
    assert (first.hash, (tmp_path / "copy/page").read_text()) == (git(source, "rev-parse", "HEAD"), "first")
    (source / "page").unlink()
    (source / "other").write_text("second")
    second = commit(source)
    assert check_out(str(source), "main", tmp_path / "copy").hash == second
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == [".git", "other"]


def test_a_rewritten_branch_is_followed_and_what_lay_about_is_gone(source: Path, tmp_path: Path) -> None:
    check_out(str(source), "main", tmp_path / "copy")
    (tmp_path / "copy/page").write_text("changed by hand")
    (tmp_path / "copy/more").write_text("left behind")
    git(source, "commit", "--quiet", "--amend", "--message", "rewritten")
    found = check_out(str(source), "main", tmp_path / "copy")
    assert (found.is_changed, (tmp_path / "copy/page").read_text()) == (False, "first")
    assert not (tmp_path / "copy/more").exists()


def test_a_tag_of_the_branchs_name_is_not_taken_for_it(source: Path, tmp_path: Path) -> None:
    git(source, "tag", "main")
    (source / "page").write_text("second")
    second = commit(source)
    assert check_out(str(source), "main", tmp_path / "copy").hash == second


@pytest.mark.parametrize("wreck", ["index.lock", "shallow.lock", "HEAD"])
def test_what_a_killed_git_left_behind_is_overcome(source: Path, tmp_path: Path, wreck: str) -> None:
    check_out(str(source), "main", tmp_path / "copy")
    (tmp_path / "copy/.git" / wreck).write_text("")
    assert check_out(str(source), "main", tmp_path / "copy").hash == git(source, "rev-parse", "HEAD")


def test_what_cannot_be_fetched_is_said(source: Path, tmp_path: Path) -> None:
    with pytest.raises(RepositoryNotFetched, match="branch nothing"):
        check_out(str(source), "nothing", tmp_path / "copy")
    shutil.rmtree(source)
    with pytest.raises(RepositoryNotFetched):
        check_out(str(source), "main", tmp_path / "copy")


@pytest.mark.parametrize(
    ("address", "branch"), [("--upload-pack=touch /tmp/x", "main"), ("", "main"), (".", "--orphan"), (".", "a b")]
)
def test_nothing_is_taken_for_an_option(tmp_path: Path, address: str, branch: str) -> None:
    with pytest.raises(BranchUnusable):
        check_out(address, branch, tmp_path / "copy")


def test_an_address_that_is_a_command_is_not_run(tmp_path: Path) -> None:
    with pytest.raises(RepositoryNotFetched):
        check_out(f"ext::touch {tmp_path}/ran", "main", tmp_path / "copy")
    assert not (tmp_path / "ran").exists()
