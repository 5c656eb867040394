"""A catalog that a publisher signs, its packages as bytes, and the Hive of a device world that hands them out."""

import hashlib
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from mosaic.adapters.bundle_archive import write as write_archive
from mosaic.adapters.trust import publishing
from mosaic.adapters.trust.publishing import Release
from mosaic.core import file_index, layer_sizes, package
from mosaic.core.layer_sizes import LayerSize, PlatformLayers
from mosaic.core.oci_types import EMPTY_CONTENT, OCTETS, Descriptor, Digest, digest_of
from mosaic.core.package import About, PlainTar
from mosaic.core.roll_out import EVERYONE, RollOut
from mosaic.crypto import approvals
from mosaic.crypto.secret import Secret
from mosaic.wire.approval import CatalogTrust
from mosaic.wire.packages import CatalogServed
from support.device_world import ACCOUNT, COMPOSE, World
from support.target_world import Publisher

NAME = "garden"
HARDWARE = "generic-amd64"


@dataclass(frozen=True)
class Made:
    """A package: its manifest, and the blobs that it names."""

    manifest: bytes
    blobs: list[bytes]

    @property
    def digest(self) -> Digest:
        """What names it."""
        return digest_of(self.manifest)


def made_package(folder: Path, compose: str = COMPOSE, *, layer_bytes: int = 0, **files: bytes) -> Made:
    """Make a package of Mosaic's own kind; its images have one layer of so many bytes."""
    source = folder / secrets.token_hex(4)
    source.mkdir(parents=True)
    (source / "docker-compose.yml").write_text(compose)
    for name, content in files.items():
        (source / name).write_bytes(content)
    archive = source.with_suffix(".tgz")
    written = write_archive(source, archive, skip=lambda _: False)
    bundle, index = archive.read_bytes(), file_index.write(written.index)
    layer: dict[str, LayerSize] = {digest_of(compose.encode()): LayerSize(layer_bytes, layer_bytes)}
    sizes = layer_sizes.write({"amd64": PlatformLayers(4096, layer)})
    manifest = package.write(
        About("notes"),
        bundle=Descriptor(OCTETS, digest_of(bundle), len(bundle)),
        tar=PlainTar(written.tar_digest, written.tar_size),
        index=index,
        layer_sizes=sizes,
        compose=compose.encode(),
    )
    return Made(manifest, [bundle, index, sizes, compose.encode(), EMPTY_CONTENT])


@dataclass
class Catalog:
    """One catalog, signed by `publisher`, trusted by the world's owner, and handed out by its Hive."""

    world: World
    publisher: Publisher
    channel: str = "stable"
    trust: CatalogTrust = field(init=False)

    def __post_init__(self) -> None:
        self.trust = self.trusted_by(self.world.owner_seed)
        self.world.hive.catalogs[NAME] = self.served

    def trusted_by(self, seed: Secret, *, name: str = NAME, account: str = ACCOUNT) -> CatalogTrust:
        """Return somebody's signature on it."""
        root = hashlib.sha256(self.publisher.root).hexdigest()
        return approvals.trust(seed, account=account, name=name, channel=self.channel, root_sha256=root)

    def served(self) -> CatalogServed:
        """Return what the Hive hands out now."""
        folder = self.publisher.public / "metadata"
        files = {path.name: path.read_bytes() for path in folder.glob("*.json")}
        return CatalogServed(self.trust, self.publisher.root, files)

    def publish(
        self,
        made: Made,
        *,
        app: str = "notes",
        hardware: str = HARDWARE,
        roll_out: RollOut = EVERYONE,
        host: str = "r.io",
    ) -> str:
        """Have a package signed, and given to the Hive; return its digest."""
        release = Release(f"{host}/apps/{app}@{made.digest}", made.manifest)
        publishing.publish(
            self.publisher.alone,
            channel=self.channel,
            hardware=[hardware],
            apps={app: release},
            now_ns=self.publisher.now_ns,
            commit="0123abc",
            roll_out=roll_out,
            forced=True,
        )
        give(self.world, made)
        return made.digest


def give(world: World, made: Made) -> None:
    """Have the Hive keep a package, whoever signed it."""
    world.hive.bundles[made.digest] = made.manifest
    for blob in made.blobs:
        world.hive.blobs[made.digest, digest_of(blob)] = blob


def catalog_of(world: World) -> Catalog:
    """Return a catalog that lists nothing yet. Its publisher's time is the Device's."""
    publisher = Publisher(world.folder / "publisher", now_ns=world.clock.wall_ns())
    return Catalog(world, publisher.create("stable", "beta"))
