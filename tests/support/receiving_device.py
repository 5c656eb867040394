"""A Device that fetches what a workshop published, and the registries that it asks, counted."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from mosaic.adapters.oci.credentials import NoCredentials
from mosaic.adapters.oci.failures import RegistryUnreachable
from mosaic.adapters.oci.registries import Registries
from mosaic.adapters.oci.registry import Registry
from mosaic.adapters.trust.trusted_targets import TrustedTargets
from mosaic.core import package_reading
from mosaic.core.package import AppManifest
from mosaic.core.target import Target
from mosaic.device.packages.fetching import FetchedTarget, fetch_app, fetch_target, trusted_manifest
from mosaic.device.packages.fitting import Disks
from mosaic.device.packages.installing import Told, is_not_told
from mosaic.device.packages.store import Installed, PackageStore
from support.app_repositories import NOW_NS, Workshop, push_image
from support.target_world import AMD64

COMPOSE = '# {app}\nservices:\n  web:\n    image: {host}/library/nginx:alpine\n    volumes: ["./page:/page"]\n'


class CountedRegistries(Registries):
    """Each use of a registry is in `asked`. When they are silent, nobody answers."""

    def __init__(self) -> None:
        super().__init__(NoCredentials())
        self.asked: list[str] = []
        self.is_silent = False

    def fall_silent(self) -> None:
        """Answer nothing from now on, and forget what was asked."""
        self.asked.clear()
        self.is_silent = True

    def at(self, host: str) -> Registry:
        self.asked.append(host)
        if self.is_silent:
            raise RegistryUnreachable(host, "this machine has no network")
        return super().at(host)


@dataclass
class Receiver:
    """What a Device has in a folder. Opened anew for each look, as after a restart."""

    folder: Path
    root: bytes
    base: str
    registries: CountedRegistries = field(default_factory=CountedRegistries)
    now_ns: int = NOW_NS

    @property
    def store(self) -> PackageStore:
        """Its packages."""
        return PackageStore(self.folder / "state", now_ns=time.time_ns)

    @property
    def trusted(self) -> TrustedTargets:
        """Its Targets."""
        return TrustedTargets(self.folder / "trust", root=self.root, base=self.base, channel="stable")

    @property
    def disks(self) -> Disks:
        """Its disks; the engine has no layers yet."""
        return Disks(self.folder / "state", self.folder / "engine", architecture="amd64", watermark=100)

    def target(self) -> Target:
        """Refresh, and return the Target that is for it."""
        found = self.trusted.refresh(AMD64, now_ns=self.now_ns)
        assert found is not None
        return found

    def fetch(self) -> FetchedTarget:
        """Fetch the Target that it trusts, as after a refresh."""
        target = self.trusted.last(AMD64) or self.target()
        return fetch_target(target, self.trusted, registries=self.registries, store=self.store, disks=self.disks)

    def fetch_app(self, name: str, *, told: Told = is_not_told) -> Installed:
        """Fetch one app of it."""
        target = self.trusted.last(AMD64) or self.target()
        store = self.store
        manifest = trusted_manifest(target, name, self.trusted, self.registries, store.blobs)
        return fetch_app(
            name,
            target.apps[name],
            manifest,
            registries=self.registries,
            store=store,
            disks=self.disks,
            told=told,
        )

    def page(self, name: str) -> bytes | None:
        """Return the page of the app's current version, when that is whole; None when there is none."""
        store = self.store
        current = store.current(name)
        if current is None:
            return None
        assert store.changed_files(name, current.digest) == []
        return (current.folder / "page").read_bytes()

    def versions(self, name: str) -> list[str]:
        """Return everything that lies beside the app's versions."""
        return sorted(path.name for path in (self.folder / "state" / "apps" / name).iterdir())


def publish_page(workshop: Workshop, *apps: str, page: bytes) -> None:
    """Publish apps that have a page and one image. No two workshops, pages or apps share a bundle or an index."""
    layers = (page, str(workshop.folder).encode())
    push_image(workshop.registries, workshop.host, "library/nginx", "alpine", *layers)
    for app in apps:
        workshop.write(app, compose=COMPOSE.format(app=app, host=workshop.host))
        (workshop.apps / app / "page").write_bytes(page)
    workshop.commit()
    workshop.publish()


def receiver_of(workshop: Workshop, folder: Path) -> Receiver:
    """Return a Device that was given the workshop's root and knows where its Targets are."""
    public = workshop.folder / "public"
    return Receiver(folder, (public / "metadata" / "1.root.json").read_bytes(), public.as_uri())


def manifest_of(workshop: Workshop, uri: str) -> AppManifest:
    """Return a published app's manifest as its registry has it."""
    name, _, digest = uri.partition("@")
    repository = name.removeprefix(f"{workshop.host}/")
    return package_reading.read(workshop.registries.at(workshop.host).manifest(repository, digest).content)
