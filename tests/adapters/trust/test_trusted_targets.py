"""What a Device trusts without being attacked: few requests, from a folder too, and after trouble of its own."""

import os
import shutil
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from tuf.api.metadata import TargetFile

from mosaic.adapters.trust import ceremony
from mosaic.adapters.trust.refusals import (
    ChannelMissing,
    RepositoryUnavailable,
    TrustFolderUnusable,
    TrustMixed,
    TrustRefused,
    TrustUnreadable,
)
from mosaic.core.target import Target, TargetUnreadable, custom
from support.target_world import AMD64, NOW_NS, Device, Mirror, Publisher, release


def test_an_unchanged_repository_costs_two_requests(mirror: Mirror, device: Device) -> None:
    mirror.asked.clear()
    trusted = device.trusted
    assert trusted.refresh(AMD64, now_ns=NOW_NS) is not None
    assert mirror.asked == ["/metadata/2.root.json", "/metadata/timestamp.json"]
    assert trusted.requests == 2


def test_a_new_version_costs_a_snapshot_and_a_channel_more(
    publisher: Publisher, mirror: Mirror, device: Device
) -> None:
    publisher.publish("two")
    mirror.asked.clear()
    device.refresh()
    assert mirror.asked[2:] == ["/metadata/3.snapshot.json", "/metadata/3.channel-stable.json"]


def test_another_channels_version_costs_a_snapshot_more(publisher: Publisher, mirror: Mirror, device: Device) -> None:
    publisher.publish("two", channel="beta")
    mirror.asked.clear()
    device.refresh()
    assert mirror.asked[2:] == ["/metadata/3.snapshot.json"]


def test_a_device_without_a_network_takes_its_targets_from_a_folder(publisher: Publisher, device: Device) -> None:
    publisher.publish("two")
    stick = device.folder.with_name("a stick #1")
    shutil.copytree(publisher.public, stick)
    device.base = stick.as_uri()
    target = device.refresh()
    assert target is not None
    assert target.version == 2
    assert device.trusted.fetch_manifest(target, "web") == release("web", "two").manifest


def test_a_reader_that_began_before_a_publication_ends_with_the_older_version(
    publisher: Publisher, mirror: Mirror, tmp_path: Path
) -> None:
    mirror.lies["timestamp.json"] = (publisher.public / "metadata/timestamp.json").read_bytes()
    publisher.publish("two")
    device = mirror.device(tmp_path / "device", publisher)
    device.refresh()
    assert device.version() == 1


def test_a_server_that_is_away_or_broken_leaves_what_is_trusted(
    publisher: Publisher, mirror: Mirror, device: Device
) -> None:
    def broken(handler: BaseHTTPRequestHandler) -> None:
        handler.send_error(500)

    def elsewhere(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", f"{mirror.address}/metadata/1.root.json")
        handler.end_headers()

    for lie in (broken, elsewhere):
        mirror.lies["timestamp.json"] = lie
        with pytest.raises(RepositoryUnavailable):
            device.refresh()
    device.base = "http://127.0.0.1:1"
    with pytest.raises(RepositoryUnavailable):
        device.refresh()
    assert device.version() == 1


def test_trust_begins_at_the_root_that_is_given_whatever_lies_in_the_folder(
    publisher: Publisher, mirror: Mirror, device: Device, tmp_path: Path
) -> None:
    stranger = Publisher(tmp_path / "stranger").create("stable")
    stranger.publish("evil")
    for name in ("root.json", "root_history/1.root.json", "timestamp.json", "snapshot.json"):
        (device.folder / "metadata" / name).unlink()
        (device.folder / "metadata" / name).write_bytes(stranger.root)
    publisher.publish("two")
    device.refresh()
    assert device.version() == 2
    device.publisher = Publisher(publisher.folder, root=b"{}")
    with pytest.raises(TrustUnreadable):
        device.refresh()


def test_damaged_files_of_its_own_are_fetched_again(device: Device) -> None:
    for path in [path for path in device.folder.rglob("*") if path.is_file()]:
        whole = path.read_bytes()
        for damaged in (whole[:-9], whole[:9] + b"\xff" + whole[9:]):
            path.write_bytes(damaged)
            assert device.refresh() is not None
            assert device.version() == 1


def test_a_folder_that_cannot_be_written_is_said(mirror: Mirror, publisher: Publisher, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    device = mirror.device(tmp_path / "file" / "device", publisher)
    with pytest.raises(TrustFolderUnusable):
        device.refresh()


def test_a_channel_that_is_not_there_is_said_with_those_that_are(
    mirror: Mirror, publisher: Publisher, tmp_path: Path
) -> None:
    device = mirror.device(tmp_path / "device", publisher, channel="nightly")
    with pytest.raises(ChannelMissing) as caught:
        device.refresh()
    assert caught.value.hint == "it has beta, stable"


def test_a_device_that_changes_its_channel_trusts_nothing_of_the_older_one(device: Device) -> None:
    device.channel = "beta"
    assert device.version() is None


@pytest.mark.parametrize("wrong", [{"version": 2**80}, {"createdAt": "0001-01-01T00:00:00Z"}])
def test_a_signed_target_that_makes_no_sense_changes_nothing(
    publisher: Publisher, device: Device, wrong: dict[str, object]
) -> None:
    entry = TargetFile.from_data("stable/generic-amd64-2", b"", ["sha256"])
    target = Target("stable", "generic-amd64", 2, {}, 0)
    entry.unrecognized_fields["custom"] = {**custom(target), **wrong}
    with publisher.alone.revising(NOW_NS) as revision:
        revision.edition.channels["channel-stable"].signed.targets[entry.path] = entry
        revision.write(publisher.files, ["channel-stable"])
    with pytest.raises(TargetUnreadable):
        device.refresh()
    assert device.version() == 1


def test_a_manifest_from_a_registry_is_checked_by_what_is_signed(device: Device) -> None:
    trusted = device.trusted
    target = trusted.last(AMD64)
    assert target is not None
    right = release("web", "one").manifest
    trusted.check_manifest(target, "web", right)
    assert trusted.manifest_bytes(target, "web") == len(right)
    with pytest.raises(TrustMixed):
        trusted.check_manifest(target, "web", right[:-1] + b" ")


def test_what_was_verified_convinces_another_device_with_the_first_root(
    publisher: Publisher, device: Device, tmp_path: Path
) -> None:
    for _ in range(2):
        ceremony.rotate(publisher.with_drawer, "root", now_ns=publisher.now_ns)
    publisher.publish("two")
    device.refresh()
    device.trusted.write_served(tmp_path / "copy")
    other = device.trusted.elsewhere((tmp_path / "copy").as_uri(), folder=tmp_path / "other")
    assert other.refresh(AMD64, now_ns=NOW_NS) == device.trusted.last(AMD64)
    with pytest.raises(TrustFolderUnusable):
        Device(tmp_path / "new", publisher, "file:///nowhere").trusted.write_served(tmp_path / "none")


def test_another_root_trusts_nothing_that_an_older_one_had_led_to(device: Device, tmp_path: Path) -> None:
    device.publisher = Publisher(tmp_path / "stranger").create("stable")
    assert device.version() is None
    with pytest.raises(TrustRefused):
        device.refresh()
    assert device.version() is None


def test_proxies_of_the_environment_are_not_asked(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert device.refresh() is not None


def test_a_power_cut_takes_back_none_of_the_roots_that_were_seen(
    publisher: Publisher, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        ceremony.rotate(publisher.with_drawer, "root", now_ns=publisher.now_ns)
    durable: set[str] = set()
    fsync = os.fsync

    def seen(descriptor: int) -> None:
        durable.add(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", seen)
    device.refresh()
    history = device.folder / "metadata/root_history"
    assert {str(history), *(str(history / f"{version}.root.json") for version in (1, 2, 3))} <= durable


def test_a_stick_that_cannot_be_read_is_not_taken_for_the_own_disk(publisher: Publisher, device: Device) -> None:
    target = device.refresh()
    assert target is not None
    device.base = publisher.public.as_uri()
    # A file that opens and whose every read fails.
    broken = Path("/proc/self/mem")
    (publisher.public / "metadata/timestamp.json").unlink()
    (publisher.public / "metadata/timestamp.json").symlink_to(broken)
    with pytest.raises(RepositoryUnavailable):
        device.refresh()
    manifest = next((publisher.public / "targets/stable/apps/web").iterdir())
    manifest.unlink()
    manifest.symlink_to(broken)
    with pytest.raises(RepositoryUnavailable):
        device.trusted.fetch_manifest(target, "web")
    assert device.version() == 1
