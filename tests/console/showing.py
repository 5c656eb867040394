"""A fake Device whose reports show what a page must be able to say."""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from mosaic.wire.report import InstallationReport, VolumeReport
from mosaic.wire.storage import ConflictSnapshot
from support.fake_device import FakeDevice, Local, LocalVolume
from support.running_hive import Owner


class ShowingDevice(FakeDevice):
    """`shows` replaces fields of every installation's report; `conflicts` are added to every volume's."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.shows: dict[str, object] = {}
        self.conflicts: list[ConflictSnapshot] = []

    def show(self, **fields: object) -> None:
        """Report these fields from now on."""
        self.shows = fields
        self.report()

    def _installation(self, name: str, local: Local) -> InstallationReport:
        return msgspec.structs.replace(super()._installation(name, local), **self.shows)

    def _volume(self, name: str, kind: str, local: Local, volume: LocalVolume) -> VolumeReport:
        return msgspec.structs.replace(super()._volume(name, kind, local, volume), conflicts=self.conflicts)


@contextmanager
def joined(owner: Owner, name: str, *, admitted: bool = True) -> Iterator[ShowingDevice]:
    """Let it join, connect and, at the end, go."""
    device = ShowingDevice(name)
    device.join(owner.join_token(name, admitted=admitted))
    device.connect()
    try:
        yield device
    finally:
        device.disconnect()
