"""The map file that HAProxy reads at its start: a line for each route, its name and its tunnel address.

It is what a HAProxy that comes back routes, so it is written before the one that runs is told.
It need not outlive a power cut, after which the gateway tells all routes again; `mend`
makes one of it then that HAProxy can read.
"""

from collections.abc import Collection, Mapping
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import TypeAlias

from mosaic.adapters.private_file import replace_private

_Mark: TypeAlias = tuple[int, int, int, int]
"""By which a file is known to be the one that was read: inode, size, and when it and its inode were changed."""


class RoutesFile:
    """One writer at a time. A kill leaves the file before or after a change."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mark: _Mark | None = None
        self._lines: dict[str, str] = {}

    def read(self) -> dict[str, str]:
        """Return the addresses by name; none where there is no file yet."""
        return dict(self._read())

    def change(self, put: Mapping[str, str], removed: Collection[str]) -> None:
        """Put and remove routes. Raises FileNotWritten; then nothing was changed."""
        before = self._read()
        after = {name: address for name, address in {**before, **put}.items() if name not in removed}
        if after != before or not self._path.exists():
            self._write(after)

    def mend(self) -> None:
        """Have one that HAProxy can read, without the lines that it could not. Raises FileNotWritten."""
        self._write({name: address for name, address in self._read().items() if name and _is_address(address)})

    def _read(self) -> dict[str, str]:
        """Return what is there. What was read before is not read again: it is asked for at each change."""
        mark = self._seen()
        if mark is None:
            return {}
        if mark != self._mark:
            # What follows the last line's end is a line that was cut.
            whole, _, _ = self._path.read_text("ascii", "replace").rpartition("\n")
            lines = (line.partition(" ") for line in whole.splitlines())
            self._lines, self._mark = {name: address for name, _, address in lines}, mark
        return self._lines

    def _write(self, routes: dict[str, str]) -> None:
        replace_private(self._path, "".join(f"{name} {routes[name]}\n" for name in sorted(routes)).encode())
        self._lines, self._mark = routes, self._seen()

    def _seen(self) -> _Mark | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _is_address(text: str) -> bool:
    try:
        IPv4Address(text)
    except AddressValueError:
        return False
    return True
