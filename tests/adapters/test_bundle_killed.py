"""Killed anywhere, a bundle is there whole or not at all, and the next attempt needs nobody's help."""

import os
import signal
import subprocess
import sys
from itertools import count
from pathlib import Path

from mosaic.adapters.bundle_archive import write
from mosaic.adapters.bundle_extraction import extract
from mosaic.core import file_index
from support.killed_disk import killed_anywhere
from support.waiting import eventually


def app(folder: Path) -> Path:
    (folder / "app" / "sub").mkdir(parents=True)
    (folder / "app" / "docker-compose.yml").write_bytes(b"services: {}\n")
    (folder / "app" / "sub" / "page").write_bytes(os.urandom(100_000))
    (folder / "app" / "link").symlink_to("sub/page")
    return folder / "app"


def test_an_extraction_that_is_killed_anywhere_leaves_all_or_nothing_and_is_done_again(tmp_path: Path) -> None:
    index = write(app(tmp_path), tmp_path / "app.tgz", skip=lambda _: False).index
    numbers = count()

    def begin() -> Path:
        return tmp_path / str(next(numbers)) / "app"

    whole = 0
    for target in killed_anywhere(begin, lambda target: extract(tmp_path / "app.tgz", target, index)):
        if target.exists():
            whole += 1
        else:
            extract(tmp_path / "app.tgz", target, index)
        assert (target / "link").read_bytes() == (tmp_path / "app" / "sub" / "page").read_bytes()
        assert len(list(target.rglob("*"))) == 4
        assert list(target.parent.iterdir()) == [target]
    assert whole >= 1
    assert next(numbers) > 15


def test_an_archive_whose_writing_is_killed_anywhere_is_the_older_one_or_the_newer(tmp_path: Path) -> None:
    source = app(tmp_path)
    older = write(source, tmp_path / "app.tgz", skip=lambda path: path == "sub/page").digest
    before = (tmp_path / "app.tgz").read_bytes()
    newer = write(source, tmp_path / "app.tgz", skip=lambda _: False).digest
    after = (tmp_path / "app.tgz").read_bytes()
    assert older != newer

    def begin() -> Path:
        (tmp_path / "app.tgz").write_bytes(before)
        return tmp_path / "app.tgz"

    for target in killed_anywhere(begin, lambda target: write(source, target, skip=lambda _: False)):
        assert target.read_bytes() in (before, after)
        assert write(source, target, skip=lambda _: False).digest == newer
        assert sorted(path.name for path in tmp_path.iterdir()) == ["app", "app.tgz"]


CHILD = """
import sys
from pathlib import Path
from mosaic.adapters.bundle_extraction import extract
from mosaic.core import file_index
archive, index, target = map(Path, sys.argv[1:])
extract(archive, target, file_index.read(index.read_bytes()))
"""


def test_a_process_that_is_killed_while_it_extracts_leaves_nothing_under_the_name(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    for number in range(600):
        (tmp_path / "app" / str(number)).write_bytes(os.urandom(20_000))
    index = write(tmp_path / "app", tmp_path / "app.tgz", skip=lambda _: False).index
    (tmp_path / "index").write_bytes(file_index.write(index))
    for files in (1, 300):
        kill_while_extracting(tmp_path, files)
        # A machine that looked away for long may find it done.
        assert not (tmp_path / "out").exists() or len(list((tmp_path / "out").iterdir())) == 600
    if not (tmp_path / "out").exists():
        extract(tmp_path / "app.tgz", tmp_path / "out", index)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app", "app.tgz", "index", "out"]


def kill_while_extracting(folder: Path, files: int) -> None:
    words = [folder / "app.tgz", folder / "index", folder / "out"]
    draft = folder / ".out.new"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, *words], env={**os.environ, "PYTHONPATH": ":".join(sys.path)}
    )
    eventually(lambda: child.poll() is not None or (draft.is_dir() and len(list(draft.iterdir())) >= files))
    child.send_signal(signal.SIGKILL)
    child.wait(timeout=60)
