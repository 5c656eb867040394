"""Opening what `mosaic.crypto.envelope` sealed.

Everything that turns ciphertext into a key is here and nowhere else, so that
one import rule says who can: the Hive never imports this module (G6). An
envelope is checked whole before a byte of it is believed.
"""

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mosaic.core import strict_json
from mosaic.core.errors import Corrupt, Refused
from mosaic.core.ids import VolumeId
from mosaic.core.strict_json import NotStrict
from mosaic.crypto import recovery
from mosaic.crypto.account import Opened, owner_key_of
from mosaic.crypto.action_secrets import MOST_BYTES, authenticated, sealing_key
from mosaic.crypto.envelope import (
    DEVICE_ROOT_CONTEXT,
    FOR_DEVICE_BYTES,
    NONCE_BYTES,
    SEALED_FOR_DEVICE_BYTES,
    SYMMETRIC_BYTES,
    TAG_BYTES,
    VERSION,
    Kind,
    additional_data,
    device_envelope_key,
    label,
)
from mosaic.crypto.passphrase import derive, expand
from mosaic.crypto.secret import Secret
from mosaic.wire.account import AccountKeys


class PassphraseWrong(Refused):
    """The passphrase does not open the account's keys."""

    code = "passphrase-wrong"

    def __init__(self) -> None:
        super().__init__(
            "this is not the passphrase of this account",
            hint="check the words and their order; `mosaic recovery-kit` says what a recovery code can do",
        )


class RecoveryCodeWrong(Refused):
    """The recovery code is well-formed, but another account's or an older one."""

    code = "recovery-code-wrong"

    def __init__(self) -> None:
        super().__init__(
            "this recovery code does not open this account",
            hint="look for the newest printed kit; making a new one ended the older ones",
        )


class EnvelopeDamaged(Corrupt):
    """An envelope does not open with the key that it was made for."""

    code = "envelope-damaged"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"the envelope of {what} does not open",
            hint="its bytes were changed, or it belongs to something else; restore the Hive's database from a backup",
        )


class SigningPassphraseWrong(Refused):
    """The passphrase does not open a key that signs packages."""

    code = "signing-passphrase-wrong"

    def __init__(self) -> None:
        super().__init__(
            "this is not the passphrase of this signing key",
            hint="check the words and their order; each key file opens with the passphrase it was made with",
        )


class ActionSecretsUnopened(Refused):
    """The secrets that came with an app's action are not for this Device, or not for this action."""

    code = "action-secrets-unopened"

    def __init__(self) -> None:
        super().__init__(
            "the secrets that came with this action do not open here",
            hint="give them again: `mosaic actions NAME ACTION`; was the app moved meanwhile?",
        )


class _Unopened(Exception):
    """Not an envelope of this kind, or not under this key."""


def unlock(keys: AccountKeys, passphrase: str) -> Opened:
    """Open both account keys with the passphrase.

    Raises:
        PassphraseWrong: it is not this account's passphrase.
        EnvelopeDamaged: one of the two opens and the other does not.
        KdfRefused: the Hive's parameters are weaker than allowed.
    """
    kek = derive(passphrase, keys.kdf).kek
    return Opened(root=unlock_root(keys, kek), owner_seed=_owner_seed(keys, kek), owner_key=keys.owner_key)


def unlock_root(keys: AccountKeys, kek: Secret) -> Secret:
    """Open the root key alone; all that a Device ever does with a KEK. Raises PassphraseWrong."""
    try:
        return _open(Kind.ROOT_UNDER_KEK, keys.wrapped_root, kek, bytes.fromhex(keys.owner_key))
    except (_Unopened, ValueError):
        raise PassphraseWrong from None


def recover_root(keys: AccountKeys, code: str) -> Secret:
    """Open the root key with a printed recovery code. Raises RecoveryCodeUnreadable, RecoveryCodeWrong."""
    return recover_wrapped_root(keys.recovery_root, code, owner_key=keys.owner_key)


def recover_wrapped_root(recovery_root: str, code: str, *, owner_key: str) -> Secret:
    """Open a root key as a store's envelope has it, bound to `owner_key`. Raises like `recover_root`."""
    try:
        return _open(Kind.ROOT_UNDER_RECOVERY, recovery_root, recovery.read(code), bytes.fromhex(owner_key))
    except (_Unopened, ValueError):
        raise RecoveryCodeWrong from None


def open_volume_seed(wrapped_seed: str, root: Secret, *, volume: VolumeId) -> Secret:
    """Open a volume's Ed25519 seed and check that it is this volume's. Raises EnvelopeDamaged."""
    what = f"volume {volume[:12]}"
    try:
        seed = _open(Kind.SEED_UNDER_ROOT, wrapped_seed, root, bytes.fromhex(volume))
    except (_Unopened, ValueError):
        raise EnvelopeDamaged(what) from None
    if owner_key_of(seed) != volume:
        raise EnvelopeDamaged(what)
    return seed


def open_signer_seed(envelope: str, kek: Secret, *, public_key: str) -> Secret:
    """Open the seed of a key that signs packages. Raises SigningPassphraseWrong, also when its bytes were changed."""
    try:
        seed = _open(Kind.SIGNER_UNDER_KEK, envelope, kek, bytes.fromhex(public_key))
    except (_Unopened, ValueError):
        raise SigningPassphraseWrong from None
    if owner_key_of(seed) != public_key:
        raise SigningPassphraseWrong
    return seed


def open_root_for_device(envelope: str, device_private: Secret, *, owner_key: str) -> Secret:
    """Open the root key that the owner wrapped to this Device's X25519 key.

    `owner_key` is the one that the Device pinned: without the owner's
    signature a Hive could hand out a root key of its own and read all that is
    encrypted from then on.

    Raises:
        EnvelopeDamaged: not signed by that owner, or not for this Device.
    """
    try:
        return _open_for_device(bytes.fromhex(envelope), device_private, bytes.fromhex(owner_key))
    except (_Unopened, InvalidSignature, InvalidTag, ValueError):
        raise EnvelopeDamaged("the root key for this Device") from None


def open_action_secrets(sealed: str, device_private: Secret, *, subject: bytes) -> dict[str, str]:
    """Open the secret inputs of an app's action, sealed to this Device for `subject`. Raises ActionSecretsUnopened."""
    try:
        opened = _open_action_secrets(bytes.fromhex(sealed), device_private, subject)
        told = strict_json.mapping(strict_json.read(opened, most_bytes=MOST_BYTES), "the secrets")
        return {name: strict_json.text(value, "a secret") for name, value in told.items()}
    except (_Unopened, InvalidTag, NotStrict, ValueError):
        # The cause is dropped: its text could repeat a secret.
        raise ActionSecretsUnopened from None


def is_for_device(envelope: str, *, wrapping_key: str, owner_key: str) -> bool:
    """Say whether the owner once wrapped a root key to this X25519 key (hex): then it is a Device of his."""
    try:
        raw = bytes.fromhex(envelope)
        _check_owner(raw, bytes.fromhex(wrapping_key), bytes.fromhex(owner_key))
    except (_Unopened, InvalidSignature, ValueError):
        return False
    return True


def _owner_seed(keys: AccountKeys, kek: Secret) -> Secret:
    try:
        seed = _open(Kind.OWNER_UNDER_KEK, keys.wrapped_owner, kek, bytes.fromhex(keys.owner_key))
    except (_Unopened, ValueError):
        raise EnvelopeDamaged("the owner key") from None
    if owner_key_of(seed) != keys.owner_key:
        raise EnvelopeDamaged("the owner key")
    return seed


def _open(kind: Kind, envelope: str, wrapping: Secret, subject: bytes) -> Secret:
    raw = bytes.fromhex(envelope)
    if len(raw) != SYMMETRIC_BYTES or raw[:2] != bytes([VERSION, kind]):
        raise _Unopened
    nonce, sealed = raw[2 : 2 + NONCE_BYTES], raw[2 + NONCE_BYTES :]
    try:
        opened = AESGCM(expand(wrapping.reveal(), label(kind))).decrypt(nonce, sealed, additional_data(kind, subject))
    except InvalidTag:
        raise _Unopened from None
    return Secret(opened)


def _check_owner(raw: bytes, device: bytes, owner_key: bytes) -> None:
    if len(raw) != FOR_DEVICE_BYTES or raw[:2] != bytes([VERSION, Kind.ROOT_FOR_DEVICE]):
        raise _Unopened
    body, signature = raw[:SEALED_FOR_DEVICE_BYTES], raw[SEALED_FOR_DEVICE_BYTES:]
    Ed25519PublicKey.from_public_bytes(owner_key).verify(signature, DEVICE_ROOT_CONTEXT + device + body)


def _open_for_device(raw: bytes, device_private: Secret, owner_key: bytes) -> Secret:
    private = X25519PrivateKey.from_private_bytes(device_private.reveal())
    device = private.public_key().public_bytes_raw()
    _check_owner(raw, device, owner_key)
    body = raw[:SEALED_FOR_DEVICE_BYTES]
    ephemeral, sealed = body[2:34], body[34:]
    shared = private.exchange(X25519PublicKey.from_public_bytes(ephemeral))
    key = device_envelope_key(shared, ephemeral, device)
    return Secret(AESGCM(key).decrypt(bytes(NONCE_BYTES), sealed, additional_data(Kind.ROOT_FOR_DEVICE, device)))


def _open_action_secrets(raw: bytes, device_private: Secret, subject: bytes) -> bytes:
    if len(raw) < 2 + 32 + TAG_BYTES or raw[:2] != bytes([VERSION, Kind.ACTION_SECRETS]):
        raise _Unopened
    private = X25519PrivateKey.from_private_bytes(device_private.reveal())
    device = private.public_key().public_bytes_raw()
    ephemeral, sealed = raw[2:34], raw[34:]
    shared = private.exchange(X25519PublicKey.from_public_bytes(ephemeral))
    key = sealing_key(shared, ephemeral, device)
    return AESGCM(key).decrypt(bytes(NONCE_BYTES), sealed, authenticated(device, subject))
