"""The authority of this Device's LAN front: found in the front's folder, or made there.

A folder that lies there is whole, since it is made aside and renamed. One that ends within
the year is put aside for a new one: browsers have to be told of that one anew.
"""

import shutil
from datetime import UTC, datetime
from pathlib import Path

from mosaic.adapters.caddy_https import AuthorityFiles
from mosaic.adapters.private_file import write_private
from mosaic.crypto import lan_authority
from mosaic.device.front_folder import FrontFolder

_LEFT_DAYS = 365
_KNOWN_LETTERS = 8


def authority(place: FrontFolder, device: str, now_ns: int) -> tuple[AuthorityFiles, str]:
    """Return the files of the authority and its root (PEM). Raises OSError."""
    now = datetime.fromtimestamp(now_ns / 1e9, UTC)
    found = _root_in(place.authority)
    if found is None or not lan_authority.is_good(found, now, days=_LEFT_DAYS):
        found = _made(place.authority, device, now)
    known = lan_authority.fingerprint(found).replace(":", "").lower()[:_KNOWN_LETTERS]
    return AuthorityFiles(place.authority, f"lan-{known}"), found


def _root_in(folder: Path) -> str | None:
    files = AuthorityFiles(folder, "")
    if not all(file.is_file() for file in files.all):
        return None
    return files.root.read_text(errors="replace")


def _made(folder: Path, device: str, now: datetime) -> str:
    made = lan_authority.make(f"Mosaic on {device}", now)
    draft = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    files = AuthorityFiles(draft, "")
    for file, text in ((files.root, made.root_pem), (files.signing, made.intermediate_pem), (files.key, made.key_pem)):
        write_private(file, text.encode())
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)
    return made.root_pem
