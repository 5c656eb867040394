"""From the six words that a person keeps to the two keys that Mosaic uses.

    passphrase --normalise--> UTF-8 --Argon2id--> master --HKDF--> auth_key, KEK

The Hive is told `auth_key` (and keeps a salted hash of it); the KEK never
leaves the browser, CLI or Device that derived it. Parameters weaker than ours
are refused by every client, so that no Hive can ask for a cheap derivation.
docs/keys.md has all of this byte by byte.
"""

import re
import secrets
import unicodedata
from dataclasses import dataclass

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mosaic.core.errors import Refused
from mosaic.crypto.secret import Secret
from mosaic.crypto.word_list import word_list
from mosaic.wire.account import KDF_SALT_BYTES, MOST_LANES, MOST_MEMORY_KIB, MOST_PASSES, KdfParameters

MEMORY_KIB = 64 * 1024
PASSES = 4
LANES = 1
WORDS = 6

_AUTH_LABEL = b"mosaic auth v1"
_KEK_LABEL = b"mosaic kek v1"
_FEWEST_CHARACTERS = 16

# What NFKD leaves of white space; spelled out because Python and browsers disagree on the rest.
_SPACE = re.compile("[\t\n\v\f\r ]+")


class KdfRefused(Refused):
    """The Hive's key derivation parameters are outside of what a client accepts."""

    code = "kdf-refused"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"this Hive asks for a key derivation that Mosaic refuses: {reason}",
            hint="do not type your passphrase for this Hive; ask whoever runs it what was changed",
        )


class PassphraseTooWeak(Refused):
    """A passphrase that somebody chose could be guessed."""

    code = "passphrase-too-weak"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"this passphrase could be guessed: {reason}",
            hint="take the six words that Mosaic generates, or at least four words that do not belong together",
        )


@dataclass(frozen=True, slots=True)
class Derived:
    """`auth_key` proves the passphrase to the Hive; `kek` opens what is wrapped under it and is never sent."""

    auth_key: Secret
    kek: Secret


def generate() -> str:
    """Return six words of the 2048-word English list: 66 bits, at Argon2id's price for each guess."""
    words = word_list()
    return " ".join(secrets.choice(words) for _ in range(WORDS))


def normalise(passphrase: str) -> str:
    """Return the form that is derived from: NFKD, lower case, single spaces, none at the ends."""
    folded = unicodedata.normalize("NFKD", passphrase).lower()
    return _SPACE.sub(" ", folded).strip(" ")


def check_strength(passphrase: str) -> None:
    """Refuse what a thief of the Hive's database would guess. Raises PassphraseTooWeak."""
    text = normalise(passphrase)
    if len(text) < _FEWEST_CHARACTERS:
        raise PassphraseTooWeak(f"it has {len(text)} characters, and {_FEWEST_CHARACTERS} are the least")
    words = set(text.split(" "))
    if len(words) < 4 and len(set(text)) < 12:
        raise PassphraseTooWeak("it repeats itself")


def new_parameters() -> KdfParameters:
    """Return this version's parameters with a fresh salt."""
    return KdfParameters(MEMORY_KIB, PASSES, LANES, secrets.token_bytes(KDF_SALT_BYTES).hex())


def derive(passphrase: str, parameters: KdfParameters) -> Derived:
    """Derive both keys. Takes about half a second and 64 MiB.

    Raises:
        KdfRefused: the parameters are too weak, absurd or not readable.
    """
    salt = _accepted_salt(parameters)
    argon = Argon2id(
        salt=salt,
        length=32,
        iterations=parameters.passes,
        lanes=parameters.lanes,
        memory_cost=parameters.memory_kib,
    )
    master = argon.derive(normalise(passphrase).encode())
    return Derived(Secret(expand(master, _AUTH_LABEL)), Secret(expand(master, _KEK_LABEL)))


def expand(key: bytes, label: bytes, *, salt: bytes = b"") -> bytes:
    """HKDF-SHA256 to 32 bytes. An empty salt is RFC 5869's default, as in WebCrypto."""
    return HKDF(SHA256(), 32, salt, label).derive(key)


def _accepted_salt(parameters: KdfParameters) -> bytes:
    if parameters.memory_kib < MEMORY_KIB or parameters.passes < PASSES or parameters.lanes < 1:
        raise KdfRefused(f"it is weaker than {MEMORY_KIB // 1024} MiB and {PASSES} passes")
    if parameters.memory_kib > MOST_MEMORY_KIB or parameters.passes > MOST_PASSES or parameters.lanes > MOST_LANES:
        raise KdfRefused("it would take minutes or more memory than clients have")
    try:
        salt = bytes.fromhex(parameters.salt)
    except ValueError:
        salt = b""
    if len(salt) != KDF_SALT_BYTES:
        raise KdfRefused(f"its salt is not {KDF_SALT_BYTES} bytes")
    return salt
