"""The environments that a Device on a host makes when it upgrades itself: `<state>/versions/<version>/`.

They are folders of one machine and cannot be moved. A file in one says that
it is whole, and from which wheel and which packages it was made.
"""

import contextlib
import json
import shutil
from pathlib import Path

from mosaic.adapters.private_file import write_private
from mosaic.cli.up import install, systemd
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.orphans import read_note
from mosaic.cli.up.services import SWITCHED
from mosaic.cli.up.supervise import SUPERVISOR
from mosaic.cli.upgrading import journal, own_choice

_WHOLE = "mosaic-made-from.json"


def folder_of(layout: Layout, version: str) -> Path:
    """Return where a version is or will be."""
    return layout.versions / version


def python_of(folder: Path) -> Path:
    """Return the Python of an environment."""
    return folder / "bin" / "python"


def is_made_from(folder: Path, digests: dict[str, str]) -> bool:
    """Return whether the environment is whole, and made from those very files."""
    try:
        return bool(json.loads((folder / _WHOLE).read_text()) == digests)
    except (FileNotFoundError, ValueError):
        return False


def note_whole(folder: Path, digests: dict[str, str]) -> None:
    """Say that nothing is missing in it."""
    write_private(folder / _WHOLE, json.dumps(digests).encode())


def program_of(layout: Layout, service: str) -> str | None:
    """Return the Python that runs a service now, None when it does not run. The kernel says so."""
    note = read_note(layout.note(service))
    return None if note is None else program_of_process(note.pid)


def program_of_process(pid: int) -> str | None:
    """Return the first word of a process's command line, None when there is none any more."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode(errors="replace") or None
    return None


def prune(layout: Layout, keep: set[str], *, units: Path = install.UNIT_FOLDER) -> list[str]:
    """Remove the environments of no Python in `keep` that none of this state folder runs. Return their versions."""
    programs = keep | _in_use(layout) | _in_units(units)
    removed = []
    for folder in _folders(layout):
        if str(python_of(folder)) not in programs:
            # Not whole from here on, wherever this is killed.
            (folder / _WHOLE).unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(folder.name)
    return removed


def here(layout: Layout) -> set[str]:
    """Return the Python of every environment, whole or not."""
    return {str(python_of(folder)) for folder in _folders(layout)}


def _folders(layout: Layout) -> list[Path]:
    return sorted(layout.versions.iterdir()) if layout.versions.is_dir() else []


def _in_use(layout: Layout) -> set[str]:
    """Return every Python that runs a service, or would after the next start."""
    running = {program_of(layout, service) for service in (SUPERVISOR, *SWITCHED)}
    hives = journal.read(layout)
    named = {*hives.programs.values(), *hives.before.values()} if hives is not None else set()
    return {program for program in running if program is not None} | named | {*own_choice.programs(layout).values()}


def _in_units(folder: Path) -> set[str]:
    """Return every Python that a unit of `mosaic up --install` names."""
    units = [folder / name for name in (systemd.GATEWAY, *systemd.SERVICES) if (folder / name).exists()]
    return {systemd.program_of(unit.read_text()) for unit in units}
