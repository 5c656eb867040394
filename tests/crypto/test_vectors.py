"""The frozen vectors that every implementation of docs/keys.md must reproduce, the browser's included."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from mosaic.core import link_token
from mosaic.core.ids import LinkId, VolumeId
from mosaic.crypto import (
    account,
    admission,
    approvals,
    device_keys,
    grants,
    link_tokens,
    metadata_signing,
    passphrase,
    recovery,
    unwrap,
    x25519,
)
from mosaic.crypto.action_secrets import sealed_with, subject_of
from mosaic.crypto.device_keys import DeviceKeys
from mosaic.crypto.envelope import Kind, label, seal, seal_for_device
from mosaic.crypto.secret import Secret
from mosaic.crypto.tokens import hash_token
from mosaic.device.identity import keys_of
from mosaic.wire.account import AccountKeys, KdfParameters, OwnerAdmission
from mosaic.wire.approval import Approval, CatalogTrust
from mosaic.wire.device_keys import KeyProof
from mosaic.wire.grants import PolicyGrant

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "crypto.json").read_text())
ENVELOPES = VECTORS["envelopes"]


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text)


def _keys() -> AccountKeys:
    by_kind = {entry["kind"]: entry["envelope"] for entry in ENVELOPES}
    kdf = KdfParameters(**VECTORS["passphrase"]["kdf"])
    return AccountKeys(1, kdf, by_kind[1], by_kind[2], by_kind[3], VECTORS["owner"]["public"])


def test_the_passphrase_gives_the_frozen_keys() -> None:
    frozen = VECTORS["passphrase"]
    derived = passphrase.derive(frozen["typed"], KdfParameters(**frozen["kdf"]))
    assert passphrase.normalise(frozen["typed"]) == frozen["normalised"]
    assert derived.auth_key.reveal().hex() == frozen["auth_key"]
    assert derived.kek.reveal().hex() == frozen["kek"]


@pytest.mark.parametrize("kdf", VECTORS["refused_kdf"])
def test_parameters_outside_the_bounds_are_refused(kdf: dict[str, Any]) -> None:
    with pytest.raises(passphrase.KdfRefused):
        passphrase.derive("any words", KdfParameters(**kdf))


@pytest.mark.parametrize("frozen", ENVELOPES, ids=lambda entry: entry["label"])
def test_every_envelope_is_sealed_to_the_frozen_bytes(frozen: dict[str, str]) -> None:
    kind = Kind(int(frozen["kind"]))
    sealed = seal(
        kind,
        _bytes(frozen["key"]),
        _bytes(frozen["wrapping_key"]),
        subject=_bytes(frozen["subject"]),
        nonce=_bytes(frozen["nonce"]),
    )
    assert label(kind).decode() == frozen["label"]
    assert sealed.hex() == frozen["envelope"]


def test_the_passphrase_opens_the_frozen_account() -> None:
    opened = unwrap.unlock(_keys(), VECTORS["passphrase"]["typed"])
    assert opened.root.reveal().hex() == VECTORS["root_for_device"]["root"]
    assert opened.owner_seed.reveal().hex() == VECTORS["owner"]["seed"]


def test_the_recovery_code_opens_the_frozen_root() -> None:
    frozen = VECTORS["recovery"]
    assert recovery.write(Secret(_bytes(frozen["code_bytes"]))) == frozen["printed"]
    assert unwrap.recover_root(_keys(), frozen["printed"]).reveal().hex() == VECTORS["root_for_device"]["root"]


def test_a_root_key_has_the_frozen_name() -> None:
    frozen = VECTORS["root_for_device"]
    assert account.root_id_of(Secret(_bytes(frozen["root"]))) == frozen["root_id"]


def test_the_root_opens_the_frozen_volume() -> None:
    volume = VECTORS["volume"]
    root = Secret(_bytes(VECTORS["root_for_device"]["root"]))
    seed = unwrap.open_volume_seed(ENVELOPES[3]["envelope"], root, volume=VolumeId(volume["id"]))
    assert seed.reveal().hex() == volume["seed"]
    assert account.owner_key_of(seed) == volume["id"]


def test_the_device_opens_the_frozen_root() -> None:
    frozen = VECTORS["root_for_device"]
    device = x25519.of(Secret(_bytes(frozen["device_private"])))
    sealed = seal_for_device(
        Secret(_bytes(frozen["root"])),
        device.public,
        Secret(_bytes(frozen["owner_seed"])),
        ephemeral=X25519PrivateKey.from_private_bytes(_bytes(frozen["ephemeral_private"])),
    )
    opened = unwrap.open_root_for_device(sealed, device.private, owner_key=frozen["owner_public"])
    assert device.public == frozen["device_public"]
    assert sealed == frozen["envelope"]
    assert opened.reveal().hex() == frozen["root"]


def test_the_owner_signs_the_frozen_grant() -> None:
    frozen = VECTORS["grant"]
    owner = VECTORS["owner"]
    grant = grants.sign(
        Secret(_bytes(owner["seed"])), account=frozen["account"], name=frozen["name"], keys=frozen["keys"]
    )
    assert grant == PolicyGrant(sorted(frozen["keys"]), frozen["signature"])
    assert grants.is_signed(
        frozen["keys"], frozen["signature"], owner_key=owner["public"], account=frozen["account"], name=frozen["name"]
    )


def test_the_owner_signs_the_frozen_approval() -> None:
    frozen, owner = VECTORS["approval"], VECTORS["owner"]
    about = {key: frozen[key] for key in ("account", "app", "digest")}
    approval = approvals.approve(Secret(_bytes(owner["seed"])), **about)
    assert approval == Approval(frozen["digest"], frozen["signature"])
    assert approvals.is_approved(frozen["signature"], owner_key=owner["public"], **about)


def test_the_owner_signs_the_frozen_catalog() -> None:
    frozen, owner = VECTORS["catalog"], VECTORS["owner"]
    about = {key: frozen[key] for key in ("name", "channel", "root_sha256")}
    trust = approvals.trust(Secret(_bytes(owner["seed"])), account=frozen["account"], **about)
    assert trust == CatalogTrust(**about, signature=frozen["signature"])
    assert approvals.is_trusted(trust, owner_key=owner["public"], account=frozen["account"])


def test_the_owner_signs_the_frozen_admission() -> None:
    frozen = VECTORS["admission"]
    signed = admission.admit(Secret(_bytes(frozen["owner_seed"])), account=frozen["account"], subject=frozen["subject"])
    assert signed == OwnerAdmission(frozen["subject"], frozen["signature"])
    admission.check(signed, owner_key=VECTORS["owner"]["public"], account=frozen["account"])


def test_a_package_signer_is_sealed_to_the_frozen_bytes_and_opens_again() -> None:
    frozen = VECTORS["signer"]
    seed, kek = _bytes(frozen["seed"]), _bytes(frozen["wrapping_key"])
    sealed = seal(Kind.SIGNER_UNDER_KEK, seed, kek, subject=_bytes(frozen["public"]), nonce=_bytes(frozen["nonce"]))
    assert label(Kind.SIGNER_UNDER_KEK).decode() == frozen["label"]
    assert sealed.hex() == frozen["envelope"]
    assert unwrap.open_signer_seed(frozen["envelope"], Secret(kek), public_key=frozen["public"]) == Secret(seed)


def test_a_package_signer_signs_metadata_to_the_frozen_bytes() -> None:
    frozen = VECTORS["signer"]
    signature = metadata_signing.sign_metadata(Secret(_bytes(frozen["seed"])), frozen["payload"].encode())
    assert signature.hex() == frozen["signature"]
    with pytest.raises(ValueError):
        metadata_signing.sign_metadata(Secret(_bytes(frozen["seed"])), b"mosaic grant v1\0")


def test_the_secrets_of_an_action_are_sealed_to_the_frozen_bytes_and_open_again() -> None:
    frozen = VECTORS["action_secrets"]
    subject = subject_of(frozen["installation"], frozen["action"], frozen["values"])
    ephemeral = X25519PrivateKey.from_private_bytes(_bytes(frozen["ephemeral_private"]))
    assert sealed_with(frozen["secrets"], frozen["device_public"], subject, ephemeral=ephemeral) == frozen["envelope"]
    private = Secret(_bytes(frozen["device_private"]))
    assert unwrap.open_action_secrets(frozen["envelope"], private, subject=subject) == frozen["secrets"]


def test_the_secrets_of_an_action_open_for_nobody_else_and_for_nothing_else() -> None:
    frozen = VECTORS["action_secrets"]
    subject = subject_of(frozen["installation"], frozen["action"], frozen["values"])
    other = subject_of(frozen["installation"], "delete", frozen["values"])
    private, stranger = Secret(_bytes(frozen["device_private"])), x25519.generate().private
    flipped = bytearray(_bytes(frozen["envelope"]))
    flipped[-20] ^= 1
    for envelope, key, about in (
        (frozen["envelope"], stranger, subject),
        (frozen["envelope"], private, other),
        (flipped.hex(), private, subject),
        (frozen["envelope"][:60], private, subject),
    ):
        with pytest.raises(unwrap.ActionSecretsUnopened):
            unwrap.open_action_secrets(envelope, key, subject=about)


def test_a_device_says_the_frozen_bytes_of_its_keys() -> None:
    frozen = VECTORS["device_keys"]
    keys = DeviceKeys(frozen["device"], frozen["signing_key"], frozen["wrapping_key"], frozen["owner_key"])
    binding, root = Secret(frozen["binding"].encode()), Secret(_bytes(frozen["root"]))
    proof = device_keys.prove(
        keys,
        Secret(_bytes(frozen["signing_seed"])),
        token=hash_token(frozen["token_secret"]),
        by_token=device_keys.by_token(keys, binding),
        root=root,
    )
    assert proof == KeyProof(frozen["signature"], frozen["token"], frozen["by_token"], frozen["by_root"])
    assert keys_of(frozen["signing_seed"], frozen["wrapping_private"], frozen["owner_key"]) == keys
    assert device_keys.are_signed(keys, proof)
    assert device_keys.is_by_token(keys, proof, binding) and device_keys.is_by_root(keys, proof, root)


def test_a_devices_keys_have_the_frozen_fingerprint() -> None:
    frozen = VECTORS["device_keys"]
    keys = DeviceKeys(frozen["device"], frozen["signing_key"], frozen["wrapping_key"], frozen["owner_key"])
    assert device_keys.fingerprint(keys) == frozen["fingerprint"]
    assert device_keys.is_fingerprint(f" {frozen['fingerprint'].upper().replace('-', ' ')}\n", keys)


def test_a_device_signs_the_frozen_end_of_its_audit_log() -> None:
    frozen, device = VECTORS["audit_head"], VECTORS["device_keys"]
    seed, keys = (
        Secret(_bytes(device["signing_seed"])),
        keys_of(device["signing_seed"], device["wrapping_private"], device["owner_key"]),
    )
    signature = device_keys.sign_audit_head(frozen["head"], frozen["nonce"], seed, frozen["device"])
    assert signature == frozen["signature"]
    assert device_keys.is_audit_head(frozen["head"], signature, keys, frozen["nonce"])


def test_a_links_tokens_are_the_frozen_ones() -> None:
    frozen = VECTORS["link_tokens"]
    root, link = Secret(_bytes(frozen["root"])), LinkId(frozen["link"])
    for each in frozen["tokens"]:
        token = link_tokens.derive(root, link, each["number"])
        assert (str(token), link_tokens.hash_of(token)) == (each["token"], each["sha256"])
        assert link_token.parse(each["token"]) == token
