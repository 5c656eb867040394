"""A disk whose power can be cut: what was written since its last flush may be lost, in any part and any order.

It is one file, served by the kernel's FUSE protocol from a process of its own:
the mount point itself is that file, and a loop device makes a disk of it. A
write is kept apart until a flush (FSYNC) that began after it is answered. A
cut decides about each of those writes, or each 4 KiB of them, whether
it reached the medium; nothing that is written after that does. So the power
fails for everything on the disk, file systems and databases, at one instant.

Run as a program it is the server: `volatile_disk.py MEDIUM MOUNTPOINT`, which
reads commands from standard input and answers each with a line.
"""

import ctypes
import errno
import os
import random
import selectors
import struct
import subprocess
import sys
from pathlib import Path

_IN = struct.Struct("<IIQQIIII")
_OUT = struct.Struct("<IiQ")
_INIT_IN = struct.Struct("<IIII")
_READ_IN = struct.Struct("<QQIIQII")


class _Code:
    """What the kernel asks."""

    FORGET = 2
    GETATTR = 3
    SETATTR = 4
    OPEN = 14
    READ = 15
    WRITE = 16
    RELEASE = 18
    FSYNC = 20
    FLUSH = 25
    INIT = 26
    DESTROY = 38


_DIRECT_IO = 1
_ASYNC_READ, _BIG_WRITES, _MAX_PAGES = 1 << 0, 1 << 5, 1 << 22
_LARGEST_WRITE = 1024 * 1024
_BLOCK = 4096
_REGULAR = 0o100600
_FOREVER = 1 << 40
_MS_NODEV, _MS_NOSUID, _MNT_DETACH = 4, 2, 2


class VolatileDisk:
    """The disk, in a process of its own. Use it in a `with`; `mountpoint` is the file to attach."""

    def __init__(self, medium: Path, mountpoint: Path) -> None:
        self.mountpoint = mountpoint
        self._words = [sys.executable, __file__, str(medium), str(mountpoint)]
        self._server: subprocess.Popen[str] | None = None

    def __enter__(self) -> "VolatileDisk":
        self._server = subprocess.Popen(self._words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._answer() == "ready"
        return self

    def __exit__(self, *_: object) -> None:
        """Take the disk away. Nothing may be mounted from it any more."""
        assert self._server is not None
        # Leaving closes its standard input, which ends it.
        with self._server:
            pass
        assert self._server.returncode == 0

    def cut(self, how: str, seed: int) -> tuple[int, int]:
        """Cut the power. Returns how many writes had not been flushed, and how many of them reached the medium whole.

        `how` is `none`, `all`, `prefix`, `writes` (each one or not) or `blocks` (each 4 KiB of each, or not).
        """
        kept = self._ask(f"cut {how} {seed}").split()
        return int(kept[0]), int(kept[1])

    def cut_at_flush(self, number: int, least: int, how: str, seed: int) -> tuple[int, int]:
        """Cut the power when a flush begins: a transaction is all written then, and nothing of it is for good.

        It is the first one after `number` others that has `least` writes to flush. It is not answered before
        `let_go`, so that nothing that waits for it goes on. Returns as `cut` does.
        """
        kept = self._ask(f"at-flush {number} {least} {how} {seed}").split()
        return int(kept[0]), int(kept[1])

    def let_go(self) -> None:
        """Answer the flush that met the cut, so that the dead machine can be taken down."""
        assert self._ask("let-go") == "gone"

    def _ask(self, words: str) -> str:
        assert self._server is not None
        assert self._server.stdin is not None
        self._server.stdin.write(words + "\n")
        self._server.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        assert self._server is not None
        assert self._server.stdout is not None
        return self._server.stdout.readline().strip()


class _Medium:
    """What the disk holds for good, and what it was told since the last flush."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR)
        self.size = os.fstat(self._fd).st_size
        self._waiting: list[tuple[int, bytes]] = []
        self.is_dead = False

    @property
    def waiting(self) -> int:
        """How many writes were not flushed."""
        return len(self._waiting)

    def read(self, offset: int, length: int) -> bytes:
        found = bytearray(os.pread(self._fd, length, offset))
        for at, content in self._waiting:
            start, end = max(at, offset), min(at + len(content), offset + len(found))
            if start < end:
                found[start - offset : end - offset] = content[start - at : end - at]
        return bytes(found)

    def write(self, offset: int, content: bytes) -> None:
        self._waiting.append((offset, content))

    def flush(self) -> None:
        if not self.is_dead:
            for at, content in self._waiting:
                os.pwrite(self._fd, content, at)
            self._waiting.clear()

    def cut(self, how: str, luck: random.Random) -> tuple[int, int]:
        # They stay in mind, so that who still reads sees no disk of parts.
        waiting = list(self._waiting)
        self.is_dead = True
        kept = 0
        ends = luck.randint(0, len(waiting))
        for number, (at, content) in enumerate(waiting):
            chance = {"none": 0.0, "all": 1.0, "prefix": float(number < ends), "writes": float(luck.random() < 0.5)}
            blocks = range(0, len(content), _BLOCK)
            chosen = [block for block in blocks if luck.random() < chance.get(how, 0.5)]
            for block in chosen:
                os.pwrite(self._fd, content[block : block + _BLOCK], at + block)
            kept += len(chosen) == len(blocks)
        return len(waiting), kept


class _Server:
    """Answers the kernel, and obeys the commands on standard input."""

    def __init__(self, medium: _Medium, mountpoint: Path) -> None:
        self._medium = medium
        self._mountpoint = os.fsencode(mountpoint)
        self._fuse = os.open("/dev/fuse", os.O_RDWR)
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._flushes_left, self._least, self._is_armed = 0, 0, False
        self._how, self._luck = "", random.Random(0)
        self._unanswered: list[int] = []
        self._holds_flushes = False

    def serve(self) -> None:
        """Mount, and answer until the commands end."""
        options = f"fd={self._fuse},rootmode={_REGULAR:o},user_id=0,group_id=0".encode()
        if self._libc.mount(b"volatile-disk", self._mountpoint, b"fuse", _MS_NODEV | _MS_NOSUID, options):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        os.set_blocking(self._fuse, False)
        selector = selectors.DefaultSelector()
        selector.register(self._fuse, selectors.EVENT_READ)
        selector.register(sys.stdin, selectors.EVENT_READ)
        print("ready", flush=True)
        try:
            while True:
                for key, _ in selector.select():
                    if not (self._obey() if key.fileobj is sys.stdin else self._answer_kernel()):
                        return
        finally:
            self._libc.umount2(self._mountpoint, _MNT_DETACH)

    def _obey(self) -> bool:
        match sys.stdin.readline().split():
            case ["cut", how, seed]:
                print(*self._medium.cut(how, random.Random(int(seed))), flush=True)
            case ["at-flush", number, least, how, seed]:
                self._flushes_left, self._least, self._is_armed = int(number), int(least), True
                self._how, self._luck = how, random.Random(int(seed))
            case ["let-go"]:
                self._holds_flushes = False
                for unique in self._unanswered:
                    self._reply(unique, 0, b"")
                print("gone", flush=True)
            case _:
                return False
        return True

    def _answer_kernel(self) -> bool:
        try:
            request = os.read(self._fuse, _LARGEST_WRITE + 4096)
        except OSError as error:
            # Taken back by the kernel, or the mount is gone.
            return error.errno in (errno.EAGAIN, errno.ENOENT, errno.EINTR)
        _, code, unique, *_ = _IN.unpack_from(request)
        body = request[_IN.size :]
        if code in (_Code.FORGET, _Code.DESTROY):
            return True
        if code == _Code.FSYNC and self._is_cut_here():
            self._unanswered.append(unique)
            return True
        self._reply(unique, *_do(self._medium, code, body))
        return True

    def _is_cut_here(self) -> bool:
        self._flushes_left -= 1
        if self._is_armed and self._flushes_left < 0 and self._medium.waiting >= self._least:
            self._is_armed, self._holds_flushes = False, True
            print(*self._medium.cut(self._how, self._luck), flush=True)
        return self._holds_flushes

    def _reply(self, unique: int, status: int, answer: bytes) -> None:
        os.write(self._fuse, _OUT.pack(_OUT.size + len(answer), -status, unique) + answer)


def _do(medium: _Medium, code: int, body: bytes) -> tuple[int, bytes]:
    match code:
        case _Code.INIT:
            _, minor, ahead, wanted = _INIT_IN.unpack_from(body)
            flags = wanted & (_ASYNC_READ | _BIG_WRITES | _MAX_PAGES)
            most = (16, 12, _LARGEST_WRITE, 1, _LARGEST_WRITE // 4096)
            return 0, struct.pack("<IIIIHHIIHH32x", 7, min(minor, 31), ahead, flags, *most[:2], *most[2:], 0)
        case _Code.GETATTR | _Code.SETATTR:
            attributes = struct.pack("<QQQQQQIIIIIIIIII", 1, medium.size, (medium.size + 511) // 512, 0, 0, 0,
                                     0, 0, 0, _REGULAR, 1, 0, 0, 0, 4096, 0)  # fmt: skip
            return 0, struct.pack("<QII", _FOREVER, 0, 0) + attributes
        case _Code.OPEN:
            return 0, struct.pack("<QII", 1, _DIRECT_IO, 0)
        case _Code.READ:
            _, offset, length, *_ = _READ_IN.unpack_from(body)
            return 0, medium.read(offset, length)
        case _Code.WRITE:
            _, offset, length, *_ = _READ_IN.unpack_from(body)
            medium.write(offset, body[_READ_IN.size : _READ_IN.size + length])
            return 0, struct.pack("<II", length, 0)
        case _Code.FSYNC:
            medium.flush()
            return 0, b""
        case _Code.RELEASE | _Code.FLUSH:
            return 0, b""
        case _:
            return errno.ENOSYS, b""


if __name__ == "__main__":
    _Server(_Medium(Path(sys.argv[1])), Path(sys.argv[2])).serve()
