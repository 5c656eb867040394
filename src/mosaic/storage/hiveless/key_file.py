"""The file with a volume's seed: what remains with its owner, and restores the volume elsewhere.

It is on the disk before anything that is encrypted with it, and Mosaic never
deletes one.
"""

import re
import secrets
from pathlib import Path

from mosaic.adapters.private_file import sync_folder, write_private
from mosaic.core.errors import Refused
from mosaic.crypto.volume_keys import volume_id
from mosaic.storage.hiveless.private import SecretFileRefused, read_secret

_SEED = re.compile(r"[0-9a-f]{64}", re.ASCII | re.IGNORECASE)
_WHAT = "key file"


class KeyFolderMissing(Refused):
    """The folder that a new key file should go to is not there."""

    code = "key-folder-missing"

    def __init__(self, path: Path) -> None:
        super().__init__(f"there is no folder {path.parent} for the key file", hint=f"make it: mkdir -p {path.parent}")


def read_key(path: Path) -> bytes | None:
    """Return the seed in a key file, None when there is no file.

    Raises:
        SecretFileRefused: others may read it, or it holds something else.
    """
    text = read_secret(path, _WHAT)
    if text is None:
        return None
    if not _SEED.fullmatch(text.strip()):
        raise SecretFileRefused(
            f"the {_WHAT} {path} does not hold a key",
            hint="a key is 64 hexadecimal characters on one line; name a file that is not there for a new key",
        )
    return bytes.fromhex(text.strip())


def write_new_key(path: Path) -> bytes:
    """Draw a seed and write it to a new file, durably. Raises like `write_key`."""
    seed = secrets.token_bytes(32)
    write_key(path, seed)
    return seed


def write_key(path: Path, seed: bytes) -> None:
    """Write a seed to a new file that only its owner may read, durably.

    Raises:
        KeyFolderMissing: there is no such folder.
        SecretFileRefused: there is a file already, or it cannot be written.
    """
    if not path.parent.is_dir():
        raise KeyFolderMissing(path)
    if path.exists():
        raise SecretFileRefused(f"there is a file {path} already", hint="a key is never replaced; name another file")
    try:
        write_private(path, f"{seed.hex()}\n".encode())
    except OSError as error:
        reason = f"the {_WHAT} {path} cannot be written: {error.strerror}"
        raise SecretFileRefused(reason, hint="name a file in another folder: -o key-file=/path") from None


def write_key_of_our_own(folder: Path, name: str) -> tuple[Path, bytes]:
    """Draw a seed and write it to `folder`, in a file named after the volume and its key."""
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)
    seed = secrets.token_bytes(32)
    path = folder / f"{name}-{volume_id(seed)[:12]}.key"
    write_key(path, seed)
    return path, seed
