"""How a Device joins: the join token, what it sends with it, and what the Hive answers.

The join token is one line: `mosaic-join-1.` and base64url (no padding) of the
JSON of JoinToken. It works once and for 15 minutes. The Hive keeps only the
SHA-256 of `secret`, and never sees `binding`. `hive_fingerprint` is SHA-256 (hex) of the Hive's Ed25519
public key; the Device pins it.

| request | answer |
|---|---|
| GET /api/hive | HiveIdentity (no authorization) |
| POST /api/enrol/keys: JoinSecret | AccountKeys (the token stays good: a passphrase is checked before it is used); 401, 409 as below |
| POST /api/enrol: Enrol | Enrolled; 401 `join-token-unknown`; 409 `join-token-used`, `join-token-expired`, `device-name-taken`; 403 `passphrase-differs` |

With the bearer token of its session a Device also uses:

| request | answer |
|---|---|
| GET /api/device | Enrolled, as it is now: `root_for_device` is there once the owner has admitted the Device |
| PUT /api/device/keys: device_keys.KeyProof | 204; what the owner's clients are shown. A Hive of an earlier version answers 404 |
| PUT /api/device/installations/{id}/volumes/{kind}: NewVolume | VolumeAssignment that counts (the first one registered wins); 409 `root-key-renewed` |
| GET /api/device/bundles/{digest} | the app's bundle, an uncompressed reproducible tar |
| POST /api/device/recollection: recollection.Recollection | 204; asked for by `Welcome.recovering` |
"""

import base64
import binascii

import msgspec

from mosaic.core.errors import Refused
from mosaic.wire.account import AccountKeys, OwnerAdmission
from mosaic.wire.device_keys import KeyProof

PREFIX = "mosaic-join-1."
ADMISSION_CONTEXT = b"mosaic admission v1\0"
"""The owner signs `account + join token's secret hash` or `account + device id` (text, joined by a newline)."""

IDENTITY_CONTEXT = b"mosaic hive identity v1\0"
"""The Hive signs `nonce + sha256 of the CA certificate's PEM` (hex, joined by a newline; empty without a CA)."""


class JoinTokenUnreadable(Refused):
    """The line is not a join token."""

    code = "join-token-unreadable"

    def __init__(self) -> None:
        super().__init__(
            "this is not a join token: one starts with `mosaic-join-1.` and is a single line",
            hint="copy the whole line that `mosaic device add` or the Console shows",
        )


class JoinToken(msgspec.Struct, frozen=True):
    """Where the Hive is, which key it has, and the secret that lets one Device in.

    `binding` is known to whoever made the token and to the Device alone, which
    authenticates its keys by it; "" in tokens of earlier versions.
    """

    url: str
    hive_fingerprint: str
    secret: str
    name: str = ""
    binding: str = ""

    def __repr__(self) -> str:
        return f"JoinToken({self.url!r}, …)"


def write(token: JoinToken) -> str:
    """Return the token as the one line that people paste."""
    return PREFIX + base64.urlsafe_b64encode(msgspec.json.encode(token)).rstrip(b"=").decode()


def read(line: str) -> JoinToken:
    """Read what `write` wrote. Raises JoinTokenUnreadable."""
    text = line.strip()
    if not text.startswith(PREFIX):
        raise JoinTokenUnreadable
    encoded = text.removeprefix(PREFIX)
    try:
        raw = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        return msgspec.json.decode(raw, type=JoinToken)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise JoinTokenUnreadable from None


class HiveIdentity(msgspec.Struct, frozen=True):
    """`key` is the Hive's Ed25519 public key (hex); `ca_pem` what to trust for https; `signature` by `key`.

    `public_url` is where other machines reach it, None when it was not told. It is not signed: whoever uses it
    compares the key again. Nor is `now_ns`, the Hive's clock; 0 when it does not say.
    """

    key: str
    nonce: str
    ca_pem: str | None
    signature: str
    version: str
    public_url: str | None = None
    now_ns: int = 0


class JoinSecret(msgspec.Struct, frozen=True):
    """The join token's secret."""

    secret: str


class Enrol(msgspec.Struct, frozen=True):
    """What a new Device says. Keys are hex. `auth_key` proves the passphrase when the Device was given it.

    `version` is empty: it is told in reports, and only by a Device whose owner opted in to its upgrades.
    """

    secret: str
    name: str
    signing_key: str
    wrapping_key: str
    architecture: str
    version: str
    auth_key: str | None = None
    admission: OwnerAdmission | None = None
    proof: KeyProof | None = None


class Enrolled(msgspec.Struct, frozen=True):
    """The Device exists. `owner_key` is the account's Ed25519 public key, pinned from now on.

    `root_for_device` (hex) is the root key wrapped to the Device's X25519 key,
    once the owner has admitted it that way.
    """

    device: str
    account: str
    name: str
    owner_key: str
    admitted: bool
    keys: AccountKeys
    root_for_device: str | None = None


class NewVolume(msgspec.Struct, frozen=True):
    """A key pair that a Device made: the public key, and the seed's envelope under the root key (hex).

    `root_id` names that root key: one under a key that was renewed since is refused.
    """

    volume: str
    wrapped_seed: str
    root_id: str = ""


class NewJoinToken(msgspec.Struct, frozen=True):
    """`secret_hash` is SHA-256 (hex) of a secret that the Hive never sees. `admission` by the owner, if given."""

    secret_hash: str
    name: str = ""
    admission: OwnerAdmission | None = None


class DeviceImage(msgspec.Struct, frozen=True):
    """The name of the image that Devices in containers are started from."""

    image: str
