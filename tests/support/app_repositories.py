"""An app repository under git, with what publishing it needs: a registry, a repository of Targets, keys."""

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mosaic.adapters.oci import documents
from mosaic.adapters.oci.credentials import NoCredentials
from mosaic.adapters.oci.registries import Registries
from mosaic.adapters.trust import ceremony
from mosaic.adapters.trust.key_folder import KeyFolder
from mosaic.adapters.trust.public_files import PublicFiles
from mosaic.adapters.trust.repository import Repository
from mosaic.core.oci_types import OCI_CONFIG, OCI_MANIFEST, Descriptor, ImageManifest
from mosaic.packager.attaching import Attachments
from mosaic.packager.own_images import Build
from mosaic.packager.publishing import Order, Report, publish

NOW_NS = 1_800_000_000 * 10**9
ENGINE = "unix:///var/run/docker.sock"


def git(folder: Path, *words: str) -> str:
    """Run git as somebody, whoever runs the test."""
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")
    ran = subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True, timeout=60)
    return ran.stdout.strip()


def push_image(registries: Registries, host: str, repository: str, tag: str, *layers: bytes) -> Descriptor:
    """Have a registry keep an image for amd64."""
    registry = registries.at(host)
    config = json.dumps({"os": "linux", "architecture": "amd64"}).encode()
    image = ImageManifest(
        registry.push_blob(repository, config, media_type=OCI_CONFIG),
        tuple(registry.push_blob(repository, layer) for layer in layers),
    )
    return registry.push_manifest(repository, documents.write_image(image), OCI_MANIFEST, tags=[tag])


@dataclass
class Workshop:
    """Somebody's app repository, and where it is published to. `host` is the registry's."""

    folder: Path
    host: str
    registries: Registries = field(default_factory=lambda: Registries(NoCredentials()))
    said: list[str] = field(default_factory=list)
    network: str | None = None
    dockerfile: str = "Dockerfile"
    variables: dict[str, str] = field(default_factory=dict)
    namespace: str = "team"
    rebuild: bool = False
    platforms: tuple[str, ...] = ()
    attachments: Attachments = field(default=Attachments())

    def __post_init__(self) -> None:
        self.apps = self.folder / "apps"
        self.apps.mkdir(parents=True)
        git(self.apps, "init", "--quiet")
        self.repository = Repository(
            PublicFiles(self.folder / "public"), KeyFolder(self.folder / "online"), KeyFolder(self.folder / "offline")
        )
        ceremony.create(self.repository, channels=["stable"], now_ns=NOW_NS)
        # As a machine that publishes has it: without the keys of root and targets.
        self.repository = replace(self.repository, offline=None)

    @property
    def registry(self) -> str:
        """Where this publishes to."""
        return f"{self.host}/{self.namespace}"

    def write(self, app: str, **files: str) -> None:
        """Write files of an app; underscores stand for what an argument's name cannot have."""
        folder = self.apps / app
        folder.mkdir(exist_ok=True)
        for name, text in files.items():
            (folder / _FILE_NAMES.get(name, name)).write_text(text)

    def commit(self) -> str:
        """Commit everything, and return the commit."""
        git(self.apps, "add", "--all")
        git(self.apps, "commit", "--quiet", "--allow-empty", "--message", "a change")
        return git(self.apps, "rev-parse", "HEAD")

    def publish(
        self,
        *,
        hardware: Sequence[str] = ("generic-amd64",),
        now_ns: int = NOW_NS,
        forced: bool = False,
        folder: Path | None = None,
    ) -> Report:
        """Publish what is committed; in the clone `folder`, when there is one."""
        build = Build(
            ENGINE,
            self.registry,
            dockerfile=self.dockerfile,
            network=self.network,
            rebuild=self.rebuild,
            platforms=self.platforms,
        )
        order = Order(
            folder or self.apps,
            build,
            "stable",
            hardware,
            forced=forced,
            variables=self.variables,
            attachments=self.attachments,
        )
        tell: Callable[[str], None] = self.said.append
        return publish(order, self.repository, self.registries, cache=self.folder / "cache", now_ns=now_ns, tell=tell)


_FILE_NAMES = {"compose": "docker-compose.yml", "ignores": ".composeappignores", "conf": "nginx.conf"}
