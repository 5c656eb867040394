"""What a catalog's apps bring, said before they are installed: from the compose file of each package.

The manifest comes from the repository that signed it, the compose file from the registry; both are checked by digest
and kept by it, so a registry that is away later changes nothing of what is said. What could not be had is a problem
of that one app.
"""

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

import msgspec

from mosaic.adapters.bundle import COMPOSE_FILE
from mosaic.adapters.bundle_extraction import read_file
from mosaic.adapters.oci.registries import Registries
from mosaic.adapters.private_file import write_private
from mosaic.adapters.sql.catalogs import KeptCatalog
from mosaic.core import image_ref, package_reading
from mosaic.core.errors import MosaicError, Unavailable
from mosaic.core.ids import AccountId
from mosaic.core.package import MAX_COMPOSE_BYTES, AppManifest, PackageUnreadable
from mosaic.core.target import Target
from mosaic.hive import names
from mosaic.hive.bundles import BundleDamaged, BundleMissing, Bundles
from mosaic.hive.catalog_entry import describe
from mosaic.hive.catalogs import Catalogs, Offered
from mosaic.hive.compose_files import ComposeFile
from mosaic.hive.packages import Packages, Wanted
from mosaic.wire.api import CatalogApp

_MOST_BUNDLE_BYTES = 16 * 1024 * 1024
_MOST_ENTRIES = 10_000
_NOT_LOOKED_AT = "the Hive has not asked its registry about it yet (`mosaic catalog refresh` asks it now)"


Looked = Literal["all", "some", "cut-short"]
"""Whether all apps are known now, some could not be had, or time was over."""


class CatalogApps:
    """What is known of the apps of all catalogs. Call it in a thread: it reads disks and asks registries."""

    def __init__(self, catalogs: Catalogs, bundles: Bundles, packages: Packages, registries: Registries) -> None:
        self._catalogs = catalogs
        self._bundles = bundles
        self._packages = packages
        self._registries = registries
        self._entries: dict[tuple[str, str, str, str], CatalogApp] = {}
        self._problems: dict[tuple[AccountId, str], dict[str, str]] = {}
        """Of each catalog by digest: another one may have the same package from somewhere else."""

    def entry(self, offered: Offered) -> CatalogApp:
        """Return what the catalog says of an app, with a problem where it is not known. Asks nobody."""
        source, app, digest = offered.catalog.name, offered.app, offered.digest
        key = (source, app, digest, offered.label)
        if len(self._entries) > _MOST_ENTRIES:
            self._entries.clear()
        known = self._entries.get(key)
        if known is None:
            try:
                names.check(app)
                compose = self._kept(offered).read_bytes()
                found = describe(compose, app=app, digest=digest, source=source, label=offered.label)
                # Strangers wrote it, and it is printed to terminals.
                title, summary = _printable(found.title), _printable(found.summary)
                known = self._entries[key] = msgspec.structs.replace(found, title=title, summary=summary)
            except FileNotFoundError:
                problems = self._problems.get((offered.catalog.account, source), {})
                return _unknown(offered, problems.get(digest, _NOT_LOOKED_AT))
            except OSError as error:
                return _unknown(offered, f"what is kept of it cannot be read: {error.strerror}")
            except MosaicError as error:
                return _unknown(offered, error.with_hint)
            except (ValueError, RecursionError) as error:
                # What nobody thought of: one app must not take the others away.
                return _unknown(offered, f"it cannot be read: {type(error).__name__}: {str(error)[:200]}")
        return known

    def look_at(self, catalog: KeptCatalog, targets: Iterable[Target], *, goes_on: Callable[[], bool]) -> Looked:
        """Find out what is not known yet of the apps of these Targets; say how far that came.

        `goes_on` is asked before each app; those whose package is here come first, for they ask nobody. What is kept
        of apps that no Target has any more is removed.
        """
        listed = {one.digest: one for target in targets for one in offers_of(catalog, target)}
        folder = self._folder(catalog)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in folder.iterdir():
            if f"sha256:{path.name}" not in listed:
                path.unlink(missing_ok=True)
        problems = self._problems[catalog.account, catalog.name] = {
            digest: said
            for digest, said in self._problems.get((catalog.account, catalog.name), {}).items()
            if digest in listed
        }
        away: dict[str, str] = {}
        for digest, offered in sorted(listed.items(), key=lambda one: not self._bundles.has(one[0])):
            if self._kept(offered).exists():
                problems.pop(digest, None)
                continue
            if not goes_on():
                return "cut-short"
            registry = ""
            try:
                registry = image_ref.parse(offered.target.apps[offered.app]).registry
                if registry in away:
                    problems[digest] = away[registry]
                    continue
                _, compose = self.compose_file(offered)
                write_private(self._kept(offered), compose)
                problems.pop(digest, None)
            except MosaicError as error:
                problems[digest] = error.with_hint
                if isinstance(error, Unavailable):
                    away[registry] = error.with_hint
            except OSError as error:
                problems[digest] = f"the Hive's disk refuses: {error.strerror}"
        return "some" if problems else "all"

    def compose_file(self, offered: Offered) -> tuple[Wanted, ComposeFile]:
        """Return an app's package, and the compose file in it; the rest of it is not fetched.

        Raises:
            PackageUnreadable, PackageTooNew: what was signed is no package that can be read here.
            MosaicError: what repository and registry say.
        """
        wanted = self.wanted(offered)
        app = package_reading.read(wanted.manifest)
        if app.compose is not None:
            return wanted, ComposeFile(self._packages.small_blob(wanted, app.compose, most_bytes=MAX_COMPOSE_BYTES))
        return wanted, ComposeFile(self._from_bundle(wanted, app))

    def wanted(self, offered: Offered) -> Wanted:
        """Return what to fetch of an offered app: its manifest comes from the store, the repository or the registry.

        Raises:
            TrustMixed: it is not what was signed.
            MosaicError: what repository and registry say.
        """
        # Imported here, as in `Catalogs.trusted`.
        from mosaic.adapters.trust.refusals import RepositoryUnavailable, TrustRefused

        target, app, trusted = offered.target, offered.app, self._catalogs.trusted(offered.catalog)
        reference = image_ref.parse(target.apps[app])
        try:
            manifest = self._bundles.get(offered.digest)
        except (BundleMissing, BundleDamaged):
            # Raises when it is not listed: then nobody needs to be asked.
            trusted.manifest_bytes(target, app)
            try:
                manifest = trusted.fetch_manifest(target, app)
            except (TrustRefused, RepositoryUnavailable):
                manifest = (
                    self._registries.at(reference.registry).manifest(reference.repository, offered.digest).content
                )
        trusted.check_manifest(target, app, manifest)
        return Wanted(app, target.apps[app], manifest)

    def _from_bundle(self, wanted: Wanted, app: AppManifest) -> bytes:
        """Packages of other tools have their compose file in the bundle alone."""
        if app.bundle.size > _MOST_BUNDLE_BYTES:
            size = app.bundle.size
            raise PackageUnreadable(f"{wanted.app} has its compose file nowhere but in a bundle of {size} bytes")
        content = self._packages.small_blob(wanted, app.bundle, most_bytes=_MOST_BUNDLE_BYTES)
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / "bundle"
            archive.write_bytes(content)
            return read_file(archive, COMPOSE_FILE, most_bytes=MAX_COMPOSE_BYTES)

    def _folder(self, catalog: KeptCatalog) -> Path:
        return self._catalogs.folder(catalog.account, catalog.name) / "apps"

    def _kept(self, offered: Offered) -> Path:
        return self._folder(offered.catalog) / offered.digest.removeprefix("sha256:")


def offers_of(catalog: KeptCatalog, target: Target) -> list[Offered]:
    """Return the apps of one Target."""
    return [Offered(catalog, target, app) for app in sorted(target.apps)]


def _unknown(offered: Offered, problem: str) -> CatalogApp:
    return CatalogApp(
        offered.app,
        offered.app,
        "",
        offered.digest,
        [],
        problem=problem,
        source=offered.catalog.name,
        label=offered.label,
    )


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)
