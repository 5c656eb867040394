"""The TUF attack table: whatever a server, a mirror or a thief does, the version that was trusted stays."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from securesystemslib.signer import Signer
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from mosaic.adapters.trust import ceremony, publishing
from mosaic.adapters.trust.ceremony import Quorum
from mosaic.adapters.trust.key_folder import KeyFolder
from mosaic.adapters.trust.refusals import (
    RepositoryUnavailable,
    TrustExpired,
    TrustMixed,
    TrustRefused,
    TrustRollback,
    TrustTooLarge,
    TrustTooSlow,
    TrustUnreadable,
    TrustUnsigned,
)
from mosaic.adapters.trust.repository import Repository
from mosaic.core.expiry import DAY_SECONDS, Periods
from mosaic.core.roll_out import EVERYONE
from mosaic.core.target import Target, custom
from support.target_world import DAY_NS, Device, Mirror, Publisher, changed, release, served

pytestmark = pytest.mark.long


def _read(publisher: Publisher, name: str) -> bytes:
    return (publisher.public / "metadata" / name).read_bytes()


def _refused(device: Device, kind: type[TrustRefused], *, version: int = 1) -> None:
    """Hold that a refresh is refused as `kind`, and that the version is the trusted one, before and after a restart."""
    assert device.version() == version
    with pytest.raises(TrustRefused) as caught:
        device.refresh()
    assert type(caught.value) is kind
    assert device.version() == version


# Rollback


def test_a_timestamp_that_is_older_than_one_that_was_seen_is_refused(
    publisher: Publisher, mirror: Mirror, device: Device
) -> None:
    older = _read(publisher, "timestamp.json")
    publisher.publish("two")
    device.refresh()
    mirror.lies["timestamp.json"] = older
    _refused(device, TrustRollback, version=2)


def test_a_snapshot_that_takes_a_channel_back_is_refused(publisher: Publisher, mirror: Mirror, device: Device) -> None:
    older = publisher.alone.edition().snapshot.signed.meta["channel-stable.json"]
    publisher.publish("two")
    device.refresh()
    thief = Thief(publisher, mirror)
    thief.snapshot.signed.meta["channel-stable.json"] = older
    thief.serve()
    _refused(device, TrustRollback, version=2)


def test_a_whole_repository_of_yesterday_is_refused(publisher: Publisher, mirror: Mirror, device: Device) -> None:
    yesterday = publisher.copy(publisher.folder.with_name("yesterday"))
    publisher.publish("two")
    device.refresh()
    mirror.folder = yesterday.public
    _refused(device, TrustRollback, version=2)


# Freeze and expiry


def test_a_repository_that_is_held_back_is_refused_when_its_timestamp_expires(
    publisher: Publisher, mirror: Mirror, device: Device
) -> None:
    mirror.lies["timestamp.json"] = _read(publisher, "timestamp.json")
    publisher.publish("two")
    publisher.now_ns += 6 * DAY_NS
    assert device.refresh() == device.trusted.last(device.taker)
    publisher.now_ns += DAY_NS
    _refused(device, TrustExpired)


@pytest.mark.parametrize("role", ["root", "targets", "channel", "snapshot"])
def test_expired_metadata_of_any_role_is_refused_though_the_timestamp_is_fresh(tmp_path: Path, role: str) -> None:
    publisher = Publisher(tmp_path / "short")
    short = Periods(**{role: 2 * DAY_SECONDS})
    world = publisher.with_drawer
    made = Repository(world.files, world.online, world.offline, short)
    publisher.root = ceremony.create(made, channels=["stable"], now_ns=publisher.now_ns)
    publishing.publish(
        made, channel="stable", hardware=["generic-amd64"], apps={"web": release("web", "1")}, now_ns=publisher.now_ns
    )
    with served(publisher.public) as mirror:
        device = mirror.device(tmp_path / "device", publisher)
        device.refresh()
        for key in (publisher.folder / "online").glob("channel-*.key"):
            key.unlink()
        publisher.now_ns += 2 * DAY_NS
        # With long periods the snapshot is not due for two days, so only the timestamp is fresh.
        publishing.refresh(publisher.alone, now_ns=publisher.now_ns)
        if role == "snapshot":
            mirror.lies.update(_with_old_snapshot(publisher))
        _refused(device, TrustExpired)


def _with_old_snapshot(publisher: Publisher) -> dict[str, bytes | Callable[[BaseHTTPRequestHandler], None]]:
    """Return what a thief of the timestamp's key would serve: a fresh timestamp that names the expired snapshot."""
    edition = publisher.alone.edition()
    first = _read(publisher, "2.snapshot.json")
    edition.timestamp.signed.version += 1
    edition.timestamp.signed.snapshot_meta = MetaFile.from_data(2, first, ["sha256"])
    edition.timestamp.sign(_signer(publisher, "timestamp"))
    return {"timestamp.json": edition.timestamp.to_bytes()}


def test_the_time_that_is_given_decides_and_not_the_machines(publisher: Publisher, device: Device) -> None:
    publisher.now_ns += 3650 * DAY_NS
    _refused(device, TrustExpired)
    publisher.now_ns -= 3650 * DAY_NS
    assert device.refresh() is not None


# Mix-and-match


@pytest.mark.parametrize("role", ["snapshot", "channel-stable"])
def test_files_of_different_editions_are_refused_together(
    publisher: Publisher, mirror: Mirror, device: Device, role: str
) -> None:
    older = _read(publisher, publisher.named(role))
    publisher.publish("two")
    mirror.lies[publisher.named(role)] = older
    _refused(device, TrustMixed)


# Fast-forward


def test_a_thief_who_counted_far_ahead_is_undone_by_new_snapshot_and_timestamp_keys(
    publisher: Publisher, mirror: Mirror, device: Device
) -> None:
    thief = Thief(publisher, mirror)
    thief.snapshot.signed.version = thief.timestamp.signed.version = 2**31
    thief.snapshot.signed.meta["channel-stable.json"].version = 2**31
    thief.serve()
    # The thief cannot make the channel's file that he counted up to, so there is none.
    with pytest.raises(RepositoryUnavailable):
        device.refresh()
    mirror.lies.clear()
    publisher.publish("two")
    _refused(device, TrustRollback)
    for role in ("snapshot", "timestamp"):
        ceremony.rotate(publisher.with_drawer, role, now_ns=publisher.now_ns)
    device.refresh()
    assert device.version() == 2


# Endless data and slow retrieval


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "channel-stable"])
def test_data_without_an_end_is_refused(publisher: Publisher, mirror: Mirror, device: Device, role: str) -> None:
    publisher.publish("two")
    mirror.lies["2.root.json" if role == "root" else publisher.named(role)] = _endless
    _refused(device, TrustTooLarge)


@pytest.mark.parametrize("at", ["before the answer", "in the headers", "in the body"])
def test_data_that_drips_is_refused_at_the_deadline(
    publisher: Publisher, mirror: Mirror, device: Device, at: str
) -> None:
    publisher.publish("two")
    device.seconds = 0.5
    with _dripping(at) as drip:
        mirror.lies["timestamp.json"] = drip
        _refused(device, TrustTooSlow)
    mirror.lies.clear()
    device.seconds = 60
    device.refresh()
    assert device.version() == 2


# Extraneous roots


def test_a_root_that_a_stranger_signed_is_refused(
    publisher: Publisher, mirror: Mirror, device: Device, tmp_path: Path
) -> None:
    stranger = Publisher(tmp_path / "stranger").create("stable")
    stranger.publish("evil")
    ceremony.rotate(stranger.with_drawer, "root", now_ns=stranger.now_ns)
    mirror.folder = stranger.public
    _refused(device, TrustUnsigned)


def test_a_root_that_too_few_signed_is_refused(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "two of three")
    publisher.root = ceremony.create(
        publisher.with_drawer, channels=["stable"], now_ns=publisher.now_ns, root=Quorum(3, 2)
    )
    publisher.publish("one")
    with served(publisher.public) as mirror:
        device = mirror.device(tmp_path / "device", publisher)
        device.refresh()
        ceremony.rotate(publisher.with_drawer, "timestamp", now_ns=publisher.now_ns)
        whole = json.loads(_read(publisher, "2.root.json"))
        whole["signatures"] = whole["signatures"][:1]
        mirror.lies["2.root.json"] = json.dumps(whole).encode()
        _refused(device, TrustUnsigned)
        mirror.lies.clear()
        assert device.refresh() is not None


def test_a_root_that_leaves_one_out_is_refused(publisher: Publisher, mirror: Mirror, device: Device) -> None:
    for _ in range(2):
        ceremony.rotate(publisher.with_drawer, "root", now_ns=publisher.now_ns)
    whole = Metadata[Root].from_bytes(_read(publisher, "3.root.json"))
    for signer in _signers(publisher, "drawer", "root"):
        whole.sign(signer, append=True)
    mirror.lies["2.root.json"] = whole.to_bytes()
    _refused(device, TrustRollback)


# Wrong bytes


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "channel-stable"])
def test_one_changed_word_in_any_file_is_refused(
    publisher: Publisher, mirror: Mirror, device: Device, role: str
) -> None:
    publisher.publish("two")
    name = publisher.named(role)
    mirror.lies[name] = changed(_read(publisher, name), {"expires": "2035-01-01T00:00:00Z"})
    _refused(device, TrustUnsigned if role == "timestamp" else TrustTooLarge)
    mirror.lies[name] = _read(publisher, name).replace(b"2027", b"2028")
    _refused(device, TrustUnsigned if role == "timestamp" else TrustMixed)


@pytest.mark.parametrize("lie", [b"", b"<html>", b"[" * 10_000, b"{}", b"\xff\xfe"])
def test_what_is_no_metadata_is_refused(publisher: Publisher, mirror: Mirror, device: Device, lie: bytes) -> None:
    publisher.publish("two")
    mirror.lies["timestamp.json"] = lie
    _refused(device, TrustUnreadable)


@pytest.mark.parametrize("wrong", ["hash", "length", "longer"])
def test_a_manifest_of_another_hash_or_length_is_refused(
    publisher: Publisher, mirror: Mirror, device: Device, wrong: str
) -> None:
    target = device.refresh()
    assert target is not None
    right = release("web", "one").manifest
    lie = {"hash": right.replace(b"one", b"two"), "length": right[:-1], "longer": right + b" "}[wrong]
    hex_digest = target.apps["web"].rpartition(":")[2]
    mirror.lies[f"{hex_digest}.{hex_digest}"] = lie
    with pytest.raises(TrustRefused) as caught:
        device.trusted.fetch_manifest(target, "web")
    assert type(caught.value) is (TrustTooLarge if wrong == "longer" else TrustMixed)
    with pytest.raises(TrustMixed):
        device.trusted.check_manifest(target, "web", lie)
    mirror.lies.clear()
    assert device.trusted.fetch_manifest(target, "web") == right


# Stolen keys


def test_snapshot_and_timestamp_keys_alone_make_no_app_accepted(
    publisher: Publisher, mirror: Mirror, device: Device, tmp_path: Path
) -> None:
    thief = Thief(publisher, mirror)
    thief.add("stable", "stable/generic-amd64-2", signed_by=_stranger(tmp_path))
    thief.serve()
    _refused(device, TrustUnsigned)


def test_a_channels_key_says_nothing_of_another_channel(
    publisher: Publisher, mirror: Mirror, device: Device, tmp_path: Path
) -> None:
    publisher.publish("one", channel="beta")
    beta = mirror.device(tmp_path / "beta", publisher, channel="beta")
    beta.refresh()
    thief = Thief(publisher, mirror)
    # The key of beta's role, and of what is online: all but stable's own.
    thief.add("beta", "stable/generic-amd64-9", signed_by=_signer(publisher, "channel-beta"))
    thief.serve()
    beta.refresh()
    device.refresh()
    assert (device.version(), beta.version()) == (1, 2)
    thief.add("stable", "stable/generic-amd64-9", signed_by=_signer(publisher, "channel-beta"))
    thief.serve()
    _refused(device, TrustUnsigned)


def test_what_a_stolen_channel_key_signs_counts_no_more_after_its_rotation(
    publisher: Publisher, mirror: Mirror, device: Device
) -> None:
    stolen = _signer(publisher, "channel-stable")
    ceremony.rotate(publisher.with_drawer, "channel-stable", now_ns=publisher.now_ns)
    publisher.publish("two")
    device.refresh()
    thief = Thief(publisher, mirror)
    thief.add("stable", "stable/generic-amd64-9", signed_by=stolen)
    thief.serve()
    _refused(device, TrustUnsigned, version=2)
    mirror.lies.clear()
    # The thief's timestamp was seen; those keys are as stolen as his, and are replaced too.
    for role in ("snapshot", "timestamp"):
        ceremony.rotate(publisher.with_drawer, role, now_ns=publisher.now_ns)
    publisher.publish("three")
    device.refresh()
    assert device.version() == 3


def test_a_device_that_was_away_while_every_key_changed_twice_follows(
    publisher: Publisher, mirror: Mirror, device: Device
) -> None:
    for text in ("two", "three"):
        for role in ("root", "timestamp", "root", "channel-stable", "snapshot", "targets"):
            ceremony.rotate(publisher.with_drawer, role, now_ns=publisher.now_ns)
        publisher.publish(text)
    mirror.asked.clear()
    device.refresh()
    assert device.version() == 3
    assert [name for name in mirror.asked if "root" in name] == [f"/metadata/{n}.root.json" for n in range(2, 13)]


class Thief:
    """Signs with the stolen keys of snapshot and timestamp, and serves what it signed."""

    def __init__(self, publisher: Publisher, mirror: Mirror) -> None:
        edition = publisher.alone.edition()
        self._publisher = publisher
        self._mirror = mirror
        self._channels: dict[str, Metadata[Targets]] = edition.channels
        self.snapshot: Metadata[Snapshot] = edition.snapshot
        self.timestamp: Metadata[Timestamp] = edition.timestamp

    def add(self, channel: str, path: str, *, signed_by: Signer) -> None:
        """List an evil app in a channel's role, signed with whatever key there is."""
        app = release("web", "evil")
        name, _, version = path.partition("/")[2].rpartition("-")
        target = Target(path.partition("/")[0], name, int(version), {"web": app.uri}, 0, roll_out=EVERYONE)
        entry = TargetFile.from_data(path, b"evil", ["sha256"])
        entry.unrecognized_fields["custom"] = custom(target)
        role = self._channels[f"channel-{channel}"]
        role.signed.targets[path] = entry
        if channel == "beta":
            own = Target("beta", name, 2, {"web": app.uri}, 0)
            mine = TargetFile.from_data(own.path, b"evil", ["sha256"])
            mine.unrecognized_fields["custom"] = custom(own)
            role.signed.targets[own.path] = mine
        role.signed.version += 1
        role.sign(signed_by)
        content = role.to_bytes()
        file_name = f"channel-{channel}.json"
        self.snapshot.signed.meta[file_name] = MetaFile.from_data(role.signed.version, content, ["sha256"])
        self._mirror.lies[f"{role.signed.version}.{file_name}"] = content

    def serve(self) -> None:
        """Sign the snapshot and the timestamp, and let the mirror serve them."""
        self.snapshot.signed.version += 1
        self.snapshot.sign(_signer(self._publisher, "snapshot"))
        content = self.snapshot.to_bytes()
        version = self.snapshot.signed.version
        self.timestamp.signed.version += 1
        self.timestamp.signed.snapshot_meta = MetaFile.from_data(version, content, ["sha256"])
        self.timestamp.sign(_signer(self._publisher, "timestamp"))
        self._mirror.lies[f"{version}.snapshot.json"] = content
        self._mirror.lies["timestamp.json"] = self.timestamp.to_bytes()


def _signer(publisher: Publisher, role: str) -> Signer:
    keys = KeyFolder(publisher.folder / "online")
    signer = keys.signer(publisher.alone.edition().keyids(role)[0])
    assert signer is not None
    return signer


def _signers(publisher: Publisher, folder: str, role: str) -> Iterator[Signer]:
    keys = KeyFolder(publisher.folder / folder)
    for version in range(1, publisher.alone.edition().root.signed.version + 1):
        root = Metadata[Root].from_bytes(_read(publisher, f"{version}.root.json")).signed
        for keyid in root.roles[role].keyids:
            if (signer := keys.signer(keyid)) is not None:
                yield signer


def _stranger(folder: Path) -> Signer:
    keys = KeyFolder(folder / "stranger")
    signer = keys.signer(keys.draw("channel-stable").keyid)
    assert signer is not None
    return signer


def _endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b" " * 65536)
    except OSError:
        handler.close_connection = True


@contextmanager
def _dripping(at: str) -> Iterator[Callable[[BaseHTTPRequestHandler], None]]:
    """Return an answer that comes byte by byte until the block is left."""
    over = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        try:
            if at == "in the headers":
                handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
            if at == "in the body":
                handler.send_response(200)
                handler.send_header("Content-Length", "10000")
                handler.end_headers()
            while not over.wait(0.02):
                if at != "before the answer":
                    handler.wfile.write(b"x")
        except OSError:
            handler.close_connection = True

    try:
        yield drip
    finally:
        over.set()
