"""What this machine's command line knows of Devices by itself, so that it need not believe a Hive.

Small files beside `cli.json`, 0600, each replaced whole: the keys of every
Device that was recognised once, the ends of the audit logs that were verified
last, and the bindings of the newest join tokens that were made here.
"""

import hashlib
import re
from pathlib import Path

import msgspec

from mosaic.adapters.private_file import write_private
from mosaic.cli import credentials
from mosaic.core.errors import Refused
from mosaic.crypto.device_keys import DeviceKeys
from mosaic.crypto.secret import Secret

MOST_BINDINGS = 50
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)


class KnownDevicesDamaged(Refused):
    """A file is not one that this program wrote."""

    code = "known-devices-damaged"

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} cannot be read",
            hint="remove it, and recognise the Device anew: `mosaic device fingerprint NAME --is FINGERPRINT`",
        )


class KnownDevice(msgspec.Struct, frozen=True):
    """A Device whose keys were recognised, with the owner's that it pinned.

    `audit_head` is the end of its audit log when it was verified last.
    `is_removed`: its owner removed it here, and wraps nothing to it any more.
    """

    signing_key: str
    wrapping_key: str
    owner_key: str
    audit_head: str = ""
    is_removed: bool = False


def find(account: str, device: str) -> KnownDevice | None:
    """Return what is known of a Device. Raises KnownDevicesDamaged."""
    path = _path("device", account, device)
    try:
        return msgspec.json.decode(path.read_bytes(), type=KnownDevice)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError:
        raise KnownDevicesDamaged(path) from None


def remember(account: str, keys: DeviceKeys) -> None:
    """Keep the keys of a Device that was recognised. What else is known of it stays."""
    known = find(account, keys.device) or KnownDevice("", "", "")
    found = msgspec.structs.replace(
        known, signing_key=keys.signing_key, wrapping_key=keys.wrapping_key, owner_key=keys.owner_key
    )
    if found != known:
        _write(_path("device", account, keys.device), msgspec.json.encode(found))


def note_removed(account: str, device: str) -> None:
    """Keep in mind that a known Device is removed."""
    known = find(account, device)
    if known is not None:
        _write(_path("device", account, device), msgspec.json.encode(msgspec.structs.replace(known, is_removed=True)))


def note_audit_head(account: str, device: str, head: str) -> None:
    """Keep the end of the audit log of a known Device."""
    known = find(account, device)
    if known is not None and known.audit_head != head:
        _write(_path("device", account, device), msgspec.json.encode(msgspec.structs.replace(known, audit_head=head)))


def hive_audit_head(account: str) -> str:
    """Return the end of the Hive's log when it was verified last, "" before."""
    try:
        return _path("hive", account, "audit").read_text("ascii")
    except (FileNotFoundError, UnicodeDecodeError):
        return ""


def note_hive_audit_head(account: str, head: str) -> None:
    """Keep the end of the Hive's log."""
    _write(_path("hive", account, "audit"), head.encode())


def keep_binding(secret_hash: str, binding: Secret) -> None:
    """Keep the binding of a join token that was made here, and forget the oldest of many."""
    _write(_binding(secret_hash), binding.reveal())
    every = sorted(_folder().glob("join-*"), key=lambda path: path.stat().st_mtime_ns)
    for path in every[:-MOST_BINDINGS]:
        path.unlink(missing_ok=True)


def binding_of(secret_hash: str) -> Secret | None:
    """Return the binding of a join token (named by the SHA-256 of its secret); None when it was not made here."""
    if not _HASH.fullmatch(secret_hash):
        return None
    try:
        return Secret(_binding(secret_hash).read_bytes())
    except FileNotFoundError:
        return None


def forget_binding(secret_hash: str) -> None:
    """Forget a binding that has done its work."""
    if _HASH.fullmatch(secret_hash):
        _binding(secret_hash).unlink(missing_ok=True)


def _folder() -> Path:
    return credentials.path().parent / "known"


def _path(kind: str, account: str, name: str) -> Path:
    # Both come from a Hive, and become part of a path here.
    hashed = hashlib.sha256(f"{account}\n{name}".encode()).hexdigest()
    return _folder() / f"{kind}-{hashed}.json"


def _binding(secret_hash: str) -> Path:
    return _folder() / f"join-{secret_hash}"


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(path, content)
