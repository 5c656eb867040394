"""Reading small files with secrets: refused when anybody else on the machine may read them."""

import os
import stat
from pathlib import Path

from mosaic.core.errors import Refused

_MOST_BYTES = 64 * 1024


class SecretFileRefused(Refused):
    """A file that should hold a secret cannot be used as one. What is in it is never repeated."""

    code = "secret-file-refused"


def read_secret(path: Path, what: str) -> str | None:
    """Return a small text file, None when there is none.

    Raises:
        SecretFileRefused: others may read it, it is somebody else's, or it is no small text file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SecretFileRefused(f"the {what} {path}: {error.strerror}", hint="name a file that root can read") from None
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _MOST_BYTES:
            raise SecretFileRefused(f"the {what} {path} is not a small file", hint="name a file with a few lines")
        if found.st_uid not in (0, os.geteuid()):
            raise SecretFileRefused(f"the {what} {path} belongs to somebody else", hint=f"chown root {path}")
        if found.st_mode & 0o077:
            raise SecretFileRefused(f"the {what} {path} may be read by others", hint=f"chmod 600 {path}")
        content = file.read(_MOST_BYTES)
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise SecretFileRefused(f"the {what} {path} is not text", hint="name a file with a few lines of text") from None
