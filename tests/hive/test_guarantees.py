"""The Hive's part of the guarantees G1, G5, G6 and G10, end to end over real connections."""

import base64
import secrets
from collections.abc import Callable

import pytest

from mosaic.core import epoch as epochs
from mosaic.core.errors import MosaicError
from mosaic.core.ids import VolumeId
from mosaic.crypto.tokens import hash_token
from mosaic.crypto.volume_keys import volume_id
from support.fake_device import FakeDevice
from support.manual_clock import ManualClock
from support.running_hive import PASSPHRASE, PASSWORD, Owner, made_keys
from support.waiting import eventually

pytestmark = pytest.mark.long

Join = Callable[[str], FakeDevice]


def settled(owner: Owner, on: FakeDevice) -> None:
    eventually(lambda: (found := owner.installation()).phase == "settled" and found.device == on.id)


def test_g1_after_a_takeover_no_head_of_an_older_epoch_comes_in(owner: Owner, joined: Join, clock: ManualClock) -> None:
    attic, cellar = joined("attic"), joined("cellar")
    made = owner.install(device="attic")
    settled(owner, attic)
    attic.obedient = False
    mine = attic.local[made.installation].volumes["data"]
    late = attic.signed_head(mine, str(attic.local[made.installation].epoch))
    owner.move("cellar", force=True, lose_seconds=0.0)
    settled(owner, cellar)
    heads = attic.blobs().heads(VolumeId(volume_id(mine.seed)))
    newest = heads.newest()
    assert heads.commit(late) == "fenced"
    assert heads.newest() == newest
    with pytest.raises(MosaicError):
        attic.blobs().store(VolumeId(volume_id(mine.seed))).put(secrets.token_hex(16), b"too late")


def test_g1_an_older_session_of_the_holder_is_fenced_too(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    made = owner.install()
    settled(owner, attic)
    clone = attic.clone()
    clone.connect()
    eventually(lambda: clone.local[made.installation].volumes["data"].acknowledged > 1)
    mine = attic.local[made.installation].volumes["data"]
    with pytest.raises(MosaicError) as refused:
        attic.blobs().heads(VolumeId(volume_id(mine.seed))).commit(attic.signed_head(mine, str(mine.epoch)))
    assert refused.value.code == "session-over"
    clone.disconnect()


def test_g1_a_head_that_is_forged_or_does_not_follow_is_refused(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    made = owner.install()
    settled(owner, attic)
    local = attic.local[made.installation].volumes["data"]
    heads = attic.blobs().heads(VolumeId(volume_id(local.seed)))
    good = attic.signed_head(local, str(local.epoch))
    with pytest.raises(MosaicError, match="signature"):
        heads.commit(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(MosaicError, match="not a head"):
        heads.commit(good[:-1])
    ahead = type(local)(local.seed, local.head, local.seq + 1, local.epoch)
    assert heads.commit(attic.signed_head(ahead, str(local.epoch))) == "stale"
    assert [heads.commit(good), heads.commit(good)] == ["accepted", "accepted"]


def test_g5_a_fenced_device_is_told_to_leave_and_never_to_drop_before_the_other_replicated(
    owner: Owner, joined: Join
) -> None:
    attic, cellar = joined("attic"), joined("cellar")
    owner.install(device="attic")
    settled(owner, attic)
    attic.obedient = cellar.obedient = False
    owner.move("cellar", force=True, lose_seconds=0.0)
    eventually(lambda: (item := attic.assigned("notes")) is not None and item.goal == "leave")
    eventually(lambda: (item := cellar.assigned("notes")) is not None and item.goal == "run")
    assert all(item.goal != "drop" for told in attic.told for item in told.items)


def test_g6_the_hive_never_receives_a_passphrase_or_a_private_key(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    made = owner.install()
    settled(owner, attic)
    opened = made_keys().opened
    secret_bytes = {
        "root key": opened.root.reveal(),
        "owner's seed": opened.owner_seed.reveal(),
        "volume's seed": attic.local[made.installation].volumes["data"].seed,
        "Device's seed": attic.seed,
        "Device's wrapping key": attic.wrapping.private.reveal(),
        "authentication key": bytes.fromhex(made_keys().new.auth_key),
    }
    forms = {name: [raw, raw.hex().encode(), base64.b64encode(raw)] for name, raw in secret_bytes.items()}
    forms["passphrase"] = [PASSPHRASE.encode()]
    forms["password"] = [PASSWORD.encode()]
    forms["recovery code"] = [made_keys().recovery_code.encode()]
    forms["API token"] = [owner.logged_in.token.encode()]
    forms["session token"] = [attic.welcomes[-1].token.encode()]
    owner.hive.stop()
    kept = b"".join(path.read_bytes() for path in sorted(owner.hive.config.state.rglob("*")) if path.is_file())
    assert hash_token(owner.logged_in.token).encode() in kept
    assert [name for name, all_forms in forms.items() if any(form in kept for form in all_forms)] == []


def test_g10_a_hive_that_was_away_finds_the_app_running_and_moves_nothing(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    made = owner.install()
    settled(owner, attic)
    before = owner.installation()
    told = len(attic.told)
    owner.hive.stop()
    owner.hive.start()
    attic.disconnect()
    attic.connect(owner.hive.url)
    eventually(lambda: owner.installation().epoch != before.epoch)
    eventually(lambda: any(each.items for each in attic.told[told:]))
    attic_goals = {item.goal for each in attic.told[told:] for item in each.items}
    assert attic_goals == {"run"}
    assert epochs.parse(owner.installation().epoch) > epochs.parse(before.epoch)
    eventually(lambda: attic.local[made.installation].epoch == owner.installation().epoch)
    attic.commit(made.installation)
    settled(owner, attic)


def test_g1_a_hive_that_went_back_in_time_grants_nothing_until_it_has_heard_what_it_lost(
    owner: Owner, joined: Join
) -> None:
    attic = joined("attic")
    made = owner.install()
    settled(owner, attic)
    epoch = owner.installation().epoch
    attic.disconnect()
    known = epochs.parse(epoch)
    later = epochs.Epoch(known.term, known.n + 5)
    attic.highest[made.installation] = str(later)
    attic.obedient = False
    attic.restart()
    eventually(lambda: attic.goodbye is not None and attic.goodbye.retry)
    told = len(attic.told)
    attic.restart()
    assert attic.welcomes[-1].recovering
    assert (owner.installation().epoch, len(attic.told)) == (epoch, told)
    attic.recollect()
    attic.report()
    eventually(lambda: (item := attic.assigned("notes")) is not None and item.epoch is not None)
    assert epochs.parse(owner.installation().epoch) > later
