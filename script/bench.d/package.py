#!/usr/bin/env python3
"""What packages cost: publishing an app with many images, and fetching a large bundle, against the plain tools.

publish   An app whose compose file has 20 images, each for two platforms with
          four layers a platform, in a repository of its own. Cold: no cache, and
          nothing published before. Warm: the same again, with a new connection.
          Git, pinning, packing, pushing and signing are in it; the start of the
          command line is not. The anchor is what asking alone costs: one `curl
          --head` after the other for the 20 manifests.
fetch     A bundle of 200 MB from the registry into a Device's store: fetched,
          verified and durable, against `curl` to a file and then `sha256sum`
          of it. Once more with everything that an installation does (manifest,
          index, forecast, extraction, every file verified and durable), against the
          same and `tar`. The anchors' files are not made durable. Both sides ask
          the same server for the same blob and alternate; what either wrote is
          on the disk before the other begins.
refresh   How many files a Device asks for when nothing was published.

The registry is Debian's `docker-registry` on this machine. Leaves nothing.
"""

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from results.line import report

from mosaic.adapters import bundle_archive
from mosaic.adapters.oci import documents
from mosaic.adapters.oci.credentials import NoCredentials
from mosaic.adapters.oci.registries import Registries
from mosaic.adapters.oci.registry import Registry
from mosaic.adapters.trust.trusted_targets import TrustedTargets
from mosaic.core import file_index, package, package_reading
from mosaic.core.oci_types import (
    EMPTY_CONTENT,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Digest,
    ImageManifest,
    Platform,
    digest_of,
)
from mosaic.device.packages.fetching import fetch_app
from mosaic.device.packages.fitting import Disks
from mosaic.device.packages.store import PackageStore
from support.app_repositories import NOW_NS, Workshop
from support.registry_server import registry_server
from support.target_world import AMD64, served

IMAGES = 20
LAYERS = 4
BUNDLE_FILES, FILE_BYTES = 40, 5_000_000
_DEADLINE_SECONDS = 120


def main() -> None:
    """Measure everything and print one JSON object a line."""
    parser = argparse.ArgumentParser(description="What packages cost.")
    parser.add_argument("--quick", action="store_true", help="medians of 3 instead of 5")
    parser.add_argument("--seed", type=int, default=1, help="other data of the same kind")
    # Stopped from outside it takes down what it started all the same.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    words = parser.parse_args()
    rounds, noise = 3 if words.quick else 5, random.Random(words.seed)
    folder = Path(tempfile.mkdtemp(prefix="mosaic-bench-"))
    try:
        with registry_server(folder / "registry") as server:
            workshop = measure_publish(folder, server.host, rounds, noise)
            measure_refresh(folder, workshop)
            measure_fetch(folder, server.host, rounds, noise)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure_publish(folder: Path, host: str, rounds: int, noise: random.Random) -> Workshop:
    """Publish cold and warm; return the last workshop."""
    pushing = Registries(NoCredentials())
    digests = [push_image(pushing.at(host), f"library/image{number}", noise) for number in range(IMAGES)]
    pushing.close()
    services = "".join(f"  s{number}:\n    image: {host}/library/image{number}:1\n" for number in range(IMAGES))
    cold, warm, asking = [], [], []
    for turn in range(rounds):
        workshop = Workshop(folder / f"workshop{turn}", host)
        # Else the second round would find the first one's bundle in the registry.
        workshop.write("app", compose=f"# {noise.random()}\nservices:\n{services}")
        workshop.commit()
        asking.append(timed(lambda: head_each(host, digests)))
        for times in (cold, warm):
            times.append(timed(workshop.publish))
            workshop.registries.close()
            workshop.registries = Registries(NoCredentials())
    anchor = f"curl --head of each of the {IMAGES} manifests, one after the other"
    for name, times in (("cold", cold), ("warm", warm)):
        report(f"package publish {IMAGES} images {name}", statistics.median(times), "s", goal=None,
               anchor=anchor, anchor_value=statistics.median(asking))  # fmt: skip
    return workshop


def measure_refresh(folder: Path, workshop: Workshop) -> None:
    """Count what an unchanged refresh asks for."""
    public = workshop.folder / "public"
    root = (public / "metadata" / "1.root.json").read_bytes()
    with served(public) as mirror:
        trusted = TrustedTargets(folder / "trust", root=root, base=mirror.address, channel="stable")
        trusted.refresh(AMD64, now_ns=NOW_NS)
        mirror.asked.clear()
        trusted.refresh(AMD64, now_ns=NOW_NS)
        report("package unchanged refresh requests", len(mirror.asked), "1", goal="value<=3")


def measure_fetch(folder: Path, host: str, rounds: int, noise: random.Random) -> None:
    """Fetch with and without extraction, against curl, sha256sum and tar."""
    pushed = push_app(folder, host, noise)
    url = f"http://{host}/v2/team/big/blobs/{pushed.bundle.digest}"
    sides = Sides(folder, url, pushed)
    fetch, curl, install, extract, again = [], [], [], [], []
    for turn in range(rounds):
        pairs = [(sides.fetch, fetch), (sides.curl, curl), (sides.install, install), (sides.extract, extract)]
        for side, times in pairs if turn % 2 else [pairs[1], pairs[0], pairs[3], pairs[2]]:
            sides.clean()
            times.append(timed(side))
            if side == sides.install:
                again.append(timed(side))
    sides.clean()
    report("package fetch and verify 200 MB", statistics.median(fetch), "s", goal="ratio<=1.3",
           anchor="curl to a file, sha256sum of it", anchor_value=statistics.median(curl))  # fmt: skip
    report("package install 200 MB", statistics.median(install), "s", goal=None,
           anchor="curl, sha256sum, tar --extract", anchor_value=statistics.median(extract))  # fmt: skip
    report("package install 200 MB that is here", statistics.median(again), "s", goal=None)


@dataclass(frozen=True)
class Pushed:
    """An app in the registry."""

    uri: str
    manifest: bytes

    @property
    def bundle(self) -> Descriptor:
        """Its bundle."""
        return package_reading.read(self.manifest).bundle


@dataclass(frozen=True)
class Sides:
    """Both ways to have the bundle here, each from an empty folder and with a connection of its own."""

    folder: Path
    url: str
    pushed: Pushed

    def clean(self) -> None:
        """Remove what was fetched, and let the disk come to rest."""
        shutil.rmtree(self.folder / "state", ignore_errors=True)
        shutil.rmtree(self.folder / "plain", ignore_errors=True)
        (self.folder / "plain" / "app").mkdir(parents=True)
        os.sync()

    def fetch(self) -> None:
        """Into the store, verified and durable."""
        store = PackageStore(self.folder / "state", now_ns=time.time_ns)
        registries = Registries(NoCredentials())
        host, _, repository = self.pushed.uri.partition("@")[0].partition("/")
        bundle = self.pushed.bundle
        registries.at(host).fetch_blob(repository, bundle, store.blobs.place(bundle.digest))
        registries.close()

    def install(self) -> None:
        """Everything that a Device does from the trusted manifest on."""
        store = PackageStore(self.folder / "state", now_ns=time.time_ns)
        registries = Registries(NoCredentials())
        disks = Disks(self.folder, self.folder, architecture="amd64", watermark=100)
        fetch_app("big", self.pushed.uri, self.pushed.manifest, registries=registries, store=store, disks=disks)
        registries.close()

    def curl(self) -> None:
        """The plain tools."""
        blob = self.folder / "plain" / "blob"
        run(["curl", "--silent", "--fail", "--output", str(blob), self.url])
        found = run(["sha256sum", str(blob)]).split()[0]
        if f"sha256:{found}" != self.pushed.bundle.digest:
            sys.exit("curl fetched something else")

    def extract(self) -> None:
        """The plain tools, and the archive extracted."""
        self.curl()
        plain = self.folder / "plain"
        run(["tar", "--extract", "--gzip", "--file", str(plain / "blob"), "--directory", str(plain / "app")])


def push_app(folder: Path, host: str, noise: random.Random) -> Pushed:
    """Have the registry keep an app of 200 MB that cannot be compressed."""
    app = folder / "big"
    app.mkdir()
    (app / "docker-compose.yml").write_text("services: {}\n")
    for number in range(BUNDLE_FILES):
        (app / f"file{number}").write_bytes(noise.randbytes(FILE_BYTES))
    archive = folder / "big.tar.gz"
    written = bundle_archive.write(app, archive, skip=lambda _: False)
    shutil.rmtree(app)
    index = file_index.write(written.index)
    manifest = package.write(
        package.About("big"),
        bundle=Descriptor(package.BUNDLE_TYPE, Digest(written.digest), written.size),
        tar=package.PlainTar(written.tar_digest, written.tar_size),
        index=index,
        layer_sizes=None,
        compose=None,
    )
    registries = Registries(NoCredentials())
    registry = registries.at(host)
    for content in (archive, index, EMPTY_CONTENT):
        registry.push_blob("team/big", content)
    registry.push_manifest("team/big", manifest, OCI_MANIFEST)
    registries.close()
    archive.unlink()
    return Pushed(f"{host}/team/big@{digest_of(manifest)}", manifest)


def push_image(registry: Registry, repository: str, noise: random.Random) -> str:
    """Have the registry keep an image for two platforms; return its path there."""
    entries = []
    for architecture in ("amd64", "arm64"):
        config = json.dumps({"os": "linux", "architecture": architecture}).encode()
        layers = tuple(registry.push_blob(repository, noise.randbytes(500)) for _ in range(LAYERS))
        image = ImageManifest(registry.push_blob(repository, config, media_type=OCI_CONFIG), layers)
        pushed = registry.push_manifest(repository, documents.write_image(image), OCI_MANIFEST)
        entries.append(Descriptor(OCI_MANIFEST, pushed.digest, pushed.size, platform=Platform("linux", architecture)))
    index = registry.push_manifest(repository, documents.write_index(entries), OCI_INDEX, tags=["1"])
    return f"{repository}/manifests/{index.digest}"


def head_each(host: str, paths: list[str]) -> None:
    """Ask for every manifest as a person with a terminal would."""
    for path in paths:
        run(["curl", "--silent", "--fail", "--head", "--header", f"Accept: {OCI_INDEX}", f"http://{host}/v2/{path}"])


def run(words: list[str]) -> str:
    """Run a program to its end and return what it printed."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=_DEADLINE_SECONDS)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)}: {done.stderr[-1000:]}")
    return done.stdout


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds some work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
