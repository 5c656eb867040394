"""Volumes in a bucket: a store that holds to create-only writes, and one that only says so."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support import s3_servers
from support.hiveless import SAVED, Machine
from support.s3_servers import CREDENTIALS, Server

pytestmark = pytest.mark.btrfs


@pytest.fixture(scope="module")
def moto() -> Iterator[Server]:
    with s3_servers.moto() as server:
        yield server


def key_of(folder: Path, secret: str = CREDENTIALS.secret_access_key) -> Path:
    """Write a file with the store's key."""
    path = folder / "credentials"
    path.write_text(f"aws_access_key_id = {CREDENTIALS.access_key_id}\naws_secret_access_key = {secret}\n")
    path.chmod(0o600)
    return path


def at(server: Server, bucket: str = "mosaic", folder: str = "home") -> str:
    return f"s3://{bucket}/{folder}?endpoint={server.location.endpoint}"


def test_a_volume_in_a_bucket_is_restored_on_another_machine_which_fences_the_first(
    here: Machine, there: Machine, moto: Server, tmp_path: Path
) -> None:
    usual = here.state / "credentials" / "mosaic"
    usual.parent.mkdir()
    usual.write_bytes(key_of(tmp_path).read_bytes())
    usual.chmod(0o600)
    made = here.saved_with("hello", store=at(moto))
    there.made(store=at(moto), credentials=tmp_path / "credentials", key_file=made.key_file, take_over="yes")
    there.wait_for(SAVED)
    assert there.read() == "hello"
    here.write("only here")
    here.daemon.inside_volume(made.public_key).wake()
    here.wait_for("taken over by another machine")
    assert here.conflict() == "only here"
    assert CREDENTIALS.secret_access_key not in str(here.status())


def test_a_store_that_ignores_conditions_is_refused_and_nothing_is_made(here: Machine, tmp_path: Path) -> None:
    with s3_servers.rclone(tmp_path / "served") as server:
        said = here.create(store=at(server), credentials=key_of(tmp_path))
    assert "does not hold to create-only writes" in said
    assert "let a Hive keep the heads" in said
    assert here.daemon.client.hiveless().volumes == []
    assert not (here.state / "keys").exists()


def test_a_store_that_knows_no_conditions_is_refused(here: Machine, moto: Server, tmp_path: Path) -> None:
    said = here.create(store=at(moto, "no-conditions"), credentials=key_of(tmp_path))
    assert "does not hold to create-only writes" in said


def test_what_is_wrong_with_a_bucket_is_said(here: Machine, moto: Server, tmp_path: Path) -> None:
    assert "there is no key for the bucket mosaic" in here.create(store=at(moto))
    assert "does not exist" in here.create(store=at(moto, "missing"), credentials=key_of(tmp_path))
    credentials = key_of(tmp_path)
    credentials.chmod(0o644)
    assert "may be read by others; chmod 600" in here.create(store=at(moto), credentials=credentials)


def test_a_store_that_does_not_answer_is_refused_in_time(
    here: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mosaic.storage.hiveless import stores

    monkeypatch.setattr(stores, "_DEADLINE_SECONDS", 0.5)
    said = here.create(store="s3://mosaic/?endpoint=http://127.0.0.1:9", credentials=key_of(tmp_path))
    assert "nothing listens there" in said
    assert here.daemon.client.hiveless().volumes == []
