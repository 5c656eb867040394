"""What publishing writes: a new version only when something changed, real files, and no key from the drawer."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mosaic.adapters.trust import ceremony, publishing
from mosaic.adapters.trust.edition import RepositoryAltered, RepositoryMoved
from mosaic.adapters.trust.key_folder import SigningKeyMissing
from mosaic.adapters.trust.public_files import TIMESTAMP, PublicFiles, RepositoryInUse
from mosaic.adapters.trust.publishing import ManifestDiffers, PublishedMeanwhile, VersionMissing, publish
from mosaic.adapters.trust.refusals import ChannelMissing
from mosaic.adapters.trust.standing import standing, warnings
from mosaic.core.ids import DeviceId
from mosaic.core.roll_out import RollOut
from mosaic.core.target import TargetUnusable
from mosaic.core.target_choice import Taker
from support.target_world import AMD64, DAY_NS, NOW_NS, Device, Publisher, release


def test_the_publishing_machine_needs_no_key_of_root_or_targets(publisher: Publisher) -> None:
    for key in (publisher.folder / "drawer").iterdir():
        key.unlink()
    assert publisher.publish("two").targets[0].version == 2


def test_versions_count_through_the_whole_repository(publisher: Publisher) -> None:
    assert publisher.publish("one", channel="beta").targets[0].version == 2
    assert publisher.publish("two").targets[0].version == 3
    assert [one.path for one in publisher.alone.targets()] == [
        "stable/generic-amd64-3",
        "beta/generic-amd64-2",
        "stable/generic-amd64-1",
    ]


def test_a_version_that_left_the_list_is_not_counted_again(publisher: Publisher) -> None:
    publisher.publish("two", channel="beta")
    edition = publisher.alone.edition()
    assert publishing.next_version(edition) == 3
    edition.channels["channel-beta"].signed.targets.clear()
    assert publishing.next_version(edition) == 3


def test_nothing_changed_is_no_new_version_unless_forced(publisher: Publisher) -> None:
    timestamp = (publisher.public / "metadata/timestamp.json").read_bytes()
    again = publisher.publish("one")
    assert not again.is_new
    assert again.targets[0].version == 1
    assert (publisher.public / "metadata/timestamp.json").read_bytes() == timestamp
    forced = publisher.publish("one", forced=True)
    assert forced.is_new
    assert (forced.targets[0].version, forced.targets[0].apps) == (2, again.targets[0].apps)


def test_one_version_can_be_for_several_kinds_of_hardware(publisher: Publisher) -> None:
    published = publisher.publish("two", hardware=["generic-amd64", "raspberrypi3-64"])
    assert [one.path for one in published.targets] == ["stable/generic-amd64-2", "stable/raspberrypi3-64-2"]
    assert not publisher.publish("two", hardware=["raspberrypi3-64"]).is_new


def test_every_target_is_a_real_file_with_the_hash_and_length_that_are_signed(publisher: Publisher) -> None:
    entries = publisher.alone.edition().channels["channel-stable"].signed.targets
    manifest = release("web", "one")
    assert sorted(entries) == [
        "stable/apps/web/" + manifest.uri.rpartition(":")[2],
        "stable/generic-amd64-1",
    ]
    for entry in entries.values():
        (name,) = entry.get_prefixed_paths()
        content = (publisher.public / "targets" / name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (entry.length, entry.hashes["sha256"])
    (name,) = entries["stable/generic-amd64-1"].get_prefixed_paths()
    told = json.loads((publisher.public / "targets" / name).read_bytes())
    assert told["docker_compose_apps"] == {"web": {"uri": manifest.uri}}
    assert told["commit"] == "0123abc"


def test_who_takes_a_version_changes_and_what_it_is_does_not(publisher: Publisher) -> None:
    before = publisher.alone.edition().channels["channel-stable"].signed.targets["stable/generic-amd64-1"]
    (changed,) = publishing.set_roll_out(publisher.alone, 1, RollOut(0, frozenset({"canary"})), now_ns=NOW_NS)
    after = publisher.alone.edition().channels["channel-stable"].signed.targets["stable/generic-amd64-1"]
    assert publisher.alone.targets() == [changed]
    assert after.hashes == before.hashes


def test_a_staged_roll_out_reaches_a_group_then_all_and_a_pause_holds_it(publisher: Publisher, device: Device) -> None:
    canary = Device(device.folder.with_name("canary"), publisher, device.base, taker=replace(AMD64, group="canary"))
    publisher.publish("two", roll_out=RollOut(0, frozenset({"canary"})))
    device.refresh(), canary.refresh()
    assert (device.version(), canary.version()) == (1, 2)
    publishing.set_roll_out(publisher.alone, 2, RollOut(paused=True), now_ns=NOW_NS)
    canary.taker = replace(canary.taker, holds=2)
    device.refresh(), canary.refresh()
    assert (device.version(), canary.version()) == (1, 2)
    publishing.set_roll_out(publisher.alone, 2, RollOut(), now_ns=NOW_NS)
    device.refresh()
    assert device.version() == 2


def test_a_device_takes_only_what_is_for_its_hardware(publisher: Publisher, device: Device) -> None:
    publisher.publish("two", hardware=["raspberrypi3-64"])
    device.refresh()
    assert device.version() == 1
    device.taker = Taker("raspberrypi3-64", DeviceId("e" * 32))
    assert device.version() == 2
    device.taker = Taker("riscv64", DeviceId("e" * 32))
    assert device.refresh() is None


def test_old_versions_leave_the_list_and_their_files_stay(publisher: Publisher) -> None:
    files = set((publisher.public / "targets").rglob("*"))
    for text in ("two", "three"):
        publish(
            publisher.alone,
            channel="stable",
            hardware=["generic-amd64"],
            apps={"web": release("web", text)},
            now_ns=NOW_NS,
            kept_versions=2,
        )
    entries = publisher.alone.edition().channels["channel-stable"].signed.targets
    assert sorted(path for path in entries if "apps" not in path) == [
        "stable/generic-amd64-2",
        "stable/generic-amd64-3",
    ]
    assert len(entries) == 4
    assert files <= set((publisher.public / "targets").rglob("*"))


def test_a_withdrawn_version_sends_devices_back_and_its_number_is_not_used_again(
    publisher: Publisher, device: Device
) -> None:
    publisher.publish("evil")
    device.refresh()
    (withdrawn,) = publishing.withdraw(publisher.alone, 2, now_ns=NOW_NS)
    assert withdrawn.version == 2
    device.taker = replace(AMD64, holds=2)
    device.refresh()
    assert device.version() == 1
    assert publisher.publish("two").targets[0].version == 3


def test_what_cannot_be_published_changes_nothing(publisher: Publisher) -> None:
    before = {path: path.read_bytes() for path in publisher.public.rglob("*") if path.is_file()}
    app = release("web", "two")
    for apps, channel, hardware, kind in (
        ({"web": replace(app, manifest=b"{}")}, "stable", "generic-amd64", ManifestDiffers),
        ({"web": replace(app, uri="registry.example/web:latest")}, "stable", "generic-amd64", TargetUnusable),
        ({"../web": app}, "stable", "generic-amd64", TargetUnusable),
        ({"web": app}, "stable", "../generic", TargetUnusable),
        ({"web": app}, "nightly", "generic-amd64", ChannelMissing),
    ):
        with pytest.raises(kind):
            publish(publisher.alone, channel=channel, hardware=[hardware], apps=apps, now_ns=NOW_NS)
    with pytest.raises(VersionMissing):
        publishing.set_roll_out(publisher.alone, 7, RollOut(), now_ns=NOW_NS)
    with pytest.raises(VersionMissing):
        publishing.withdraw(publisher.alone, 7, now_ns=NOW_NS)
    with pytest.raises(TargetUnusable):
        publisher.publish("two", hardware=[])
    next((publisher.folder / "online").glob("channel-stable-*.key")).unlink()
    with pytest.raises(SigningKeyMissing):
        publisher.publish("two")
    assert {path: path.read_bytes() for path in publisher.public.rglob("*") if path.is_file()} == before


def test_a_publisher_waits_for_another_one_and_not_for_ever(publisher: Publisher) -> None:
    hurried = replace(publisher.alone, files=PublicFiles(publisher.public, patience_seconds=0.05))
    with publisher.files.locked(), pytest.raises(RepositoryInUse):
        publishing.refresh(hurried, now_ns=NOW_NS)
    publishing.refresh(hurried, now_ns=NOW_NS)
    assert publisher.publish("two").is_new


def test_of_two_publishers_at_once_neither_loses_a_version_and_no_number_comes_twice(publisher: Publisher) -> None:
    rounds = range(20)
    script = Path(__file__).with_name("publishing_rounds.py")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    words = [sys.executable, str(script), str(publisher.folder), str(len(rounds))]
    both = [subprocess.Popen([*words, who], env=environment) for who in ("a", "b")]
    assert [one.wait(300) for one in both] == [0, 0]
    listed = publisher.alone.targets()
    assert [one.version for one in listed] == list(range(41, 0, -1))
    expected = {release("web", f"{who}{number}").uri for who in ("a", "b") for number in rounds}
    assert {one.apps["web"] for one in listed} == expected | {release("web", "one").uri}


@pytest.mark.parametrize("name", ["my_app", "Web", "a.b", "w" * 41])
def test_an_app_that_no_hive_could_install_is_not_signed(publisher: Publisher, name: str) -> None:
    with pytest.raises(TargetUnusable, match="cannot be an app's name: use 1–40 lower-case"):
        publish(publisher.alone, channel="stable", hardware=["a"], apps={name: release("web", "two")}, now_ns=NOW_NS)
    assert len(publisher.alone.targets()) == 1


def test_a_version_that_was_published_meanwhile_is_told_and_nothing_is_signed(publisher: Publisher) -> None:
    publisher.publish("two")
    before = publisher.alone.targets()
    with pytest.raises(PublishedMeanwhile, match="generic-amd64-2 is its newest") as told:
        publisher.publish("three", known=1)
    assert told.value.newest == before[0]
    assert publisher.alone.targets() == before
    assert publisher.publish("three", known=2).is_new


def test_an_edition_that_somebody_put_there_past_the_lock_is_not_overwritten(publisher: Publisher) -> None:
    strangers = publisher.copy(publisher.folder.with_name("other"))
    strangers.publish("theirs")
    theirs = strangers.files.get(TIMESTAMP)
    assert theirs is not None
    with pytest.raises(RepositoryMoved), publisher.alone.revising(NOW_NS) as revision:
        publisher.files.put(TIMESTAMP, theirs)
        revision.write(publisher.files, [])
    assert publisher.files.get(TIMESTAMP) == theirs


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets", "channel-stable"])
def test_a_publisher_signs_nothing_on_top_of_what_somebody_put_into_the_folder(publisher: Publisher, role: str) -> None:
    path = publisher.public / "metadata" / publisher.named(role)
    path.write_bytes(path.read_bytes().replace(b'"expires":"20', b'"expires":"21'))
    with pytest.raises(RepositoryAltered):
        publisher.publish("two")


def test_a_publisher_does_not_follow_a_strangers_root(publisher: Publisher, first_edition: Publisher) -> None:
    stranger = Publisher(publisher.folder.with_name("stranger")).create("stable")
    ceremony.rotate(stranger.with_drawer, "root", now_ns=NOW_NS)
    for name in ("1.root.json", "2.root.json", "timestamp.json"):
        (publisher.public / "metadata" / name).write_bytes((stranger.public / "metadata" / name).read_bytes())
    with pytest.raises(RepositoryAltered):
        publisher.publish("two")


def test_a_daily_refresh_keeps_what_a_machine_signs_good(publisher: Publisher, device: Device) -> None:
    for _ in range(100):
        publisher.now_ns += 2 * DAY_NS
        publishing.refresh(publisher.alone, now_ns=publisher.now_ns)
    device.refresh()
    assert device.version() == 1
    assert warnings(standing(publisher.alone, now_ns=publisher.now_ns)) == []


def test_what_expires_is_said_before_it_does(publisher: Publisher) -> None:
    found = standing(publisher.alone, now_ns=NOW_NS)
    assert [one.role for one in found] == [
        "timestamp", "snapshot", "channel-stable", "channel-beta", "root", "targets",
    ]  # fmt: skip
    assert {one.role: one.at_hand for one in found if one.at_hand == 0} == {"root": 0, "targets": 0}
    assert warnings(found) == []
    soon = warnings(standing(publisher.alone, now_ns=NOW_NS + 6 * DAY_NS))
    assert soon == ["timestamp expires soon: sign it again"]
    late = warnings(standing(publisher.alone, now_ns=NOW_NS + 365 * DAY_NS))
    assert "root has expired: fetch its keys, of which 1 must sign it again" in late
