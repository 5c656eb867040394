"""Having another version of the Device ready on a host: an environment of its own, made by pip, by hashes alone.

Nothing that runs is touched. Killed anywhere, what lies there is no whole
environment, and the next call makes it anew.
"""

import contextlib
import hashlib
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mosaic import __version__
from mosaic.adapters import process
from mosaic.cli.up import install, systemd, versions
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.orphans import read_note
from mosaic.cli.up.services import own_packages
from mosaic.cli.up.supervise import LOOK_SIGNAL, SUPERVISOR
from mosaic.core.device_upgrade import Form, Journal, Program
from mosaic.core.errors import Corrupt, MosaicError, Refused
from mosaic.device.upgrading.form import Preparer

LOG_FROM = "log_from"
"""In `Journal.notes`: how long the Device's log was before."""

LEAST_FREE_BYTES = 1024**3
"""An environment takes a quarter of it; pip unpacks beside it, and a full disk would stop every app's snapshots."""

_PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet", "install")
_MAKE_SECONDS = 120.0
_PIP_SECONDS = 900.0
_SYSTEMCTL_SECONDS = 90.0
_IMPORTED = "import mosaic.device.serve, mosaic.storage.serve, mosaic.cli.main"


class NotForHosts(Refused):
    """The package of the Device holds nothing that a host could be upgraded with."""

    code = "upgrade-not-for-hosts"

    def __init__(self, version: str, missing: str) -> None:
        super().__init__(
            f"the package of version {version} has no {missing}, so a Device outside of a container cannot take it",
            hint="publish it with `host/` in its folder: the wheel and its requirements.lock; see docs/upgrading.md",
        )


class NoRoomForVersion(Refused):
    """The disk has too little room for another environment."""

    code = "no-room-for-version"

    def __init__(self, folder: Path, free: int) -> None:
        super().__init__(
            f"{folder} has {free >> 20} MiB free, and an upgrade needs {LEAST_FREE_BYTES >> 20}; nothing was changed",
            hint="free some space there; the upgrade can then be asked for again",
        )


class VersionNotMade(MosaicError):
    """The environment could not be made. What runs was not touched."""

    code = "version-not-made"

    def __init__(self, version: str, reason: str) -> None:
        super().__init__(
            f"the environment of version {version} could not be made; nothing was changed: {reason}",
            hint="`pip config list` shows where packages are looked for; python3-venv has to be installed",
        )


class VersionDiffers(Corrupt):
    """The wheel is of another version than its package says."""

    code = "version-differs"

    def __init__(self, version: str, said: str) -> None:
        super().__init__(
            f"the wheel in the package of version {version} says {said!r}; nothing was changed",
            hint="whoever published it has to publish it again",
        )


@dataclass(frozen=True, slots=True)
class HostPreparer:
    """`has_units`: systemd runs the Device, by the units of `mosaic up --install`; else a supervisor does."""

    layout: Layout
    has_units: bool
    unit_folder: Path = install.UNIT_FOLDER

    @property
    def form(self) -> Form:
        """Which form this is."""
        return "host"

    @property
    def running(self) -> Program:
        """The program that this Device is."""
        return Program(__version__, sys.executable)

    async def prepare(self, folder: Path, version: str) -> Program:
        """Make `<state>/versions/<version>/`.

        Raises:
            NotForHosts: the package is for containers alone.
            NoRoomForVersion: there is too little room.
            VersionNotMade: pip or Python did not make it.
            VersionDiffers: the wheel is another version.
        """
        wheel, lock = _files(folder, version)
        digests = {"wheel": _digest(wheel), "requirements": _digest(lock)}
        place = versions.folder_of(self.layout, version)
        python = versions.python_of(place)
        if not versions.is_made_from(place, digests):
            try:
                await self._make(place, wheel, digests["wheel"], lock)
            except (process.CommandFailed, process.CommandTimedOut, process.ProgramMissing) as error:
                raise VersionNotMade(version, error.message) from error
            await _check(python, version)
            versions.note_whole(place, digests)
        return Program(version, str(python))

    def notes(self) -> dict[str, str]:
        """Return how long the Device's log is."""
        log = self.layout.log("device")
        return {LOG_FROM: str(log.stat().st_size if log.exists() else 0)}

    def have_replacer(self, journal: Journal) -> None:
        """Have whoever keeps the Device start the replacer, and keep it until the upgrade is done."""
        if not self.has_units:
            found = read_note(self.layout.note(SUPERVISOR))
            if found is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(found.pid, LOOK_SIGNAL)
            # Without one this Device is about to end, and the next supervisor begins with that.
            return
        unit = systemd.replacer_unit(self.layout, journal.old.start)
        install.write({systemd.REPLACER: unit}, self.unit_folder)
        _systemctl("daemon-reload")
        # Enabled, because a machine that starts anew may have nothing but a Device that does not start.
        _systemctl("enable", systemd.REPLACER)
        _systemctl("start", "--no-block", systemd.REPLACER)

    def settle(self, journal: Journal) -> None:
        """Do nothing: on a host the replacer lets the other parts follow before the upgrade is done."""

    async def _make(self, place: Path, wheel: Path, digest: str, lock: Path) -> None:
        if sys.executable.startswith(f"{place}/"):
            raise VersionNotMade(place.name, "it is the very environment that runs")
        shutil.rmtree(place, ignore_errors=True)
        place.parent.mkdir(mode=0o700, exist_ok=True)
        free = shutil.disk_usage(place.parent).free
        if free < LEAST_FREE_BYTES:
            raise NoRoomForVersion(place.parent, free)
        python = versions.python_of(place)
        await _run([sys.executable, "-m", "venv", str(place)], seconds=_MAKE_SECONDS)
        hashes = ["--only-binary", ":all:", "--require-hashes"]
        await _run([str(python), *_PIP, *hashes, "--requirement", str(lock)], seconds=_PIP_SECONDS)
        own = place / "mosaic.lock"
        own.write_text(f"mosaic @ {wheel.as_uri()} --hash={digest}\n")
        words = ["--no-deps", "--no-index", "--require-hashes", "--requirement", str(own)]
        await _run([str(python), *_PIP, *words], seconds=_PIP_SECONDS)


def host_preparer(layout: Layout) -> Preparer | None:
    """Return what makes this host's Device ready for another version; None where nobody would start that."""
    if read_note(layout.note(SUPERVISOR)) is not None:
        return HostPreparer(layout, has_units=False)
    if install.has_systemd() and (install.UNIT_FOLDER / systemd.DEVICE).exists():
        return HostPreparer(layout, has_units=True)
    return None


def _files(folder: Path, version: str) -> tuple[Path, Path]:
    """Return the wheel and the packages that it needs. Raises NotForHosts."""
    wheels = sorted((folder / "host").glob(f"mosaic-{version}-*.whl"))
    lock = folder / "host" / "requirements.lock"
    if not wheels or not lock.is_file():
        raise NotForHosts(version, f"host/{'requirements.lock' if wheels else f'mosaic-{version}-….whl'}")
    return wheels[0].absolute(), lock.absolute()


async def _check(python: Path, version: str) -> None:
    """Return when that Python has all that the Device and its storage daemon import. Raises VersionDiffers."""
    try:
        said = await _run([str(python), "-c", f"{_IMPORTED}; print(mosaic.__version__)"], seconds=_MAKE_SECONDS)
    except process.CommandFailed as error:
        raise VersionNotMade(version, error.message) from error
    if said.strip() != version:
        raise VersionDiffers(version, said.strip())


async def _run(argv: Sequence[str], *, seconds: float) -> str:
    done = await process.run_async(argv, deadline_seconds=seconds, env={**own_packages(argv[0]), "PIP_USER": "0"})
    return done.text


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return f"sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}"


def _systemctl(*words: str) -> None:
    process.run(["systemctl", *words], deadline_seconds=_SYSTEMCTL_SECONDS)
