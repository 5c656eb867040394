"""Volumes without a Hive, as an engine asks for them: two machines that share a store."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mosaic.core.ids import VolumeId
from mosaic.storage.replication import look_at
from mosaic.storage.serve import serving
from mosaic.storage.volume import is_clean
from mosaic.wire.hiveless import HivelessVolume
from support.storage_daemon import TestDaemon, place
from support.waiting import eventually

SAVED = "saved on this machine only"
"""The state of a volume in a folder of this machine."""


class Machine:
    """A machine with a storage daemon, and the words that a person or an engine says to it."""

    def __init__(self, daemon: TestDaemon) -> None:
        self.daemon = daemon

    @property
    def state(self) -> Path:
        return self.daemon.config.state

    def create(self, name: str = "notes", **options: object) -> str:
        """`docker volume create -o …`; returns what the engine shows, "" when it is made."""
        words = {word.replace("_", "-"): str(value) for word, value in options.items()}
        return str(self.daemon.engine("VolumeDriver.Create", Name=name, Opts=words)["Err"])

    def made(self, name: str = "notes", **options: object) -> HivelessVolume:
        """Create a volume that must be possible."""
        assert self.create(name, **options) == ""
        return self.volume(name)

    def saved_with(self, text: str, **options: object) -> HivelessVolume:
        """Create a volume, write a text into it, and wait until the store has it."""
        made = self.made("notes", **options)
        self.write(text)
        self.save()
        return made

    def take_over(self, made: HivelessVolume, store: Path) -> None:
        """Take a volume over with its key file, and wait until it is this machine's."""
        self.made(store=store, key_file=made.key_file, take_over="yes")
        self.wait_for(SAVED)

    def remove(self, name: str = "notes") -> str:
        return str(self.daemon.engine("VolumeDriver.Remove", Name=name)["Err"])

    def refusal(self, name: str = "notes") -> str:
        """Try to mount, and return why not."""
        return self.daemon.refusal(name)

    def status(self, name: str = "notes") -> dict[str, str]:
        """Return `Status` of `docker volume inspect`."""
        found = self.daemon.engine("VolumeDriver.Get", Name=name)
        assert found["Err"] == "", found
        volume = found["Volume"]
        assert isinstance(volume, dict)
        status = volume["Status"]
        assert isinstance(status, dict)
        return status

    def volume(self, name: str = "notes") -> HivelessVolume:
        found = [one for one in self.daemon.client.hiveless().volumes if one.name == name]
        assert found, "there is no such volume"
        return found[0]

    def id_of(self, volume: HivelessVolume) -> VolumeId:
        return VolumeId(volume.public_key)

    def write(self, text: str, name: str = "notes", file: str = "page") -> None:
        """Write a file as a container would."""
        (self.daemon.mount(name) / file).write_text(text)
        self.daemon.unmount(name)

    def read(self, name: str = "notes", file: str = "page") -> str:
        path = self.daemon.mount(name) / file
        try:
            return path.read_text()
        finally:
            self.daemon.unmount(name)

    def save(self, name: str = "notes", *, seconds: float = 60.0) -> None:
        """Wait until all that is there is in the store."""
        volume = self.daemon.inside_volume(self.volume(name).public_key)
        volume.wake()
        # What is on the disk now is asked, not what the worker saw last.
        eventually(lambda: is_clean(volume.record, look_at(volume)), seconds=seconds, seen=lambda: self.volume(name))
        eventually(lambda: self._is_saved(name), seconds=seconds, seen=lambda: self.volume(name))

    def wait_for(self, state: str, name: str = "notes", *, seconds: float = 60.0) -> None:
        eventually(lambda: self.volume(name).state == state, seconds=seconds, seen=lambda: self.volume(name))

    def conflict(self, name: str = "notes", *, file: str = "page") -> str:
        """Wait for the one conflict snapshot, and return what a file of it says."""
        eventually(lambda: len(self.volume(name).conflicts) == 1, seen=lambda: self.volume(name))
        return (Path(self.volume(name).conflicts[0].path) / "data" / file).read_text()

    def _is_saved(self, name: str) -> bool:
        return self.volume(name).state in ("replicated", SAVED)


@contextmanager
def machine(pool: Path, name: str, *, boot: str | None = None) -> Iterator[Machine]:
    """Yield a machine whose daemon runs."""
    with place(pool, name, "no-token") as daemon, started(daemon, boot=boot) as found:
        yield found


@contextmanager
def started(daemon: TestDaemon, *, boot: str | None = None) -> Iterator[Machine]:
    """Run a machine's daemon; with another `boot` the machine was rebooted in between."""
    with serving(daemon.config, boot=boot) as inside:
        daemon.inside = inside
        yield Machine(daemon)
