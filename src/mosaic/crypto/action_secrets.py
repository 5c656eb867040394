"""Sealing the secret inputs of an app's action, so that one Device alone can open them, for that one action.

`mosaic.crypto.unwrap.open_action_secrets` opens them. Bytes (docs/keys.md):

| offset | size | kind 7 |
|---|---|---|
| 0 | 1 | version, 1 |
| 1 | 1 | kind, 7 |
| 2 | 32 | ephemeral X25519 public key |
| 34 | n | the secrets, as canonical JSON of a mapping from input to text |
| 34 + n | 16 | AES-256-GCM tag |

What they are for (installation, action and every other input) is authenticated
beside them: a Hive that passes them on in another command passes on nothing.
"""

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mosaic.core import strict_json
from mosaic.crypto.envelope import NONCE_BYTES, VERSION, Kind, additional_data, label
from mosaic.crypto.passphrase import expand

MOST_BYTES = 128 * 1024


def seal_action_secrets(
    secrets: Mapping[str, str], *, wrapping_key: str, installation: str, action: str, values: Mapping[str, str]
) -> str:
    """Seal secrets to a Device's X25519 public key (hex). Returns hex."""
    subject = subject_of(installation, action, values)
    return sealed_with(secrets, wrapping_key, subject, ephemeral=X25519PrivateKey.generate())


def sealed_with(secrets: Mapping[str, str], wrapping_key: str, subject: bytes, *, ephemeral: X25519PrivateKey) -> str:
    """Seal with an ephemeral key that the caller chose; only the frozen vectors choose one."""
    device = bytes.fromhex(wrapping_key)
    sent = ephemeral.public_key().public_bytes_raw()
    shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(device))
    sealed = AESGCM(sealing_key(shared, sent, device)).encrypt(
        bytes(NONCE_BYTES),  # the key is used once, so its nonce may be fixed
        strict_json.write(dict(secrets)),
        authenticated(device, subject),
    )
    return (bytes([VERSION, Kind.ACTION_SECRETS]) + sent + sealed).hex()


def subject_of(installation: str, action: str, values: Mapping[str, str]) -> bytes:
    """Return what the secrets are for, in bytes."""
    return strict_json.write({"action": action, "installation": installation, "values": dict(values)})


def sealing_key(shared: bytes, ephemeral: bytes, device: bytes) -> bytes:
    """Return the AES key; both public keys are its salt."""
    return expand(shared, label(Kind.ACTION_SECRETS), salt=ephemeral + device)


def authenticated(device: bytes, subject: bytes) -> bytes:
    """Return what is authenticated beside the secrets."""
    return additional_data(Kind.ACTION_SECRETS, device) + b"\0" + subject
