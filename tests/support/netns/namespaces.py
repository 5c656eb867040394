"""Network and mount namespaces of the kernel, kept by open files. A thread enters them, and what it starts is there."""

import ctypes
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Made = TypeVar("Made")

_CLONE_FS, _CLONE_NEWNS, _CLONE_NEWNET = 0x00000200, 0x00020000, 0x40000000
"""Of linux/sched.h."""
_MS_BIND, _MS_REC, _MS_SLAVE = 0x1000, 0x4000, 0x80000
"""Of linux/mount.h."""


@dataclass(frozen=True)
class Namespaces:
    """Open files of a network and, unless it is None, of a tree of mounts."""

    network: int
    mounts: int | None = None

    def enter(self) -> None:
        """Move this thread there. Its folder stays the same."""
        if self.mounts is not None:
            here = Path.cwd()
            # Threads share root and working folder, and whoever changes mounts must have its own.
            _checked(_libc().unshare(_CLONE_FS))
            _checked(_libc().setns(self.mounts, _CLONE_NEWNS))
            os.chdir(here)
        _checked(_libc().setns(self.network, _CLONE_NEWNET))

    def close(self) -> None:
        """Let them go; the last process in them takes them along."""
        os.close(self.network)
        if self.mounts is not None:
            os.close(self.mounts)


def lacks() -> str | None:
    """Return why there can be no places here, None if there can."""
    if os.geteuid() != 0:
        return "making networks needs root"
    missing = [program for program in ("ip", "nft", "wireguard-go") if shutil.which(program) is None]
    if missing:
        return f"{', '.join(missing)} not installed"
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "there is no /dev/net/tun"
    try:
        make_network().close()
    except OSError as error:
        return f"no network can be made: {error.strerror}"
    return None


def make_network() -> Namespaces:
    """Make a network. This thread stays where it is."""

    def make() -> Namespaces:
        _checked(_libc().unshare(_CLONE_NEWNET))
        return Namespaces(_open("net"))

    return _apart(make)


def make_network_with_files(over: dict[Path, Path], empty: list[Path]) -> Namespaces:
    """Make a network in which some files are others (`over`: what is seen, what it is) and some folders are empty."""

    def make() -> Namespaces:
        _checked(_libc().unshare(_CLONE_NEWNET | _CLONE_NEWNS))
        # Nothing of it is to be seen outside; what is mounted outside later is seen here.
        _mount(None, Path("/"), None, _MS_REC | _MS_SLAVE)
        for seen, file in over.items():
            _mount(str(file), seen.resolve(), None, _MS_BIND)
        for folder in empty:
            folder.mkdir(parents=True, exist_ok=True)
            _mount("tmpfs", folder.resolve(), "tmpfs", 0)
        return Namespaces(_open("net"), _open("mnt"))

    return _apart(make)


def processes_in(network: int) -> list[int]:
    """Return the processes that are in this network."""
    wanted, found = os.fstat(network), []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            of = (entry / "ns/net").stat()
        except OSError:
            continue
        if (of.st_dev, of.st_ino) == (wanted.st_dev, wanted.st_ino):
            found.append(int(entry.name))
    return found


def _apart(make: Callable[[], Made]) -> Made:
    """Do it in a thread that is used for nothing else, for it is not where the others are after that."""
    with ThreadPoolExecutor(1) as maker:
        return maker.submit(make).result()


def _open(kind: str) -> int:
    return os.open(f"/proc/thread-self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)


def _mount(source: str | None, target: Path, kind: str | None, flags: int) -> None:
    words = [word.encode() if word else None for word in (source, str(target), kind)]
    _checked(_libc().mount(*words, ctypes.c_ulong(flags), None))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
