"""Which commit a folder is at."""

import os
import subprocess
from pathlib import Path

import pytest

from mosaic.adapters.git import NoCommit, commit_of, export, submodules, tree_of


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")
    ran = subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True, timeout=60)
    return ran.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "docker-compose.yml").write_text("services: {}\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    return tmp_path


def test_the_commit_that_is_checked_out_is_named_in_full_and_short(repository: Path) -> None:
    found = commit_of(repository)
    assert (found.hash, found.is_changed) == (git(repository, "rev-parse", "HEAD"), False)
    assert found.hash.startswith(found.short) and len(found.short) == 12


@pytest.mark.parametrize("name", ["app/docker-compose.yml", "app/new"])
def test_what_differs_from_the_commit_is_noticed(repository: Path, name: str) -> None:
    (repository / name).write_text("services: {web: {image: nginx}}\n")
    assert commit_of(repository).is_changed
    assert commit_of(repository / "app").is_changed


def test_a_folder_that_is_what_it_was_has_the_same_name_in_a_later_commit(repository: Path) -> None:
    before = tree_of(repository, git(repository, "rev-parse", "HEAD"), "app")
    (repository / "other").write_text("other")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "second")
    later = git(repository, "rev-parse", "HEAD")
    assert tree_of(repository, later, "app") == before != tree_of(repository, later)


def test_a_folder_without_a_commit_is_refused_with_a_way_on(tmp_path: Path) -> None:
    with pytest.raises(NoCommit, match="has no commit") as refused:
        commit_of(tmp_path)
    assert "git init" in refused.value.hint
    git(tmp_path, "init", "--quiet")
    with pytest.raises(NoCommit, match="has no commit"):
        commit_of(tmp_path)


def test_nothing_of_the_repository_is_run(repository: Path) -> None:
    watcher = repository / "watcher"
    watcher.write_text(f"#!/bin/sh\ntouch {repository}/ran\n")
    watcher.chmod(0o755)
    git(repository, "config", "core.fsmonitor", str(watcher))
    commit_of(repository)
    assert not (repository / "ran").exists()


def test_a_hook_of_another_repository_may_ask(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere/.git")
    assert commit_of(repository).hash


def test_looking_leaves_the_repository_as_it_is(repository: Path) -> None:
    index = repository / ".git" / "index"
    before = index.read_bytes()
    # The index knows another time of it: a plain `git status` would note the new one.
    os.utime(repository / "app" / "docker-compose.yml", (1, 1))
    commit_of(repository)
    assert index.read_bytes() == before


def test_an_export_has_what_the_commit_has_and_nothing_else(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (repository / ".gitignore").write_text("secret\n")
    (repository / "app" / "run").write_text("#!/bin/sh\n")
    (repository / "app" / "run").chmod(0o700)
    (repository / "app" / "link").symlink_to("run")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "second")
    commit = git(repository, "rev-parse", "HEAD")
    (repository / "app" / "secret").write_text("a password\n")
    (repository / "app" / "docker-compose.yml").write_text("changed meanwhile\n")
    index = (repository / ".git" / "index").read_bytes()
    before = os.umask(0o077)
    try:
        exported = export(repository / "app", commit, tmp_path_factory.mktemp("into"))
    finally:
        os.umask(before)
    assert {path.name for path in exported.iterdir()} == {"docker-compose.yml", "run", "link"}
    assert (exported / "docker-compose.yml").read_text() == "services: {}\n"
    assert [(exported / name).stat().st_mode & 0o777 for name in ("docker-compose.yml", "run")] == [0o644, 0o755]
    assert (exported / "link").readlink() == Path("run")
    assert (repository / ".git" / "index").read_bytes() == index


def test_submodules_are_found(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    git(repository, "update-index", "--add", "--cacheinfo", f"160000,{commit},app/other")
    git(repository, "commit", "--quiet", "--message", "second")
    assert submodules(repository, git(repository, "rev-parse", "HEAD")) == ["app/other"]
    assert submodules(repository, commit) == []
