"""Paths in a volume, as people type them and as they are shown.

Names are bytes of any kind. What cannot be printed is shown escaped, so that
no name of an app's file can write to somebody's terminal.
"""

import os

from mosaic.storage.engine.beneath import Components
from mosaic.storage.engine.roots import shown


def components(path: str) -> Components:
    """Return the names on the way; `/`, `.` and nothing are the volume's own directory."""
    return tuple(name for name in os.fsencode(path).split(b"/") if name not in (b"", b"."))


def told(name: bytes) -> str:
    """Return a name for people."""
    return shown(name)


def exact(name: bytes) -> str | None:
    """Return the bytes of a name in hex when its text doesn't say them, None when it does."""
    return None if os.fsencode(shown(name)) == name else name.hex()
