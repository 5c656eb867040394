"""The compose file of what a Hive's store has, whatever it is."""

import json
from pathlib import Path

import pytest

from mosaic.adapters.bundle import BundleUnusable, pack
from mosaic.adapters.bundle_archive import write
from mosaic.core import file_index, package
from mosaic.core.descriptor_json import describe, plain
from mosaic.core.oci_types import EMPTY_CONTENT, OCI_CONFIG, OCI_MANIFEST, digest_of
from mosaic.core.package import About, PackageUnreadable, PlainTar
from mosaic.hive.bundles import BundleMissing, Bundles
from mosaic.hive.compose_files import compose_file

COMPOSE = b"services: {web: {image: a}}\n"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "docker-compose.yml").write_bytes(COMPOSE)
    return folder


@pytest.fixture
def bundles(tmp_path: Path) -> Bundles:
    return Bundles(tmp_path / "bundles")


def test_a_plain_bundle_has_it_inside(app: Path, bundles: Bundles) -> None:
    assert compose_file(bundles, bundles.keep(pack(app))) == COMPOSE


def test_a_package_has_it_beside_its_bundle(app: Path, bundles: Bundles, tmp_path: Path) -> None:
    written = write(app, tmp_path / "archive", skip=lambda _: False)
    bundle = describe((tmp_path / "archive").read_bytes(), package.BUNDLE_TYPE)
    index, tar = file_index.write(written.index), PlainTar(written.tar_digest, written.tar_size)
    manifest = package.write(About("app"), bundle=bundle, tar=tar, index=index, layer_sizes=None, compose=COMPOSE)
    bundles.keep(manifest)
    with pytest.raises(BundleMissing):
        compose_file(bundles, digest_of(manifest))
    bundles.keep(COMPOSE)
    assert compose_file(bundles, digest_of(manifest)) == COMPOSE


def test_a_package_of_another_tool_has_it_in_its_bundle_alone(app: Path, bundles: Bundles, tmp_path: Path) -> None:
    write(app, tmp_path / "archive", skip=lambda _: False)
    archive = (tmp_path / "archive").read_bytes()
    bundles.keep(archive)
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": plain(describe(EMPTY_CONTENT, OCI_CONFIG)),
            "layers": [plain(describe(archive, "application/octet-stream"))],
            "annotations": {"compose-app": "v1"},
        }
    ).encode()
    assert compose_file(bundles, bundles.keep(manifest)) == COMPOSE


def test_what_is_neither_is_refused(bundles: Bundles) -> None:
    for content, refusal in ((b"{}", PackageUnreadable), (b"no tar", BundleUnusable)):
        with pytest.raises(refusal):
            compose_file(bundles, bundles.keep(content))
