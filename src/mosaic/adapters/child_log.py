"""Keeping small what a program that lives on writes to its log.

`process.spawn` opens logs to append. So what is written after a file was cut goes
to its beginning, and the program need not be told; a line that is written in that
very moment may be lost.
"""

import contextlib
import os
from pathlib import Path

from mosaic.adapters.private_file import write_private
from mosaic.core.errors import MosaicError

MOST_BYTES = 4 * 1024 * 1024
KEPT_BYTES = 1024 * 1024


def keep_small(log: Path) -> None:
    """Empty a log that has grown large; its last part is in the file `<its name>.1` then. Its absence is no error."""
    with contextlib.suppress(FileNotFoundError), log.open("r+b") as file:
        if file.seek(0, os.SEEK_END) <= MOST_BYTES:
            return
        file.seek(-KEPT_BYTES, os.SEEK_END)
        # On a full disk it is emptied all the same.
        with contextlib.suppress(MosaicError, OSError):
            write_private(log.with_name(f"{log.name}.1"), file.read(KEPT_BYTES))
        file.truncate(0)
