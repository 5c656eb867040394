"""Keys that sign packages, one file each, and the root that they belong to.

A folder holds the keys of one place: the drawer (root and targets, under a
passphrase) or the publishing machine (channels, snapshot, timestamp). Each file
is 0600, on the disk before anything is signed with it, and never deleted. The
root beside them is where trust in the served folder begins: who can write to
that folder cannot make a publisher sign what he put there.
"""

import hashlib
import json
import os
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path

import msgspec
from securesystemslib.signer import Key, SecretsHandler, Signature, Signer, SSlibKey

from mosaic.adapters.private_file import sync_folder, write_private
from mosaic.core.errors import Corrupt, NotFound, Refused
from mosaic.crypto import passphrase as passphrases
from mosaic.crypto import pem_keys
from mosaic.crypto.envelope import wrap_signer_seed
from mosaic.crypto.metadata_signing import sign_metadata
from mosaic.crypto.secret import Secret
from mosaic.crypto.signing import public_key
from mosaic.crypto.unwrap import open_signer_seed
from mosaic.wire.account import KdfParameters

_ROOT = "root.json"
_MOST_BYTES = 64 * 1024


class SigningKeyUnusable(Corrupt):
    """A key file is damaged, or others may read it."""

    code = "signing-key-unusable"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"the key file {path} {reason}", hint=f"chmod 600 {path}, or take it from the copy that you keep elsewhere"
        )


class SigningKeyMissing(NotFound):
    """Too few of the keys that must sign are at hand."""

    code = "signing-key-missing"

    def __init__(self, role: str, *, needed: int, found: int) -> None:
        super().__init__(
            f"{role} must be signed with {needed} of its keys, and {found} are at hand",
            hint="name the folder with the key files; root and targets are kept apart from the others",
        )


class SigningPassphraseMissing(Refused):
    """A key is under a passphrase, and none was given."""

    code = "signing-passphrase-missing"

    def __init__(self, path: Path) -> None:
        super().__init__(f"the key {path} is under a passphrase", hint="give its passphrase when you are asked")


class KeyFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """One key as it is kept: its seed in hex, or sealed under the KEK of a passphrase."""

    role: str
    public: str
    seed: str | None = None
    kdf: KdfParameters | None = None
    sealed: str | None = None

    def __repr__(self) -> str:
        return f"KeyFile({self.role!r}, {self.public!r})"


class MetadataSigner(Signer):
    """Signs with one seed."""

    def __init__(self, seed: Secret) -> None:
        self._seed = seed
        self._key = key_of(public_key(seed.reveal()))

    @property
    def public_key(self) -> Key:
        """The key that others check signatures with."""
        return self._key

    def sign(self, payload: bytes) -> Signature:
        """Sign canonical JSON."""
        return Signature(self._key.keyid, sign_metadata(self._seed, payload).hex())

    @classmethod
    def from_priv_key_uri(
        cls, priv_key_uri: str, public_key: Key, secrets_handler: SecretsHandler | None = None
    ) -> Signer:
        """Refuse: keys come from a folder of ours, and never by an address."""
        # The library asks for this method of every signer; nothing here ever calls it.
        raise NotImplementedError


class KeyFolder:
    """A folder with key files. What it draws is sealed when it was opened with a passphrase."""

    def __init__(self, folder: Path, *, passphrase: str | None = None) -> None:
        self.folder = folder
        self._passphrase = passphrase
        self._opened: dict[str, Secret] = {}
        self._keks: dict[KdfParameters, Secret] = {}
        self._parameters: KdfParameters | None = None

    def draw(self, role: str) -> Key:
        """Make a key for a role, and keep it durably. Raises PassphraseTooWeak."""
        seed = Secret(secrets.token_bytes(32))
        public = public_key(seed.reveal())
        key = key_of(public)
        self._make()
        content = msgspec.json.encode(self._kept(role, public, seed))
        write_private(self.folder / f"{role}-{key.keyid[:16]}.key", content + b"\n")
        self._opened[key.keyid] = seed
        return key

    def has(self, keyid: str) -> bool:
        """Whether the key's file is here; it is not opened."""
        return self._path(keyid) is not None

    def signer(self, keyid: str) -> Signer | None:
        """Return what signs with a key, None when its file is not here.

        Raises:
            SigningKeyUnusable: the file is damaged or readable by others.
            SigningPassphraseMissing, SigningPassphraseWrong: it is sealed, and was not opened.
        """
        if keyid not in self._opened:
            path = self._path(keyid)
            if path is None:
                return None
            self._opened[keyid] = self._seed(path, keyid)
        return MetadataSigner(self._opened[keyid])

    def root(self) -> bytes | None:
        """Return the root that these keys belong to, None before there is one."""
        try:
            return (self.folder / _ROOT).read_bytes()
        except FileNotFoundError:
            return None

    def keep_root(self, root: bytes) -> None:
        """Begin trust at this root from now on."""
        self._make()
        write_private(self.folder / _ROOT, root)

    def forget_root(self) -> None:
        """Belong to no repository any more; for one whose making was interrupted."""
        (self.folder / _ROOT).unlink(missing_ok=True)

    def _make(self) -> None:
        if not self.folder.is_dir():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_folder(self.folder.parent)

    def _kept(self, role: str, public: str, seed: Secret) -> KeyFile:
        if self._passphrase is None:
            return KeyFile(role, public, seed=seed.reveal().hex())
        if self._parameters is None:
            passphrases.check_strength(self._passphrase)
            # One salt for the keys that are drawn together: they are under one passphrase anyway.
            self._parameters = passphrases.new_parameters()
        kek = self._kek(self._passphrase, self._parameters)
        return KeyFile(role, public, kdf=self._parameters, sealed=wrap_signer_seed(seed, kek, public_key=public))

    def _kek(self, passphrase: str, parameters: KdfParameters) -> Secret:
        if parameters not in self._keks:
            self._keks[parameters] = passphrases.derive(passphrase, parameters).kek
        return self._keks[parameters]

    def _path(self, keyid: str) -> Path | None:
        return next(iter(sorted(self.folder.glob(f"*-{keyid[:16]}.key"))), None)

    def _seed(self, path: Path, keyid: str) -> Secret:
        kept = _read(path)
        if key_of(kept.public).keyid != keyid:
            raise SigningKeyUnusable(path, "holds another key")
        if kept.seed is not None:
            return _plain_seed(path, kept, kept.seed)
        if kept.sealed is None or kept.kdf is None:
            raise SigningKeyUnusable(path, "is damaged")
        if self._passphrase is None:
            raise SigningPassphraseMissing(path)
        return open_signer_seed(kept.sealed, self._kek(self._passphrase, kept.kdf), public_key=kept.public)


def open_signing_key(path: Path) -> Secret:
    """Return the seed of one key for signing: a file of a key folder, or an Ed25519 private key as PEM.

    Raises:
        SigningKeyUnusable: it is neither, damaged, or others may read it.
        SigningPassphraseMissing: it is under a passphrase; those keys sign nothing that is signed every day.
    """
    content = _private_content(path)
    if content.lstrip().startswith(b"-----BEGIN"):
        found = pem_keys.seed_of(content)
        if found is None:
            raise SigningKeyUnusable(path, "is no Ed25519 private key without a passphrase")
        return found
    kept = _parsed(path, content)
    if kept.seed is None:
        raise SigningPassphraseMissing(path)
    return _plain_seed(path, kept, kept.seed)


def key_of(public: str) -> Key:
    """Return an Ed25519 key as TUF has it; its id is the SHA-256 of its canonical JSON, as the specification says."""
    fields = {"keytype": "ed25519", "keyval": {"public": public}, "scheme": "ed25519"}
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
    return SSlibKey(hashlib.sha256(canonical).hexdigest(), "ed25519", "ed25519", {"public": public})


def signers(folders: Sequence[KeyFolder], keyids: Sequence[str]) -> list[Signer]:
    """Return what signs with those of the keys that are at hand. Raises like `KeyFolder.signer`."""
    found = [next((one for folder in folders if (one := folder.signer(keyid))), None) for keyid in keyids]
    return [one for one in found if one is not None]


def _plain_seed(path: Path, kept: KeyFile, text: str) -> Secret:
    seed = Secret(_unhexed(path, text))
    if public_key(seed.reveal()) != kept.public:
        raise SigningKeyUnusable(path, "is damaged")
    return seed


def _read(path: Path) -> KeyFile:
    return _parsed(path, _private_content(path))


def _private_content(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if os.fstat(descriptor).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SigningKeyUnusable(path, "may be read by others")
        return file.read(_MOST_BYTES)


def _parsed(path: Path, content: bytes) -> KeyFile:
    try:
        return msgspec.json.decode(content, type=KeyFile)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        # What is in it is not repeated: it may hold a key.
        raise SigningKeyUnusable(path, "is damaged") from None


def _unhexed(path: Path, text: str) -> bytes:
    try:
        seed = bytes.fromhex(text)
    except ValueError:
        seed = b""
    if len(seed) != 32:
        raise SigningKeyUnusable(path, "is damaged")
    return seed
