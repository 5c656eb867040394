"""A fake Device whose reports show what a page must be able to say."""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from mosaic.wire.report import InstallationReport, Step, VolumeReport
from mosaic.wire.storage import ConflictSnapshot
from support.fake_device import FakeDevice, Local, LocalVolume
from support.running_hive import Owner


class ShowingDevice(FakeDevice):
    """`shows` replaces fields of every installation's report, `steps` are one's; every volume has `conflicts`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.shows: dict[str, object] = {}
        self.steps: dict[str, list[Step]] = {}
        self.conflicts: list[ConflictSnapshot] = []

    def show(self, **fields: object) -> None:
        """Report these fields from now on."""
        self.shows = fields
        self.report()

    def _installation(self, name: str, local: Local) -> InstallationReport:
        shown = {"steps": self.steps.get(name, []), **self.shows}
        return msgspec.structs.replace(super()._installation(name, local), **shown)

    def _volume(self, name: str, kind: str, local: Local, volume: LocalVolume) -> VolumeReport:
        return msgspec.structs.replace(super()._volume(name, kind, local, volume), conflicts=self.conflicts)


@contextmanager
def joined(
    owner: Owner, name: str, *, admitted: bool = True, kind: type[ShowingDevice] = ShowingDevice
) -> Iterator[ShowingDevice]:
    """Let it join, connect and, at the end, go."""
    device = kind(name)
    device.join(owner.join_token(name, admitted=admitted))
    device.connect()
    try:
        yield device
    finally:
        device.disconnect()
