"""An earlier state takes the place of the present: which of the two is there is always clear, and none is lost."""

import contextlib
from pathlib import Path

import pytest

from mosaic.adapters.hive_blobs import HiveConnection
from mosaic.adapters.storage_client import StorageRefused, StorageSilent
from mosaic.crypto.hashing import head_hash
from mosaic.storage import going_back
from mosaic.storage.upstreams import Connected, Upstreams
from mosaic.wire.head import parse
from mosaic.wire.storage import GoBack, SetAside, SnapshotNow, Upstream
from support.fake_hive_blobs import FakeHive
from support.storage_daemon import APP, VOLUME, TestDaemon, place, running
from support.waiting import eventually

pytestmark = pytest.mark.btrfs


def chain(hive: FakeHive) -> None:
    """Assert that every head follows the one before it."""
    signed = hive.volume(VOLUME).heads
    heads = [parse(one)[0] for one in signed]
    assert [head.seq for head in heads] == list(range(1, len(heads) + 1))
    assert [head.instant_ns for head in heads] == sorted(head.instant_ns for head in heads)


def test_an_earlier_snapshot_takes_the_place_of_the_present_and_is_the_next_head(
    hive: FakeHive, here: TestDaemon
) -> None:
    here.take(hive)
    first = here.replicated_page(b"one")
    second = here.replicated_page(b"two")

    here.go_back(first)
    after = here.wait_until_back()

    assert (after.phase, after.problem) == ("ready", None)
    assert after.went_back is not None and after.went_back.saved == second
    assert here.read_page() == b"one"
    state = here.wait_until_clean()
    newest, _ = parse(hive.volume(VOLUME).heads[-1])
    assert state.local_head == hive.volume(VOLUME).newest
    assert (newest.root, newest.previous) == (wanted_root(hive, first), second)
    assert [wish for wish in hive.wishes if wish] == ["1"]
    assert (newest.app_digest, newest.config_revision) == (bytes.fromhex(APP.removeprefix("sha256:")), 2)
    chain(hive)


def test_who_does_not_say_what_the_data_belongs_to_leaves_it_at_what_the_heads_say(
    hive: FakeHive, here: TestDaemon, there: TestDaemon
) -> None:
    """G7: data vouches for what wrote it, so a Device writes no digest into a head that nobody vouched for."""
    here.take(hive)
    first = here.replicated_page(b"one")
    here.hand_over()
    there.take(hive, app_digest="sha256:" + "cd" * 32)
    there.wait_for_phase("ready")
    there.replicated_page(b"two")
    there.hand_over()

    here.take(hive, app_digest=None)
    here.wait_for_phase("ready")
    here.replicated_page(b"three")
    assert named(hive) == bytes.fromhex("cd" * 32)
    here.go_back(first, app_digest=None)
    here.wait_until_back()
    here.wait_until_clean()
    assert named(hive) == bytes.fromhex("ab" * 32)


def named(hive: FakeHive) -> bytes | None:
    return parse(hive.volume(VOLUME).heads[-1])[0].app_digest


def wanted_root(hive: FakeHive, head: str) -> bytes:
    return next(parse(one)[0].root for one in hive.volume(VOLUME).heads if head_hash(one) == head)


def test_what_was_not_replicated_yet_is_saved_before_anything_is_touched(hive: FakeHive, here: TestDaemon) -> None:
    here.take(hive)
    first = here.replicated_page(b"one")
    here.create()
    (here.mount() / "page").write_bytes(b"just now")
    here.unmount()

    here.go_back(first)
    went = here.wait_until_back().went_back

    assert went is not None and went.saved not in (None, first)
    assert here.read_page() == b"one"
    here.go_back(went.saved, request="2")
    here.wait_until_back(request="2")
    assert here.read_page() == b"just now"
    chain(hive)


def test_going_back_and_forth_ends_where_it_began(hive: FakeHive, here: TestDaemon) -> None:
    here.take(hive)
    heads = {content: here.replicated_page(content) for content in (b"one", b"two", b"three")}
    for number, content in enumerate([b"one", b"three", b"two", b"two", b"one", b"three"]):
        here.go_back(heads[content], request=f"r{number}")
        here.wait_until_back(request=f"r{number}")
        assert here.read_page() == content
    here.wait_until_clean()
    assert here.volume().conflicts == []
    chain(hive)


def test_what_the_app_writes_afterwards_goes_on_from_the_earlier_state(
    hive: FakeHive, here: TestDaemon, there: TestDaemon
) -> None:
    here.take(hive)
    first = here.replicated_page(b"one")
    here.replicated_page(b"two")
    here.go_back(first)
    here.wait_until_back()
    (here.mount() / "more").write_bytes(b"later")
    here.unmount()
    here.hand_over()
    there.take(hive, expect_data=True)
    there.wait_for_phase("ready")
    there.create()
    folder = there.mount()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"page": b"one", "more": b"later"}
    there.unmount()


@pytest.mark.parametrize("earlier", [b"one", b"two"], ids=["another content", "the same content"])
def test_where_packs_were_condemned_the_next_head_goes_on_from_the_present(
    hive: FakeHive, here: TestDaemon, monkeypatch: pytest.MonkeyPatch, earlier: bytes
) -> None:
    monkeypatch.setattr(going_back, "_condemns", lambda *_: True)
    here.take(hive)
    heads = {b"one": here.replicated_page(b"one"), b"two": here.replicated_page(b"two")}
    # How many there are is luck: one of the empty volume is made if the daemon comes before the first write.
    before = len(hive.volume(VOLUME).heads)
    here.go_back(heads[earlier])
    here.wait_until_back()
    eventually(lambda: len(hive.volume(VOLUME).heads) > before and here.volume().clean, seen=lambda: here.volume())
    assert len(hive.volume(VOLUME).heads) == before + 1
    assert here.read_page() == earlier
    newest, _ = parse(hive.volume(VOLUME).heads[-1])
    assert newest.previous == heads[b"two"]
    chain(hive)
    assert [wish for wish in hive.wishes if wish] == ["1"]


def test_nothing_is_touched_while_a_container_uses_the_volume(hive: FakeHive, here: TestDaemon) -> None:
    here.take(hive)
    first = here.replicated_page(b"one")
    here.mount()
    with pytest.raises(StorageRefused, match="still mounted"):
        here.go_back(first)
    assert here.volume().phase == "ready"
    here.unmount()


def test_no_container_starts_while_the_volume_goes_back(hive: FakeHive, here: TestDaemon) -> None:
    here.take(hive)
    first = here.replicated_page(b"one")
    (here.mount() / "page").write_bytes(b"two")
    here.unmount()
    hive.may_commit.clear()
    here.go_back(first)
    try:
        assert "goes back to an earlier snapshot" in here.refusal()
    finally:
        hive.may_commit.set()
    here.wait_until_back()


def test_the_same_request_again_does_nothing(hive: FakeHive, here: TestDaemon) -> None:
    here.take(hive)
    first = here.replicated_page(b"one")
    here.replicated_page(b"two")
    here.go_back(first)
    here.wait_until_back()
    here.replicated_page(b"three")
    here.go_back(first)
    assert here.volume().phase == "ready"
    assert here.read_page() == b"three"


def test_a_device_that_does_not_hold_the_volume_cannot_go_back(
    hive: FakeHive, here: TestDaemon, there: TestDaemon
) -> None:
    epoch = here.take(hive)
    first = here.replicated_page(b"one")
    here.hand_over()
    there.take(hive, expect_data=True)
    there.wait_for_phase("ready")
    with pytest.raises(StorageRefused, match="is held in no epoch here"):
        here.client.go_back(GoBack(VOLUME, epoch, "1", first, APP, 1))
    assert there.read_page() == b"one"


def test_a_holder_that_is_fenced_while_it_saves_keeps_the_present_aside_and_goes_nowhere(
    hive: FakeHive, here: TestDaemon, there: TestDaemon
) -> None:
    here.take(hive)
    first = here.replicated_page(b"one")
    (here.mount() / "page").write_bytes(b"only here")
    here.unmount()
    hive.grant(VOLUME, there.token)
    here.go_back(first)
    eventually(lambda: here.volume().conflicts, seen=lambda: here.volume())
    (kept,) = here.wait_for_phase("set-aside").conflicts
    assert (Path(kept.path) / "data" / "page").read_bytes() == b"only here"
    assert hive.volume(VOLUME).newest == first


def test_fenced_before_the_earlier_state_was_confirmed_both_states_are_still_there(
    hive: FakeHive, here: TestDaemon, there: TestDaemon
) -> None:
    here.take(hive)
    first = here.replicated_page(b"one")
    second = here.replicated_page(b"two")
    hive.may_commit.clear()
    here.go_back(first)
    here.wait_until_back()
    (here.mount() / "page").write_bytes(b"one and more")
    here.unmount()
    epoch, base = hive.grant(VOLUME, there.token)
    hive.may_commit.set()
    here.client.set_aside(SetAside(VOLUME, "granted to another"))
    assert base == second
    there.hold(epoch, base, expect_data=True)
    there.wait_for_phase("ready")
    assert there.read_page() == b"two"
    (kept,) = here.volume().conflicts
    assert (Path(kept.path) / "data" / "page").read_bytes() == b"one and more"


def test_granted_again_before_it_was_confirmed_the_same_data_goes_on_under_the_new_epoch(
    hive: FakeHive, here: TestDaemon
) -> None:
    here.take(hive)
    first = here.replicated_page(b"one")
    second = here.replicated_page(b"two")
    hive.may_commit.clear()
    here.go_back(first)
    here.wait_until_back()
    here.take(hive, expect_data=True)
    hive.may_commit.set()
    here.wait_until_clean()
    assert here.read_page() == b"one"
    newest, _ = parse(hive.volume(VOLUME).heads[-1])
    assert (newest.root, newest.previous) == (wanted_root(hive, first), second)
    assert here.volume().conflicts == []


def test_a_state_that_is_damaged_in_the_store_leaves_the_present_where_it_is(hive: FakeHive, here: TestDaemon) -> None:
    here.take(hive)
    first = here.replicated_page(b"one" * 1000)
    before = set(hive.volume(VOLUME).objects)
    here.replicated_page(b"two" * 1000)
    for name in before:
        if name.startswith("p-"):
            content = bytearray(hive.volume(VOLUME).objects[name])
            content[200] ^= 1
            hive.volume(VOLUME).objects[name] = bytes(content)
    here.go_back(first)
    after = here.wait_until_back()
    assert after.went_back is not None and after.went_back.failure is not None
    assert after.phase == "ready"
    assert here.read_page() == b"two" * 1000


def test_a_hive_that_stays_away_ends_the_attempt_and_the_present_goes_on(
    hive: FakeHive, btrfs_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def impatient(_: Upstreams, upstream: Upstream) -> Connected:
        return Connected(upstream, HiveConnection(upstream.url, upstream.token, deadline_seconds=0.3))

    monkeypatch.setattr(Upstreams, "_connect", impatient)
    monkeypatch.setattr(going_back, "PATIENCE", 2)
    with running(btrfs_path, "here", "token-a") as here:
        here.connect(hive)
        here.take(hive)
        first = here.replicated_page(b"one")
        second = here.replicated_page(b"two")
        hive.is_down = True
        here.go_back(first)
        after = here.wait_until_back()
        assert after.went_back is not None and after.went_back.failure is not None
        assert (after.phase, here.read_page()) == ("ready", b"two")
        hive.is_down = False
        here.wait_until_clean()
        assert hive.volume(VOLUME).newest == second


def test_a_final_snapshot_gives_it_up_and_everything_present_is_handed_over(
    hive: FakeHive, here: TestDaemon, there: TestDaemon
) -> None:
    epoch = here.take(hive)
    first = here.replicated_page(b"one")
    (here.mount() / "page").write_bytes(b"two")
    here.unmount()
    hive.may_commit.clear()
    here.go_back(first)
    here.client.snapshot(SnapshotNow(VOLUME, epoch, final=True))
    hive.may_commit.set()
    here.hand_over()
    there.take(hive, expect_data=True)
    there.wait_for_phase("ready")
    assert there.read_page() == b"two"


def test_a_conflict_snapshot_can_take_the_place_of_the_present(
    hive: FakeHive, here: TestDaemon, there: TestDaemon
) -> None:
    here.take(hive)
    here.replicated_page(b"one")
    (here.mount() / "page").write_bytes(b"only here")
    here.unmount()
    epoch, base = hive.grant(VOLUME, there.token)
    here.client.set_aside(SetAside(VOLUME, "granted to another"))
    there.hold(epoch, base, expect_data=True)
    there.wait_for_phase("ready")
    two = there.replicated_page(b"two")
    there.hand_over()
    here.take(hive, expect_data=True)
    (kept,) = here.wait_for_phase("ready").conflicts

    here.go_back(None, conflict=kept.name)
    went = here.wait_until_back().went_back

    assert went is not None and went.failure is None
    saved, _ = parse(next(one for one in hive.volume(VOLUME).heads if parse(one)[0].root == wanted_root(hive, two)))
    assert went.saved is not None and saved.seq >= 2
    assert here.read_page() == b"only here"
    here.wait_until_clean()
    assert [one.name for one in here.volume().conflicts] == [kept.name]
    here.go_back(went.saved, request="2")
    here.wait_until_back(request="2")
    assert here.read_page() == b"two"
    chain(hive)


def test_a_conflict_snapshot_that_is_not_here_is_refused(hive: FakeHive, here: TestDaemon) -> None:
    here.take(hive)
    here.replicated_page(b"one")
    with pytest.raises(StorageRefused, match="has no conflict snapshot"):
        here.go_back(None, conflict="1.1-../../live")
    assert here.volume().phase == "ready"


KILLS = """
import os, signal
from pathlib import Path
from mosaic.adapters import btrfs, ledger
from mosaic.adapters.hive_blobs import HiveHeads
_passed = 0
def _maybe():
    global _passed
    if Path(ARMED).exists():
        _passed += 1
        if _passed == int(Path(ARMED).read_text()):
            os.unlink(ARMED)
            os.kill(os.getpid(), signal.SIGKILL)
def _around(owner, name):
    real = getattr(owner, name)
    def wrapped(*words, **more):
        _maybe()
        found = real(*words, **more)
        _maybe()
        return found
    setattr(owner, name, wrapped)
for _name in ("create", "snapshot", "clone", "delete"):
    _around(btrfs, _name)
_around(Path, "rename")
_around(ledger.Bucket, "put")
_around(HiveHeads, "commit")
"""
"""Before and after each effect that is armed, the daemon counts; it kills itself at the number in the file."""


@pytest.mark.long
@pytest.mark.timeout(600)
def test_killed_before_or_after_any_effect_it_converges_to_the_earlier_state_and_loses_no_snapshot(
    hive: FakeHive, btrfs_path: Path, tmp_path: Path
) -> None:
    armed = tmp_path / "armed"
    with place(btrfs_path, "here", "token-a", interval_seconds=0.05) as daemon:
        daemon.prelude = KILLS.replace("ARMED", repr(str(armed)))
        daemon.start()
        daemon.connect(hive)
        daemon.take(hive)
        first = daemon.replicated_page(b"first")
        # Every third of them: effects have two, so that one run is killed before some, and after others.
        at, was_killed = -2, True
        while was_killed:
            at += 3
            present = b"present %d" % at
            (daemon.mount() / "page").write_bytes(present)
            daemon.unmount()
            before = list(hive.volume(VOLUME).heads)
            armed.write_text(str(at))
            was_killed = asked_until_killed(daemon, first, armed, request=f"r{at}")
            armed.unlink(missing_ok=True)
            if was_killed:
                assert daemon.child is not None
                daemon.child.wait(60)
                daemon.start()
                assert peek(daemon) in (b"first", present, None)
                daemon.go_back(first, request=f"r{at}")
            after = daemon.wait_until_back(request=f"r{at}")
            assert after.went_back is not None and after.went_back.failure is None, f"killed at {at}"
            assert daemon.read_page() == b"first", f"killed at {at}"
            daemon.wait_until_clean()
            assert hive.volume(VOLUME).heads[: len(before)] == before
            assert after.conflicts == []
            chain(hive)
            daemon.go_back(after.went_back.saved, request=f"s{at}")
            daemon.wait_until_back(request=f"s{at}")
            assert daemon.read_page() == present, f"killed at {at}"
    assert at > 20


def peek(daemon: TestDaemon) -> bytes | None:
    """Read if it may be mounted just now."""
    answer = daemon.engine("VolumeDriver.Mount", Name="data", ID="peek")
    if not answer.get("Mountpoint"):
        return None
    content = (Path(str(answer["Mountpoint"])) / "page").read_bytes()
    daemon.unmount(mount_id="peek")
    return content


def asked_until_killed(daemon: TestDaemon, head: str, armed: Path, *, request: str) -> bool:
    """Ask, and wait until the daemon was killed, or is through."""

    def over() -> bool:
        with contextlib.suppress(StorageSilent):
            seen = daemon.volume()
            if seen.went_back is not None and seen.went_back.id == request and seen.clean:
                return True
        return not armed.exists()

    with contextlib.suppress(StorageSilent):
        daemon.go_back(head, request=request)
    eventually(over)
    return not armed.exists()
