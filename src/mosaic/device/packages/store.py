"""The packages on a Device: extracted versions, which one is current, and the blobs that they came from.

    apps/<name>/<digest hex>/     one version, extracted and verified; the digest is its manifest's
    apps/<name>/versions.json     which is current, which was before, and what each was made from
    apps/<name>/.<hex>.aside/     what somebody wrote into a version and healing put away; goes with the version
    blobs/sha256/<hex>            content store

`versions.json` is the one point where anything changes: it is replaced in one rename. Everything may be
called again after a kill at any line. One process owns a store; its threads may share it.
"""

import re
import threading
from collections.abc import Callable, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mosaic.adapters.private_file import write_private
from mosaic.core import file_index, package_reading, package_versions
from mosaic.core.errors import Corrupt, NotFound, Refused
from mosaic.core.file_index import FileIndex
from mosaic.core.oci_types import is_digest
from mosaic.core.package import MAX_MANIFEST_BYTES, PackageTooNew, PackageUnreadable
from mosaic.core.package_versions import AppVersions, Version
from mosaic.core.strict_json import NotStrict
from mosaic.device.packages import healing, pruning
from mosaic.device.packages.blobs import Blobs
from mosaic.device.packages.changes import Change, Looked, changes
from mosaic.device.packages.pruning import Pruned

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.ASCII)


class PackageNameRefused(Refused):
    """A name or a digest that would be a path which it must not."""

    code = "package-name-refused"

    def __init__(self, word: str) -> None:
        super().__init__(f"{word[:80]!a} names no package", hint="nothing was changed; who asked for it is in error")


class PackageMissing(NotFound):
    """That version of the app is not on this Device."""

    code = "package-missing"

    def __init__(self, name: str, digest: str) -> None:
        super().__init__(f"{name} {digest[:19]}… is not on this Device", hint="fetch or import the app again")


class VersionsUnreadable(Corrupt):
    """The record of an app's versions is not what this program wrote."""

    code = "versions-unreadable"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path} cannot be read: {reason}", hint="move it away; the app is then installed again from what is here"
        )


@dataclass(frozen=True, slots=True)
class Installed:
    """A version that lies here. `previous` is the one to go back to, if any."""

    digest: str
    folder: Path
    previous: str | None


class PackageStore:
    """The packages under one state folder."""

    def __init__(self, state: Path, *, now_ns: Callable[[], int]) -> None:
        """`now_ns` is the time as file systems stamp it, in ns since 1970."""
        self._apps = state / "apps"
        self.blobs = Blobs(state / "blobs")
        self._now_ns = now_ns
        self._looked = Looked(now_ns)
        self._lock = threading.RLock()
        self._apps.mkdir(parents=True, exist_ok=True)
        self.blobs.make()

    def folder(self, name: str, digest: str) -> Path:
        """Return where a version lies, or would."""
        if not _NAME.fullmatch(name) or not is_digest(digest):
            raise PackageNameRefused(name if not _NAME.fullmatch(name) else digest)
        return self._apps / name / digest.removeprefix("sha256:")

    def has(self, name: str, digest: str) -> bool:
        """Whether a version was installed here and not removed since. Its files may have been changed."""
        return digest in self._versions(name).versions and self.folder(name, digest).is_dir()

    def install(self, bundle: str, index: FileIndex, name: str, digest: str) -> Installed:
        """Extract a version and make it current; the one that was stays as the previous one.

        `bundle` is the digest of a blob in the store. Doing it again mends what is there and changes nothing else.

        Raises:
            BlobMissing: the bundle was not fetched.
            BundleUnusable, TreeNotWritten: as when extracting; the current version stays.
        """
        with self._lock:
            folder, archive = self.folder(name, digest), self.blobs.path(bundle)
            known = self._versions(name)
            version = Version(bundle, self.blobs.add(file_index.write(index)))
            # Whoever extracted what is there: what it holds is what counts.
            healing.heal(folder, archive, index, changes(folder, index, self._looked))
            self._note(name, known, package_versions.installed(known, digest, version))
            return self._installed(name, digest)

    def remove_drafts(self, name: str) -> None:
        """Remove what kills left of extracting an app. Versions, and what was put aside, stay."""
        with self._lock:
            pruning.remove_drafts(self._record(name).parent)

    def current(self, name: str) -> Installed | None:
        """Return the current version of an app, None when there is none."""
        digest = self._versions(name).current
        return None if digest is None else self._installed(name, digest)

    def previous(self, name: str) -> str | None:
        """Return the digest of the version before the current one, None when there is none."""
        return self._versions(name).previous

    def roll_back(self, name: str) -> Installed | None:
        """Make the previous version current again; without one, nothing changes. What is given up may be pruned."""
        with self._lock:
            known = self._versions(name)
            self._note(name, known, package_versions.rolled_back(known))
            return self.current(name)

    def forget(self, name: str) -> None:
        """Say that the app has left this Device; `prune` then removes what nothing refers to."""
        with self._lock:
            known = self._versions(name)
            self._note(name, known, package_versions.forgotten(known))

    def changed_files(self, name: str, digest: str) -> list[Change]:
        """Return what of a version is not as it was extracted. Raises PackageMissing: it was never installed here."""
        with self._lock:
            _, index = self._made_from(name, digest)
            return changes(self.folder(name, digest), index, self._looked)

    def heal(self, name: str, digest: str) -> list[Change]:
        """Put a version back as it was extracted; return what was wrong. What was written there is put aside.

        A file gets a new inode: containers that mount it must be started again to see it.

        Raises:
            PackageMissing, BlobMissing: it is not here to heal from.
            BundleUnusable: the blob is damaged as well; nothing was changed. Fetch it again.
        """
        with self._lock:
            bundle, index = self._made_from(name, digest)
            folder = self.folder(name, digest)
            found = changes(folder, index, self._looked)
            healing.heal(folder, self.blobs.path(bundle), index, found)
            return found

    def prune(self, look: Callable[[], Mapping[str, Set[str]]], blobs: Set[str] = frozenset()) -> Pruned:
        """Remove every version and blob that is not current, previous or referred to; leftovers of kills too.

        `look` returns the digests in use by app name: what their manifests name stays with them, fetched or half
        fetched. It is called once nothing is extracted any more; what comes after that stays. `blobs` are used by
        others.

        Raises:
            VersionsUnreadable: nothing was removed, because nobody knows what is needed.
        """
        with self._lock:
            # Listed first: whoever fetches something meanwhile has noted before what for.
            listed = self.blobs.listed()
            references = look()
            names = [path.name for path in self._apps.iterdir() if path.is_dir() and _NAME.fullmatch(path.name)]
            every = {name: self._versions(name) for name in sorted(names)}
            left = {
                name: package_versions.kept(known, references.get(name, frozenset())) for name, known in every.items()
            }
            for name, known in every.items():
                self._note(name, known, left[name])
            folders = {
                name: package_versions.folders_kept(known, references.get(name, frozenset()))
                for name, known in left.items()
            }
            versions = pruning.remove_versions(self._apps, folders, record=_RECORD)
            self._looked = Looked(self._now_ns)
            needed = package_versions.blobs_of(left.values()) | {one for used in references.values() for one in used}
            return Pruned(versions, self.blobs.remove(listed, but=needed | self._named_by(needed) | blobs))

    def _named_by(self, digests: Set[str]) -> set[str]:
        """Return what manifests among these blobs name: with it an app is exported, and gone on fetching."""
        named: set[str] = set()
        for digest in filter(is_digest, digests):
            place = self.blobs.place(digest)
            # What is larger, or cannot be read, is an index or a bundle.
            if place.is_file() and place.stat().st_size <= MAX_MANIFEST_BYTES:
                with suppress(PackageUnreadable, PackageTooNew):
                    named.update(one.digest for one in package_reading.read(place.read_bytes()).every)
        return named

    def _installed(self, name: str, digest: str) -> Installed:
        return Installed(digest, self.folder(name, digest), self._versions(name).previous)

    def _made_from(self, name: str, digest: str) -> tuple[str, FileIndex]:
        version = self._versions(name).versions.get(digest)
        if version is None:
            raise PackageMissing(name, digest)
        try:
            return version.bundle, file_index.read(self.blobs.path(version.index).read_bytes())
        except NotStrict as error:
            raise VersionsUnreadable(self.blobs.path(version.index), str(error)) from None

    def _versions(self, name: str) -> AppVersions:
        path = self._record(name)
        try:
            return package_versions.read(path.read_bytes())
        except FileNotFoundError:
            return AppVersions()
        except NotStrict as error:
            raise VersionsUnreadable(path, str(error)) from None

    def _note(self, name: str, before: AppVersions, after: AppVersions) -> None:
        if after != before:
            write_private(self._record(name), package_versions.write(after))

    def _record(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise PackageNameRefused(name)
        return self._apps / name / _RECORD


_RECORD = "versions.json"
