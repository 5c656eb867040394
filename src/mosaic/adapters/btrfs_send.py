"""What the kernel says about the difference of two snapshots: `BTRFS_IOC_SEND` without file data.

The kernel walks only the metadata that changed, so this costs milliseconds
whatever a volume's size. Needs root (or SYS_ADMIN).
"""

import contextlib
import errno
import fcntl
import os
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

from mosaic.adapters.btrfs import NotASubvolume, look, meaning

_SEND = 0x40489426
_NO_FILE_DATA = 1
_SEND_ARGS = struct.Struct("=qQQQQI28x")
_SET_PIPE_SIZE = 1031
_PIPE_BYTES = 1024 * 1024
_ENDS_SECONDS = 30.0


@contextlib.contextmanager
def difference(snapshot: Path, parent: Path) -> Iterator[int]:
    """Have a descriptor that yields the stream which makes `parent` into `snapshot`, both read-only.

    Leaving early ends the kernel's work. A stream without its END command was
    cut short; what cut it is raised when the block is left.

    Raises:
        NotASubvolume, NotBtrfs, SubvolumeRefused: the kernel can't compare these two.
    """
    found = look(parent)
    if found is None:
        raise NotASubvolume(parent)
    failures: list[OSError] = []
    with contextlib.ExitStack() as opened:
        source = _opened(opened, os.open(snapshot, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        reader, writer = os.pipe2(os.O_CLOEXEC)
        sender = threading.Thread(
            target=_send, args=(source, writer, found.tree, failures), name="btrfs-send", daemon=True
        )
        # The order of leaving: the reader first, which ends the kernel's work, then the thread, then the snapshot.
        opened.callback(sender.join, _ENDS_SECONDS)
        _opened(opened, reader)
        with contextlib.suppress(OSError):  # a smaller pipe only costs more context switches
            fcntl.fcntl(writer, _SET_PIPE_SIZE, _PIPE_BYTES)
        sender.start()
        yield reader
    if failures:
        raise meaning(snapshot, failures[0]) from failures[0]


def _opened(opened: contextlib.ExitStack, descriptor: int) -> int:
    opened.callback(os.close, descriptor)
    return descriptor


def _send(source: int, writer: int, parent: int, failures: list[OSError]) -> None:
    try:
        fcntl.ioctl(source, _SEND, bytearray(_SEND_ARGS.pack(writer, 0, 0, parent, _NO_FILE_DATA, 0)))
    except OSError as error:
        if error.errno != errno.EPIPE:  # the reader has seen enough
            failures.append(error)
    finally:
        os.close(writer)
