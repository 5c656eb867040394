"""Binding a Device's keys to what its owner knows: a fingerprint to compare, a join token, the root key.

A Hive names the key that secrets are encrypted to. These are what a client
checks before it encrypts anything (decision 58); a Device makes them with
`prove`. A Hive can check the signature alone.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass

from mosaic.crypto import signing
from mosaic.crypto.hashing import device_id
from mosaic.crypto.passphrase import expand
from mosaic.crypto.secret import Secret
from mosaic.wire.audit import AUDIT_HEAD_CONTEXT, head_signed
from mosaic.wire.device_keys import (
    BY_ROOT_LABEL,
    BY_TOKEN_LABEL,
    FINGERPRINT_CONTEXT,
    KEYS_CONTEXT,
    KeyProof,
    keys_text,
)

_GROUP = 4
_LETTERS = 20
"""100 bits: to find other keys with the same fingerprint takes 2^100 tries."""


@dataclass(frozen=True, slots=True)
class DeviceKeys:
    """A Device's id and its two public keys, and the owner's that it pinned (hex)."""

    device: str
    signing_key: str
    wrapping_key: str
    owner_key: str

    @property
    def text(self) -> bytes:
        """What is signed, authenticated and fingerprinted."""
        return keys_text(
            device=self.device,
            signing_key=self.signing_key,
            wrapping_key=self.wrapping_key,
            owner_key=self.owner_key,
        )


def fingerprint(keys: DeviceKeys) -> str:
    """Return five groups of four letters and digits, which a person compares."""
    digest = hashlib.sha256(FINGERPRINT_CONTEXT + keys.text).digest()
    letters = base64.b32encode(digest).decode().lower()[:_LETTERS]
    return "-".join(letters[at : at + _GROUP] for at in range(0, _LETTERS, _GROUP))


def is_fingerprint(typed: str, keys: DeviceKeys) -> bool:
    """Say whether somebody typed the fingerprint of these keys, in any case, with or without hyphens."""
    plain = "".join(typed.split()).replace("-", "").lower()
    return hmac.compare_digest(plain.encode(), fingerprint(keys).replace("-", "").encode())


def prove(
    keys: DeviceKeys, signing_seed: Secret, *, token: str = "", by_token: str = "", root: Secret | None = None
) -> KeyProof:
    """Say all that this Device can say of its keys. `by_token` was made when it joined, with `token`."""
    signature = signing.sign(signing_seed.reveal(), KEYS_CONTEXT, keys.text).hex()
    return KeyProof(signature, token, by_token, by_root(keys, root) if root is not None else "")


def by_token(keys: DeviceKeys, binding: Secret) -> str:
    """Authenticate the keys by a join token's binding (the bytes of its text)."""
    return _authenticated(keys, binding, BY_TOKEN_LABEL)


def by_root(keys: DeviceKeys, root: Secret) -> str:
    """Authenticate the keys by the account's root key, which only the owner and his Devices have."""
    return _authenticated(keys, root, BY_ROOT_LABEL)


def are_of_one(keys: DeviceKeys) -> bool:
    """Say whether the id is that of the signing key."""
    try:
        return device_id(bytes.fromhex(keys.signing_key)) == keys.device
    except ValueError:
        return False


def are_signed(keys: DeviceKeys, proof: KeyProof) -> bool:
    """Say whether the id is that of the signing key, and the signing key signed for the wrapping key."""
    try:
        signature = bytes.fromhex(proof.signature)
    except ValueError:
        return False
    return are_of_one(keys) and signing.verify(keys.signing_key, KEYS_CONTEXT, keys.text, signature)


def is_by_token(keys: DeviceKeys, proof: KeyProof, binding: Secret) -> bool:
    """Say whether whoever has these keys was given the join token's binding."""
    return hmac.compare_digest(by_token(keys, binding).encode(), proof.by_token.encode())


def is_by_root(keys: DeviceKeys, proof: KeyProof, root: Secret) -> bool:
    """Say whether whoever has these keys has this root key."""
    return hmac.compare_digest(by_root(keys, root).encode(), proof.by_root.encode())


def is_audit_head(head: str, signature: str, keys: DeviceKeys, nonce: str) -> bool:
    """Say whether the Device signed this end of its audit log for this nonce."""
    try:
        signed = bytes.fromhex(signature)
    except ValueError:
        return False
    return signing.verify(keys.signing_key, AUDIT_HEAD_CONTEXT, head_signed(keys.device, head, nonce), signed)


def sign_audit_head(head: str, nonce: str, signing_seed: Secret, device: str) -> str:
    """Sign the end of a Device's audit log for the nonce of whoever asked. Returns hex."""
    return signing.sign(signing_seed.reveal(), AUDIT_HEAD_CONTEXT, head_signed(device, head, nonce)).hex()


def _authenticated(keys: DeviceKeys, secret: Secret, label: bytes) -> str:
    return hmac.new(expand(secret.reveal(), label), keys.text, hashlib.sha256).hexdigest()
