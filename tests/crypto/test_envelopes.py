"""No envelope opens with another key, in another's place, or after one flipped bit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.ids import VolumeId
from mosaic.crypto import account, admission, envelope, unwrap, x25519
from mosaic.crypto.secret import Secret
from mosaic.wire.account import AccountKeys, KdfParameters

ROOT = Secret(bytes(range(32)))
KEK = Secret(b"k" * 32)
OWNER_SEED = Secret(b"o" * 32)
OWNER = account.owner_key_of(OWNER_SEED)
VOLUME_SEED = Secret(b"v" * 32)
VOLUME = VolumeId(account.owner_key_of(VOLUME_SEED))
DEVICE = x25519.of(Secret(b"d" * 32))


def _flip(envelope_hex: str, bit: int) -> str:
    raw = bytearray.fromhex(envelope_hex)
    raw[bit // 8 % len(raw)] ^= 1 << bit % 8
    return raw.hex()


def _keys(root: str, owner: str) -> AccountKeys:
    return AccountKeys(1, KdfParameters(65536, 4, 1, "00" * 16), root, owner, root, OWNER)


@given(st.integers(0, 8 * envelope.SYMMETRIC_BYTES - 1))
def test_a_flipped_bit_is_found(bit: int) -> None:
    sealed = _flip(envelope.wrap_volume_seed(VOLUME_SEED, ROOT, volume=VOLUME), bit)
    with pytest.raises(unwrap.EnvelopeDamaged):
        unwrap.open_volume_seed(sealed, ROOT, volume=VOLUME)


@given(st.integers(0, 8 * envelope.FOR_DEVICE_BYTES - 1))
def test_a_flipped_bit_is_found_in_a_devices_envelope(bit: int) -> None:
    sealed = _flip(envelope.wrap_root_for_device(ROOT, wrapping_key=DEVICE.public, owner_seed=OWNER_SEED), bit)
    with pytest.raises(unwrap.EnvelopeDamaged):
        unwrap.open_root_for_device(sealed, DEVICE.private, owner_key=OWNER)


def test_the_owner_seed_does_not_open_as_the_root() -> None:
    owner = envelope.wrap_owner_seed(OWNER_SEED, KEK, owner_key=OWNER)
    with pytest.raises(unwrap.PassphraseWrong):
        unwrap.unlock_root(_keys(owner, owner), KEK)


def test_a_package_signers_envelope_opens_for_its_own_public_key_alone() -> None:
    signer = Secret(b"s" * 32)
    public = account.owner_key_of(signer)
    sealed = envelope.wrap_signer_seed(signer, KEK, public_key=public)
    assert unwrap.open_signer_seed(sealed, KEK, public_key=public) == signer
    for wrong in (_flip(sealed, 200), envelope.wrap_owner_seed(signer, KEK, owner_key=public), "zz"):
        with pytest.raises(unwrap.SigningPassphraseWrong):
            unwrap.open_signer_seed(wrong, KEK, public_key=public)
    with pytest.raises(unwrap.SigningPassphraseWrong):
        unwrap.open_signer_seed(sealed, KEK, public_key=OWNER)


def test_another_volumes_envelope_does_not_open() -> None:
    other = Secret(b"w" * 32)
    sealed = envelope.wrap_volume_seed(other, ROOT, volume=VolumeId(account.owner_key_of(other)))
    with pytest.raises(unwrap.EnvelopeDamaged):
        unwrap.open_volume_seed(sealed, ROOT, volume=VOLUME)


def test_a_seed_that_is_not_the_volumes_is_refused_even_if_it_opens() -> None:
    sealed = envelope.wrap_volume_seed(Secret(b"w" * 32), ROOT, volume=VOLUME)
    with pytest.raises(unwrap.EnvelopeDamaged):
        unwrap.open_volume_seed(sealed, ROOT, volume=VOLUME)


def test_a_root_key_that_the_owner_did_not_sign_is_refused() -> None:
    sealed = envelope.wrap_root_for_device(ROOT, wrapping_key=DEVICE.public, owner_seed=Secret(b"x" * 32))
    with pytest.raises(unwrap.EnvelopeDamaged):
        unwrap.open_root_for_device(sealed, DEVICE.private, owner_key=OWNER)


def test_a_root_key_for_another_device_is_refused() -> None:
    other = x25519.generate()
    sealed = envelope.wrap_root_for_device(ROOT, wrapping_key=other.public, owner_seed=OWNER_SEED)
    with pytest.raises(unwrap.EnvelopeDamaged):
        unwrap.open_root_for_device(sealed, DEVICE.private, owner_key=OWNER)


def test_an_admission_counts_for_one_account_and_one_subject() -> None:
    signed = admission.admit(OWNER_SEED, account="one", subject="aa")
    admission.check(signed, owner_key=OWNER, account="one")
    with pytest.raises(admission.AdmissionWrong):
        admission.check(signed, owner_key=OWNER, account="other")
    with pytest.raises(admission.AdmissionWrong):
        admission.check(type(signed)("bb", signed.signature), owner_key=OWNER, account="one")


@pytest.mark.parametrize("text", ["", "zz", "00", "01" * 62])
def test_what_is_no_envelope_is_refused(text: str) -> None:
    with pytest.raises(unwrap.EnvelopeDamaged):
        unwrap.open_volume_seed(text, ROOT, volume=VOLUME)
    with pytest.raises(unwrap.EnvelopeDamaged):
        unwrap.open_root_for_device(text, DEVICE.private, owner_key=OWNER)
