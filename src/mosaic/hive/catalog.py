"""The catalog: folders whose subfolders with a compose file are apps.

An app's title and summary come from `x-mosaic:` in its compose file, else from
the first lines of its README. An app that cannot be installed is listed too,
with the reason. What is unchanged on the disk is not read again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mosaic.adapters.bundle import COMPOSE_FILE, digest, pack
from mosaic.core.app_repository import DISABLED, kind_of
from mosaic.core.errors import MosaicError, NotFound, Refused
from mosaic.hive import names
from mosaic.hive.catalog_entry import describe
from mosaic.wire.api import CatalogApp

_README = ("README.md", "README.txt", "README")

_Look = tuple[tuple[str, int, int, int], ...]


class AppUnknown(NotFound):
    """No catalog has an app of this name."""

    code = "app-unknown"

    def __init__(self, app: str, known: Sequence[str] | None) -> None:
        # None: which ones there are was not looked at.
        listed = "" if known is None else f"; it has {', '.join(known[:8]) or 'none'}"
        super().__init__(f"the catalog has no app {app[:80]!r}", hint=f"`mosaic catalog list` shows its apps{listed}")


class AppUnusable(Refused):
    """The app is in the catalog and cannot be installed."""

    code = "app-unusable"

    def __init__(self, app: str, problem: str) -> None:
        super().__init__(
            f"{app} cannot be installed: {problem}", hint="mend the app's folder; it is read again at once"
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """One app, and its bundle when it can be installed."""

    app: CatalogApp
    bundle: bytes | None


class Catalog:
    """Reads disks: call it in a worker thread. Two threads may, at the price of reading twice."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._read: dict[Path, tuple[_Look, Entry]] = {}

    def apps(self) -> list[CatalogApp]:
        """Return all apps by name. Of two with the same name the one in the folder named first counts."""
        found: dict[str, CatalogApp] = {}
        for folder in self._app_folders():
            found.setdefault(folder.name, self._entry(folder).app)
        return [found[name] for name in sorted(found)]

    def has(self, app: str) -> bool:
        """Whether a folder has an app of that name, installable or not."""
        return any(folder.name == app for folder in self._app_folders())

    def take(self, app: str) -> Entry:
        """Return an app to install. Raises AppUnknown, AppUnusable."""
        folder = next((folder for folder in self._app_folders() if folder.name == app), None)
        if folder is None:
            raise AppUnknown(app, [entry.app for entry in self.apps()])
        entry = self._entry(folder)
        if entry.bundle is None:
            raise AppUnusable(app, entry.app.problem or "its folder cannot be read")
        return entry

    def _app_folders(self) -> Iterator[Path]:
        for catalog in self._folders:
            try:
                folders = sorted(path for path in catalog.iterdir() if path.is_dir())
            except OSError:
                continue
            for path in folders:
                told = {name for name in (COMPOSE_FILE, DISABLED) if (path / name).is_file()}
                if kind_of(path.name, told).is_app:
                    yield path

    def _entry(self, folder: Path) -> Entry:
        look = _look(folder)
        known = self._read.get(folder)
        if known is None or known[0] != look:
            known = (look, _read(folder))
            self._read[folder] = known
        return known[1]


def _look(folder: Path) -> _Look:
    """Return what changes whenever a file in the folder does."""
    seen = []
    for path in sorted(folder.rglob("*")):
        try:
            stat = path.lstat()
        except OSError:
            continue
        seen.append((path.relative_to(folder).as_posix(), stat.st_mtime_ns, stat.st_size, stat.st_mode))
    return tuple(seen)


def _read(folder: Path) -> Entry:
    try:
        names.check(folder.name)
        bundle = pack(folder)
        app = _described(folder, digest(bundle))
    except MosaicError as error:
        return _unusable(folder, error.with_hint)
    except OSError as error:
        return _unusable(folder, f"its folder cannot be read: {error.strerror}")
    except (ValueError, RecursionError) as error:
        # What nobody thought of: one folder must not take the others away.
        return _unusable(folder, f"it cannot be read: {type(error).__name__}: {str(error)[:200]}")
    return Entry(app, bundle)


def _unusable(folder: Path, problem: str) -> Entry:
    # Names of files may be no text, and this is shown as JSON.
    name, said = (text.encode("utf-8", "backslashreplace").decode() for text in (folder.name, problem))
    return Entry(CatalogApp(name, name, "", "", [], problem=said), None)


def _described(folder: Path, app_digest: str) -> CatalogApp:
    title, summary = _from_readme(folder)
    compose = (folder / COMPOSE_FILE).read_bytes()
    return describe(compose, app=folder.name, digest=app_digest, title=title, summary=summary)


def _from_readme(folder: Path) -> tuple[str, str]:
    for name in _README:
        try:
            text = (folder / name).read_text(errors="replace")
        except OSError:
            continue
        lines = [line.strip("# ").strip() for line in text.splitlines() if line.strip("# ").strip()]
        return (lines[0] if lines else "", lines[1] if len(lines) > 1 else "")
    return "", ""
