"""The Hive's own key, and what is derived from it.

The seed is a 0600 file in the state folder and not a row: a stolen database
does not let anybody speak as the Hive. Devices pin the public key when they
enrol.
"""

import hashlib
import hmac
import secrets
from pathlib import Path

from mosaic.adapters.private_file import write_private
from mosaic.core.errors import Corrupt
from mosaic.core.ids import DeviceId, SessionId
from mosaic.crypto import hive_requests, link_exports, signing
from mosaic.crypto.hive_requests import HiveRequest
from mosaic.crypto.secret import Secret
from mosaic.wire.channel import DEVICE_CONTEXT, HIVE_CONTEXT
from mosaic.wire.enrol import IDENTITY_CONTEXT
from mosaic.wire.link_export import LinkExport, SignedLinkExport

_CSRF_LABEL = b"mosaic csrf v2\0"
_CHALLENGE_LABEL = b"mosaic link challenge key v1\0"


class HiveKeyUnreadable(Corrupt):
    """The Hive's key file is not what this program wrote."""

    code = "hive-key-unreadable"

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"the Hive's key {path} is damaged",
            hint="restore it from a backup; a Hive with another key is a stranger to its Devices",
        )


class HiveKey:
    """Signs for the Hive. `public` is the Ed25519 public key in hex."""

    def __init__(self, seed: Secret) -> None:
        self._seed = seed
        self.public = signing.public_key(seed.reveal())

    @property
    def fingerprint(self) -> str:
        """What join tokens carry and Devices pin: SHA-256 (hex) of the public key."""
        return hashlib.sha256(bytes.fromhex(self.public)).hexdigest()

    def sign_identity(self, nonce: str, ca_pem: str | None) -> str:
        """Sign who the Hive is and which CA it uses, for somebody who knows the fingerprint only."""
        ca_hash = hashlib.sha256(ca_pem.encode()).hexdigest() if ca_pem else ""
        return self._sign(IDENTITY_CONTEXT, f"{nonce}\n{ca_hash}")

    def sign_channel(self, nonce: str, device: DeviceId, session: SessionId) -> str:
        """Prove to a Device that this is the Hive that it pinned."""
        return self._sign(HIVE_CONTEXT, f"{nonce}\n{device}\n{session}")

    def csrf(self, token: str) -> str:
        """Return the CSRF value of a browser's session. Whoever was sent the cookie, as an app is, can't derive it."""
        return hmac.new(self._seed.reveal(), _CSRF_LABEL + token.encode(), hashlib.sha256).hexdigest()

    @property
    def challenge_key(self) -> bytes:
        """The key under which owners' domains are proved (`mosaic.core.name_proof`)."""
        return hmac.new(self._seed.reveal(), _CHALLENGE_LABEL, hashlib.sha256).digest()

    def sign_request(self, request: HiveRequest, *, now_ns: int) -> dict[str, str]:
        """Return the headers by which a gateway knows that this Hive asks."""
        return hive_requests.sign(self._seed.reveal(), request, now_seconds=now_ns // 10**9)

    def sign_links(self, export: LinkExport) -> SignedLinkExport:
        """Return links as a file, by which a gateway knows that this Hive wants them."""
        return link_exports.sign(self._seed.reveal(), export)

    def _sign(self, context: bytes, message: str) -> str:
        return signing.sign(self._seed.reveal(), context, message.encode()).hex()


def device_proved(device_key: str, *, nonce: str, hive_key: str, session: SessionId, signature: str) -> bool:
    """Tell whether the Device signed our nonce for this Hive and this session."""
    try:
        raw = bytes.fromhex(signature)
    except ValueError:
        return False
    return signing.verify(device_key, DEVICE_CONTEXT, f"{nonce}\n{hive_key}\n{session}".encode(), raw)


def load_or_make(path: Path) -> HiveKey:
    """Read the Hive's key, or make it at the very first start. Raises HiveKeyUnreadable."""
    if not path.exists():
        write_private(path, f"{secrets.token_bytes(signing.SEED_BYTES).hex()}\n".encode())
    try:
        seed = bytes.fromhex(path.read_text().strip())
    except ValueError:
        raise HiveKeyUnreadable(path) from None
    if len(seed) != signing.SEED_BYTES:
        raise HiveKeyUnreadable(path)
    return HiveKey(Secret(seed))
