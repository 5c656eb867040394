"""Joining a Hive is all or nothing."""

import stat
from pathlib import Path

import msgspec
import pytest

from mosaic.core.errors import Conflict, MosaicError, Unavailable
from mosaic.crypto.unwrap import EnvelopeDamaged
from mosaic.device import identity
from mosaic.device.enrol import AlreadyEnrolled, HiveNotPinned, PassphraseDiffers, enrol, with_root
from support.running_hive import PASSPHRASE, Owner, made_keys


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def nothing_in(state: Path) -> bool:
    return not state.exists() or not any(state.iterdir())


def test_a_device_that_joined_has_its_keys_the_hives_and_the_root_key_in_a_0600_file(owner: Owner, state: Path) -> None:
    joined = enrol(state, owner.join_token(), "attic", passphrase=PASSPHRASE)

    file = state / "identity.json"
    assert identity.load(file) == joined
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert joined.root == made_keys().opened.root
    assert [path.name for path in state.iterdir()] == ["identity.json"]


def test_neither_the_passphrase_nor_what_it_derives_is_kept(owner: Owner, state: Path) -> None:
    enrol(state, owner.join_token(), "attic", passphrase=PASSPHRASE)

    kept = b"".join(path.read_bytes() for path in state.rglob("*") if path.is_file())
    assert PASSPHRASE.encode() not in kept
    assert made_keys().new.auth_key.encode() not in kept


def test_printing_an_identity_shows_no_key(owner: Owner, state: Path) -> None:
    joined = enrol(state, owner.join_token(), "attic", passphrase=PASSPHRASE)

    assert joined.signing_seed not in repr(joined) and str(joined.root_key) not in repr(joined)


def test_a_wrong_passphrase_stores_nothing_and_leaves_the_token_good(owner: Owner, state: Path) -> None:
    token = owner.join_token()

    with pytest.raises(PassphraseDiffers):
        enrol(state, token, "attic", passphrase="zoo zoo zoo zoo zoo wrong")

    assert nothing_in(state)
    assert enrol(state, token, "attic", passphrase=PASSPHRASE).name == "attic"


def test_a_name_that_is_taken_is_refused_and_stores_nothing(owner: Owner, state: Path, tmp_path: Path) -> None:
    enrol(tmp_path / "first", owner.join_token(), "attic", passphrase=PASSPHRASE)

    with pytest.raises(Conflict) as refused:
        enrol(state, owner.join_token(), "attic", passphrase=PASSPHRASE)

    assert refused.value.code == "device-name-taken"
    assert nothing_in(state)


def test_a_token_works_once(owner: Owner, state: Path, tmp_path: Path) -> None:
    token = owner.join_token()
    enrol(tmp_path / "first", token, "attic", passphrase=PASSPHRASE)

    with pytest.raises(MosaicError) as refused:
        enrol(state, token, "study", passphrase=PASSPHRASE)

    assert refused.value.code == "join-token-used"
    assert nothing_in(state)


def test_a_hive_with_another_key_than_the_tokens_is_told_nothing(owner: Owner, state: Path) -> None:
    token = msgspec.structs.replace(owner.join_token(), hive_fingerprint="00" * 32)

    with pytest.raises(HiveNotPinned):
        enrol(state, token, "attic", passphrase=PASSPHRASE)

    assert nothing_in(state)


def test_a_hive_that_is_not_there_is_said_so(owner: Owner, state: Path) -> None:
    token = msgspec.structs.replace(owner.join_token(), url="http://127.0.0.1:9")

    with pytest.raises(Unavailable):
        enrol(state, token, "attic")

    assert nothing_in(state)


def test_a_folder_that_is_a_device_already_is_refused(owner: Owner, state: Path) -> None:
    enrol(state, owner.join_token(), "attic", passphrase=PASSPHRASE)

    with pytest.raises(AlreadyEnrolled, match="attic"):
        enrol(state, owner.join_token(), "study", passphrase=PASSPHRASE)


def test_without_a_passphrase_the_root_key_comes_wrapped_by_the_owner(owner: Owner, state: Path) -> None:
    from mosaic.wire.account import AccountKeys
    from mosaic.wire.enrol import Enrolled

    joined = enrol(state, owner.join_token(admitted=False), "attic")
    assert joined.root is None
    keys: AccountKeys = made_keys().new.keys
    from mosaic.crypto import envelope, x25519
    from mosaic.crypto.secret import Secret

    public = x25519.of(Secret(bytes.fromhex(joined.wrapping_private))).public
    opened = made_keys().opened
    root = envelope.wrap_root_for_device(opened.root, wrapping_key=public, owner_seed=opened.owner_seed)
    seen = Enrolled(joined.device, joined.account, joined.name, joined.owner_key, True, keys, root)

    found = with_root(joined, seen)

    assert found is not None and found.root == opened.root


def test_a_root_key_that_the_pinned_owner_did_not_sign_is_refused(owner: Owner, state: Path) -> None:
    from mosaic.crypto import envelope, x25519
    from mosaic.crypto.secret import Secret
    from mosaic.wire.enrol import Enrolled

    joined = enrol(state, owner.join_token(), "attic")
    public = x25519.of(Secret(bytes.fromhex(joined.wrapping_private))).public
    root = envelope.wrap_root_for_device(Secret(bytes(32)), wrapping_key=public, owner_seed=Secret(bytes(32)))
    seen = Enrolled(joined.device, joined.account, joined.name, joined.owner_key, True, made_keys().new.keys, root)

    with pytest.raises(EnvelopeDamaged):
        with_root(joined, seen)
