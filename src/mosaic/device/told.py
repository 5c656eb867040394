"""What the Hive was told last, kept for the owner of this machine to read: `mosaic device report --show`.

Nothing is decided by it, so it is not made durable: the next report writes it anew.
"""

from pathlib import Path

from mosaic.adapters import log
from mosaic.adapters.channel import frame
from mosaic.wire.channel import Reported


def keep_told(path: Path, message: Reported) -> None:
    """Put the bytes in place of those before. A full disk must not keep a report from the Hive: it is only said."""
    draft = path.with_name(f"{path.name}.new")
    try:
        draft.touch(mode=0o600)
        draft.write_bytes(frame(message))
        draft.replace(path)
    except OSError as error:
        log.warning("report_not_shown", path=str(path), reason=error.strerror or str(error))
