"""Nobody passes for a Device by keys that are not its own."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.crypto import device_keys, signing, x25519
from mosaic.crypto.device_keys import DeviceKeys
from mosaic.crypto.hashing import device_id
from mosaic.crypto.secret import Secret
from mosaic.wire.device_keys import KeyProof

BINDING = Secret(b"binding")
ROOT = Secret(b"r" * 32)


def keys_by(seed: bytes, private: bytes) -> DeviceKeys:
    key = signing.public_key(seed)
    return DeviceKeys(device_id(bytes.fromhex(key)), key, x25519.of(Secret(private)).public, "0e" * 32)


ATTIC = keys_by(b"a" * 32, b"b" * 32)
OTHER = keys_by(b"c" * 32, b"d" * 32)
PROOF = device_keys.prove(
    ATTIC, Secret(b"a" * 32), token="00" * 32, by_token=device_keys.by_token(ATTIC, BINDING), root=ROOT
)


@pytest.mark.parametrize(
    "forged",
    [
        replace(ATTIC, wrapping_key=OTHER.wrapping_key),
        replace(ATTIC, signing_key=OTHER.signing_key),
        replace(ATTIC, device=OTHER.device),
        replace(OTHER, device=ATTIC.device),
        replace(ATTIC, owner_key="0f" * 32),
        OTHER,
    ],
    ids=["wrapping key", "signing key", "id", "both keys", "owner", "all"],
)
def test_what_one_device_said_of_its_keys_is_believed_of_no_others(forged: DeviceKeys) -> None:
    assert device_keys.fingerprint(forged) != device_keys.fingerprint(ATTIC)
    assert not device_keys.are_signed(forged, PROOF)
    assert not device_keys.is_by_token(forged, PROOF, BINDING)
    assert not device_keys.is_by_root(forged, PROOF, ROOT)


def test_another_binding_and_another_root_key_prove_nothing() -> None:
    assert not device_keys.is_by_token(ATTIC, PROOF, Secret(b"another"))
    assert not device_keys.is_by_root(ATTIC, PROOF, Secret(b"s" * 32))
    # What was made by one of both is not taken for the other.
    crossed = msgspec.structs.replace(PROOF, by_root=PROOF.by_token, by_token=PROOF.by_root)
    assert not device_keys.is_by_root(ATTIC, crossed, BINDING)
    assert not device_keys.is_by_token(ATTIC, crossed, ROOT)


@given(st.text(max_size=80), st.text(max_size=80))
def test_whatever_a_hive_writes_in_a_proof_is_refused_and_not_an_error(signature: str, mac: str) -> None:
    written = KeyProof(signature, "", mac, mac)
    assert not device_keys.are_signed(ATTIC, written)
    assert not device_keys.is_by_token(ATTIC, written, BINDING)
    assert not device_keys.is_by_root(ATTIC, written, ROOT)
    assert not device_keys.are_of_one(DeviceKeys(ATTIC.device, signature, mac, mac))
    assert not device_keys.is_fingerprint(mac, ATTIC)


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=80))
def test_the_end_of_a_log_is_signed_for_one_question(head: str, nonce: str, signature: str) -> None:
    signed = device_keys.sign_audit_head("7 " + "ab" * 32, "cd" * 32, Secret(b"a" * 32), ATTIC.device)
    assert not device_keys.is_audit_head(head, signed, ATTIC, nonce)
    assert not device_keys.is_audit_head(head, signature, ATTIC, nonce)
    assert not device_keys.is_audit_head("7 " + "ab" * 32, signed, OTHER, "cd" * 32)
