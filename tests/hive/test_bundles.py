"""What the Hive keeps of apps by digest: small things whole, blobs as files."""

import hashlib
import os
from pathlib import Path

import pytest

from mosaic.hive.bundles import BundleDamaged, BundleMissing, Bundles


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _fetched(bundles: Bundles, digest: str, content: bytes) -> Path:
    file = bundles.fetching(digest)
    file.write_bytes(content)
    return file


def test_a_file_that_has_its_digest_is_moved_in(tmp_path: Path) -> None:
    bundles, content = Bundles(tmp_path / "bundles"), b"a large blob"
    file = _fetched(bundles, _digest(content), content)

    bundles.keep_file(file, _digest(content))

    assert bundles.path(_digest(content)).read_bytes() == bundles.get(_digest(content)) == content
    assert bundles.has(_digest(content))
    assert not file.exists()


def test_a_file_with_another_digest_is_refused_and_stays_where_it_is(tmp_path: Path) -> None:
    bundles, wanted = Bundles(tmp_path / "bundles"), _digest(b"what was signed")
    file = _fetched(bundles, wanted, b"what came")

    with pytest.raises(BundleDamaged):
        bundles.keep_file(file, wanted)

    assert file.read_bytes() == b"what came"
    assert not bundles.has(wanted)


def test_a_damaged_blob_is_mended_by_keeping_it_again(tmp_path: Path) -> None:
    bundles, content = Bundles(tmp_path / "bundles"), b"a blob"
    digest = bundles.keep(content)
    bundles.path(digest).write_bytes(b"rotten")
    with pytest.raises(BundleDamaged):
        bundles.get(digest)

    bundles.keep_file(_fetched(bundles, digest, content), digest)

    assert bundles.get(digest) == content


@pytest.mark.parametrize(
    "digest", ["", "sha256:", "sha256:../../etc/passwd", "sha256:" + "A" * 64, "sha512:" + "a" * 64]
)
def test_what_is_no_digest_is_missing(tmp_path: Path, digest: str) -> None:
    bundles = Bundles(tmp_path / "bundles")
    file = tmp_path / "file"
    file.write_bytes(b"x")

    for call in (bundles.path, bundles.get, bundles.fetching, lambda one: bundles.keep_file(file, one)):
        with pytest.raises(BundleMissing):
            call(digest)

    assert not bundles.has(digest)


def test_what_was_begun_to_be_fetched_is_kept_for_the_next_try_and_not_for_ever(tmp_path: Path) -> None:
    bundles = Bundles(tmp_path / "bundles")
    begun, given_up = (
        _fetched(bundles, _digest(name), b"half").rename(bundles.fetching(_digest(name)).with_suffix(".part"))
        for name in (b"begun", b"given up")
    )
    os.utime(given_up, (1_000_000.0, 1_000_000.0))

    bundles.clear_abandoned(now=begun.stat().st_mtime + 60)

    assert begun.exists()
    assert not given_up.exists()
