"""Wrapping a 32-byte key so that only the holder of another key gets it back.

There is one kind of envelope per purpose, and the kind and the subject (whose
key it is) are bound into every one: an envelope that is served in another's
place does not open. This module seals; `mosaic.crypto.unwrap` opens, and the
Hive may import only this one. docs/keys.md has every byte.

| offset | size | kinds 1–4 and 6 |
|---|---|---|
| 0 | 1 | version, 1 |
| 1 | 1 | kind |
| 2 | 12 | nonce, random |
| 14 | 32 | the wrapped key |
| 46 | 16 | AES-256-GCM tag |

| offset | size | kind 5, root key for a Device |
|---|---|---|
| 0 | 1 | version, 1 |
| 1 | 1 | kind |
| 2 | 32 | ephemeral X25519 public key |
| 34 | 32 | the wrapped key |
| 66 | 16 | AES-256-GCM tag |
| 82 | 64 | the owner's Ed25519 signature |

Kind 7, which holds no key, is `mosaic.crypto.action_secrets`.
"""

import secrets
from enum import IntEnum

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mosaic.core.ids import VolumeId
from mosaic.crypto.passphrase import expand
from mosaic.crypto.secret import Secret

VERSION = 1
KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
SYMMETRIC_BYTES = 2 + NONCE_BYTES + KEY_BYTES + TAG_BYTES
SEALED_FOR_DEVICE_BYTES = 2 + 32 + KEY_BYTES + TAG_BYTES
FOR_DEVICE_BYTES = SEALED_FOR_DEVICE_BYTES + 64

DEVICE_ROOT_CONTEXT = b"mosaic root for device v1\0"
"""The owner signs the Device's X25519 key and the sealed bytes; else a Hive could slip in a root key of its own."""


class Kind(IntEnum):
    """What an envelope holds and under which key."""

    ROOT_UNDER_KEK = 1
    OWNER_UNDER_KEK = 2
    ROOT_UNDER_RECOVERY = 3
    SEED_UNDER_ROOT = 4
    ROOT_FOR_DEVICE = 5
    SIGNER_UNDER_KEK = 6
    ACTION_SECRETS = 7


def label(kind: Kind) -> bytes:
    """Return the kind's HKDF label, which also begins its additional data."""
    return f"mosaic envelope v{VERSION} {kind.name.lower().replace('_', '-')}".encode()


def additional_data(kind: Kind, subject: bytes) -> bytes:
    """Return what is authenticated beside the key: label, a zero byte, the subject's public key."""
    return label(kind) + b"\0" + subject


def wrap_root(root: Secret, kek: Secret, *, owner_key: str) -> str:
    """Wrap the account's root key under the passphrase's KEK."""
    return _seal(Kind.ROOT_UNDER_KEK, root, kek, subject=bytes.fromhex(owner_key))


def wrap_owner_seed(owner_seed: Secret, kek: Secret, *, owner_key: str) -> str:
    """Wrap the owner's Ed25519 seed under the KEK, so that no Device that holds the root key ever has it."""
    return _seal(Kind.OWNER_UNDER_KEK, owner_seed, kek, subject=bytes.fromhex(owner_key))


def wrap_root_for_recovery(root: Secret, code: Secret, *, owner_key: str) -> str:
    """Wrap the root key under a recovery code's 20 bytes."""
    return _seal(Kind.ROOT_UNDER_RECOVERY, root, code, subject=bytes.fromhex(owner_key))


def wrap_volume_seed(seed: Secret, root: Secret, *, volume: VolumeId) -> str:
    """Wrap a volume's Ed25519 seed under the root key."""
    return _seal(Kind.SEED_UNDER_ROOT, seed, root, subject=bytes.fromhex(volume))


def wrap_signer_seed(seed: Secret, kek: Secret, *, public_key: str) -> str:
    """Wrap the Ed25519 seed of a key that signs packages under the KEK of its key file's passphrase."""
    return _seal(Kind.SIGNER_UNDER_KEK, seed, kek, subject=bytes.fromhex(public_key))


def wrap_root_for_device(root: Secret, *, wrapping_key: str, owner_seed: Secret) -> str:
    """Wrap the root key to a Device's X25519 public key (hex), signed by the owner."""
    return seal_for_device(root, wrapping_key, owner_seed, ephemeral=X25519PrivateKey.generate())


def seal(kind: Kind, key: bytes, wrapping: bytes, *, subject: bytes, nonce: bytes) -> bytes:
    """Seal with a nonce that the caller chose; only the frozen vectors choose one."""
    sealed = AESGCM(expand(wrapping, label(kind))).encrypt(nonce, key, additional_data(kind, subject))
    return bytes([VERSION, kind]) + nonce + sealed


def seal_for_device(root: Secret, wrapping_key: str, owner_seed: Secret, *, ephemeral: X25519PrivateKey) -> str:
    """Seal with an ephemeral key that the caller chose; only the frozen vectors choose one."""
    device = bytes.fromhex(wrapping_key)
    sent = ephemeral.public_key().public_bytes_raw()
    shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(device))
    sealed = AESGCM(device_envelope_key(shared, sent, device)).encrypt(
        bytes(NONCE_BYTES),  # the key is used once, so its nonce may be fixed
        root.reveal(),
        additional_data(Kind.ROOT_FOR_DEVICE, device),
    )
    body = bytes([VERSION, Kind.ROOT_FOR_DEVICE]) + sent + sealed
    signature = Ed25519PrivateKey.from_private_bytes(owner_seed.reveal()).sign(DEVICE_ROOT_CONTEXT + device + body)
    return (body + signature).hex()


def device_envelope_key(shared: bytes, ephemeral: bytes, device: bytes) -> bytes:
    """Return kind 5's AES key; both public keys are its salt."""
    return expand(shared, label(Kind.ROOT_FOR_DEVICE), salt=ephemeral + device)


def _seal(kind: Kind, key: Secret, wrapping: Secret, *, subject: bytes) -> str:
    if len(key) != KEY_BYTES:
        raise ValueError("an envelope holds exactly 32 bytes")
    nonce = secrets.token_bytes(NONCE_BYTES)
    return seal(kind, key.reveal(), wrapping.reveal(), subject=subject, nonce=nonce).hex()
