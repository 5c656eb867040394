"""A fake Device whose reports show what a page must be able to say."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import msgspec

from mosaic.core.errors import MosaicError
from mosaic.wire.report import InstallationReport, Step, VolumeReport
from mosaic.wire.storage import ConflictSnapshot
from support.fake_device import FakeDevice, Local, LocalVolume
from support.running_hive import Owner
from support.waiting import eventually


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

    def try_again(self) -> None:
        """Do again what a slow machine may have cut short."""
        if not self.told:
            return
        self.obey()
        with self._lock:
            for name, local in self.local.items():
                for kind in [kind for kind, volume in local.volumes.items() if volume.acknowledged == 0]:
                    with suppress(MosaicError, AssertionError):
                        self.commit(name, kind)
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


def settle(owner: Owner, app: str, *devices: ShowingDevice) -> None:
    """Wait until nothing about the installation is under way."""
    asked = iter(range(10**6))

    def settled() -> bool:
        if owner.installation(app).phase == "settled":
            return True
        if next(asked) % 100 == 99:
            for device in devices:
                device.try_again()
        return False

    eventually(settled, seen=lambda: owner.installation(app))
