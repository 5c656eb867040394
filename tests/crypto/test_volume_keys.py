"""A volume's keys come from its seed, and never show."""

import pytest

from mosaic.crypto.pack_cipher import FOOTER, PackCipher
from mosaic.crypto.signing import public_key
from mosaic.crypto.volume_keys import volume_keys

SEED = bytes(range(32))


def test_a_volume_is_named_by_its_public_key() -> None:
    assert volume_keys(SEED).volume == public_key(SEED)


def test_every_key_of_a_volume_is_another_one() -> None:
    keys = volume_keys(SEED)
    other = volume_keys(bytes(32))
    all_keys = [SEED, bytes.fromhex(keys.volume)]
    for one in (keys.at(1), keys.at(2), other.at(1)):
        all_keys += [one.data, one.blob_id]
    assert len(set(all_keys)) == len(all_keys)
    assert keys.current == keys.at(1)
    assert volume_keys(SEED, version=2).current == keys.at(2)


def test_printing_keys_shows_no_secret() -> None:
    keys = volume_keys(SEED)
    for secret in (SEED, keys.current.data, keys.current.blob_id):
        for shown in (repr(keys), str(keys), repr(keys.current), f"{keys.at(1)}"):
            assert secret.hex() not in shown
            assert repr(secret)[2:-1] not in shown
    assert keys.volume in repr(keys)


@pytest.mark.parametrize("seed", [b"", bytes(31), bytes(33)])
def test_a_seed_of_another_length_is_refused(seed: bytes) -> None:
    with pytest.raises(ValueError):
        volume_keys(seed)


def test_what_is_sealed_opens_only_in_its_place() -> None:
    keys = volume_keys(SEED)
    cipher = PackCipher(keys.current.data, bytes(32), volume=keys.volume, pack=bytes(16))
    sealed = cipher.seal(3, b"label", b"content")
    assert cipher.open(3, b"label", sealed) == b"content"
    assert cipher.open(4, b"label", sealed) is None
    assert cipher.open(FOOTER, b"label", sealed) is None
    assert cipher.open(3, b"lab", sealed) is None
    assert cipher.open(3, b"label", sealed[:-1]) is None
    assert cipher.open(3, b"label", b"") is None
    for salt, pack in ((b"\1" * 32, bytes(16)), (bytes(32), b"\1" * 16)):
        other = PackCipher(keys.current.data, salt, volume=keys.volume, pack=pack)
        assert other.open(3, b"label", sealed) is None
