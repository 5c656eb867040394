"""Deciding whether a store dies with this machine.

A store is somewhere else only when that is known. Everything that is not
known, a file system of an unknown kind for instance, counts as this machine,
so that nothing is called a replica that is none (G2).
"""

import socket
from collections.abc import Callable
from pathlib import Path

from mosaic.adapters.mount_tables import nearest
from mosaic.storage.stores.address import Address, DeviceAddress, FolderAddress

_NETWORK_KINDS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "ceph", "fuse.ceph", "fuse.glusterfs"}
"""File systems whose bytes lie on the server that their source names first."""

IsOwn = Callable[[str], bool]


def lies_here(address: Address, *, mounts: str, is_own: IsOwn) -> bool:
    """Return whether the store is on this machine. `mounts` is /proc/self/mountinfo, `is_own` knows our names."""
    match address:
        case FolderAddress(path):
            return _folder_lies_here(path, mounts, is_own)
        case DeviceAddress(host):
            return is_own(host)
        case _:
            return address.is_loopback or is_own(address.host)


def is_on_network(folder: Path, *, mounts: str) -> bool:
    """Return whether a folder lies on a network file system. `mounts` is /proc/self/mountinfo."""
    return _mount_of(folder, mounts)[0] in _NETWORK_KINDS


def is_own_host(host: str) -> bool:
    """Return whether a name or number leads to this machine; one that leads nowhere counts as this machine."""
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return True
    return any(_can_be_bound(family, address[0]) for family, _, _, _, address in found)


def _can_be_bound(family: int, host: str | int) -> bool:
    # Only the addresses of this machine's own interfaces can be.
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
            return True
    except OSError:
        return False


def _folder_lies_here(path: Path, mounts: str, is_own: IsOwn) -> bool:
    kind, source = _mount_of(path, mounts)
    return kind not in _NETWORK_KINDS or is_own(_server_of(source))


def _mount_of(path: Path, mounts: str) -> tuple[str, str]:
    """Return the kind and the source of the newest mount that the path lies in."""
    mount = nearest(path, mounts)
    return (mount.kind, mount.source) if mount is not None else ("", "")


def _server_of(source: str) -> str:
    """`server:/export`, `[2001:db8::1]:/export`, `//server/share`, `user@server:/path` or `name@server,server:/`."""
    if source.startswith("//"):
        return source.removeprefix("//").partition("/")[0]
    host = source.rpartition(":/")[0] or source
    host = host.rpartition("@")[2].split(",")[0]
    return host.removeprefix("[").removesuffix("]")
