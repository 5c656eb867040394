"""The account's root key was renewed: a Device takes the new one when it hears of it, and wraps by no older one."""

import contextlib
import stat
from pathlib import Path

import anyio
import msgspec
import pytest

from mosaic.adapters.storage_client import StorageRefused
from mosaic.core.ids import SessionId, VolumeId
from mosaic.crypto import envelope, unwrap, x25519
from mosaic.crypto.account import Made, root_id_of
from mosaic.crypto.secret import Secret
from mosaic.device import identity as identities
from mosaic.device.enrol import enrol, with_root
from mosaic.device.hive_link import HiveLink
from mosaic.device.identity import Identity
from mosaic.device.means import HiveAway
from mosaic.device.records import Records
from mosaic.wire.assignment import VolumeAssignment
from mosaic.wire.channel import Assignments
from mosaic.wire.enrol import Enrolled, NewVolume
from mosaic.wire.root_key import RootReach
from mosaic.wire.storage import Done, Envelope, Failure, Hold, StateRequest, VolumeState
from support.device_world import NOTES, World, assignment, wants
from support.fake_storage import FakeStorage, FakeStore
from support.renewing import renew
from support.running_device import running_device
from support.running_hive import PASSPHRASE, Owner, made_keys
from support.waiting import eventually


@pytest.fixture
def identity(owner: Owner, tmp_path: Path) -> Identity:
    return enrol(tmp_path / "attic", owner.join_token(), "attic", passphrase=PASSPHRASE)


def renewed(owner: Owner) -> Made:
    with owner.client() as client:
        return renew(client)


def phase_of(owner: Owner, device: str) -> str:
    report = owner.installation().reports.get(device)
    return report.phase if report else ""


def stored(folder: Path) -> Identity:
    path = folder / "attic" / "identity.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return identities.load(path)


def all_open(owner: Owner, root: Secret) -> int:
    """Open every volume that the Hive knows, and return how many there are."""
    with owner.client() as client:
        seeds = client.get("/api/account/root", RootReach).seeds
    for each in seeds:
        unwrap.open_volume_seed(each.wrapped_seed, root, volume=VolumeId(each.volume))
    return len(seeds)


@pytest.mark.long
def test_a_connected_device_takes_the_new_root_key_and_makes_keys_under_it(
    owner: Owner, identity: Identity, tmp_path: Path
) -> None:
    with running_device(tmp_path / "attic", identity):
        eventually(lambda: owner.devices()[0].connected)
        made = renewed(owner)
        eventually(lambda: stored(tmp_path).root == made.opened.root)
        owner.install()
        eventually(lambda: phase_of(owner, identity.device) == "running")

        assert all_open(owner, made.opened.root) == 1


@pytest.mark.long
def test_a_device_that_was_away_takes_the_new_root_key_when_it_comes_back(
    owner: Owner, identity: Identity, tmp_path: Path
) -> None:
    with running_device(tmp_path / "attic", identity) as first:
        eventually(lambda: owner.devices()[0].connected)
    made = renewed(owner)
    assert stored(tmp_path).root == made_keys().opened.root

    with running_device(tmp_path / "attic", identity, session="attic-after-a-while", before=first):
        eventually(lambda: stored(tmp_path).root == made.opened.root)
        owner.install()
        eventually(lambda: phase_of(owner, identity.device) == "running")

        assert all_open(owner, made.opened.root) == 1


def seen(found: Identity, root: Secret, *, named: Secret | None = None) -> Enrolled:
    """Return what a Hive says that hands out this root key, and names that one."""
    opened = made_keys().opened
    public = x25519.of(Secret(bytes.fromhex(found.wrapping_private))).public
    sealed = envelope.wrap_root_for_device(root, wrapping_key=public, owner_seed=opened.owner_seed)
    said = msgspec.structs.replace(made_keys().new.keys, root_id=root_id_of(named or root))
    return Enrolled(found.device, found.account, found.name, found.owner_key, True, said, sealed)


def test_the_former_root_key_is_kept_to_open_what_it_wrapped_and_is_never_the_present_one_again(
    identity: Identity,
) -> None:
    former, present = made_keys().opened.root, Secret(b"n" * 32)

    after = with_root(identity, seen(identity, present))

    assert after is not None
    assert (after.root, after.formers) == (present, [former])
    assert with_root(after, seen(after, present)) == after, "the same one again changes nothing"
    assert with_root(after, seen(after, former)) is None, "though the owner signed it once"
    assert former.reveal().hex() not in repr(after)


def test_a_root_key_that_is_not_the_one_that_the_hive_names_is_not_taken(identity: Identity) -> None:
    with pytest.raises(unwrap.EnvelopeDamaged):
        with_root(identity, seen(identity, Secret(b"n" * 32), named=Secret(b"m" * 32)))


def test_keys_that_wait_to_be_registered_are_wrapped_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    wanted = wants(assignment(world.publish(), "run"))

    def away(*_: object) -> VolumeAssignment:
        raise HiveAway

    with monkeypatch.context() as patched:
        patched.setattr(world.hive, "register_volume", away)
        before = world.run(wanted)
    (volume, former) = noted(world), world.root
    world.formers, world.root = [former], Secret(b"n" * 32)

    world.run(wanted)

    (registered,) = world.hive.registered.values()
    assert before.report().problem is not None
    assert (registered.volume, noted(world).root_id) == (volume.volume, root_id_of(world.root))
    name = VolumeId(registered.volume)
    assert unwrap.open_volume_seed(registered.wrapped_seed, world.root, volume=name)
    with pytest.raises(unwrap.EnvelopeDamaged):
        unwrap.open_volume_seed(registered.wrapped_seed, former, volume=name)


def noted(world: World) -> NewVolume:
    """Return the key pair of the data that is in the ledger."""
    records = Records(world.config.ledger)
    with contextlib.closing(records):
        return records.notes_of(NOTES).keys["data"]


class Late(FakeStorage):
    """A daemon that hears of a volume after it was told of its envelope."""

    def __init__(self) -> None:
        super().__init__(FakeStore())
        self.asked = 0

    def envelope(self, request: Envelope) -> Done:
        self.asked += 1
        if self.asked == 1:
            raise StorageRefused(Failure("volume-not-here", "it is not known here", "hold it first"))
        self.envelopes[request.volume] = request.envelope
        return Done()


def test_an_envelope_that_is_not_taken_comes_with_the_next_message_and_then_no_more(
    identity: Identity, tmp_path: Path
) -> None:
    storage = Late()
    link = HiveLink(identity, SessionId("aa"), storage, tmp_path / "attic")
    raw = {"volume": "ab" * 32, "kind": "data", "wrapped_seed": "00", "base": None, "newest": None}
    volume = msgspec.convert(raw | {"store_envelope": "c0de"}, VolumeAssignment)
    item = assignment("sha256:" + "ab" * 32, "run", volumes=[volume])

    seen = []
    for _ in range(3):
        anyio.run(link.pass_envelopes, Assignments(1, [item]))
        seen.append((storage.envelopes.get(volume.volume), storage.asked))

    assert seen == [(None, 1), ("c0de", 2), ("c0de", 2)]
    assert link.envelope_of(msgspec.structs.replace(volume, store_envelope="01de")) == "c0de"


def test_a_volume_is_held_with_what_the_hive_said_last_though_its_assignment_is_older(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.envelope_of = lambda volume: "c0de"
    world.run(wants(assignment(world.publish(), "run")))
    (made,) = world.hive.registered.values()
    assert (made.store_envelope, world.storage.envelopes) == (None, {made.volume: "c0de"})


def test_an_envelope_that_comes_while_its_volume_is_being_held_reaches_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    latest = ["c0de"]
    world.envelope_of = lambda volume: latest[-1]
    hold, told = world.storage.hold, []

    def meanwhile(request: Hold) -> VolumeState:
        # The daemon does not know the volume yet, so whoever tells it now is refused.
        latest.append("beef")
        told.append(request.envelope)
        return hold(request)

    monkeypatch.setattr(world.storage, "hold", meanwhile)
    world.run(wants(assignment(world.publish(), "run")))

    (made,) = world.hive.registered.values()
    assert (told[0], world.storage.envelopes) == ("c0de", {made.volume: "beef"})


def test_a_hive_that_came_back_from_an_older_copy_keeps_its_apps_running(tmp_path: Path) -> None:
    world = World(tmp_path)
    digest = world.publish()
    world.run(wants(assignment(digest, "run")))
    (made,) = world.hive.registered.values()
    (here,) = world.storage.state(StateRequest()).volumes
    volume = msgspec.structs.replace(made, base=here.local_head, newest=here.local_head)
    world.formers, world.root = [world.root], Secret(b"n" * 32)

    again = world.run(wants(assignment(digest, "run", "1.2", volumes=[volume]), revision=2))

    assert (again.report().phase, again.report().problem) == ("running", None)
