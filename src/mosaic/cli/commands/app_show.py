"""`mosaic app show`: what is in a package, and what it asks for."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from mosaic.adapters import oci_layout
from mosaic.adapters.oci.registries import Registries
from mosaic.cli.output import Output, json_option
from mosaic.cli.package_view import lines_of
from mosaic.cli.publishing import registries
from mosaic.core import image_ref
from mosaic.core.errors import Refused
from mosaic.core.file_index import MAX_INDEX_BYTES
from mosaic.core.oci_types import Descriptor
from mosaic.crypto import pem_keys
from mosaic.device.config import DEFAULT_ENGINE
from mosaic.packager.attaching import attached
from mosaic.packager.building import Wish, build_offline
from mosaic.packager.showing import Shown
from mosaic.packager.showing import show as show_package
from mosaic.packager.variables import names_for_own_images


class PublicKeyUnusable(Refused):
    """A file is no Ed25519 public key."""

    code = "public-key-unusable"

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is no Ed25519 public key in PEM", hint="`mosaic app keys public KEYFILE` prints that of a key file"
        )


@click.command()
@click.argument("package")
@click.option("--files", is_flag=True, help="List the files, too.")
@click.option("--plain", multiple=True, metavar="HOST", help="A registry that is spoken to without TLS.")
@click.option(
    "--key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Say which signatures beside it are by this Ed25519 public key (PEM).",
)
@json_option
def show(out: Output, package: str, files: bool, plain: tuple[str, ...], key: Path | None) -> None:
    """Show a PACKAGE: an app's folder, a file that `mosaic app build -o` wrote, or registry/repository@sha256:….

    What a registry lists beside it (bills of materials, signatures) is
    anybody's word. A Device believes a signed Target that names the digest
    (`mosaic target show`), and nothing else.
    """
    signer = None if key is None else _public_key(key)
    with registries(plain) as opened, _shown(package, opened, signer) as found:
        out.result(found, "\n".join(lines_of(found, files=files)))


@contextmanager
def _shown(package: str, opened: Registries, signer: str | None) -> Iterator[Shown]:
    path = Path(package)
    with tempfile.TemporaryDirectory(prefix="mosaic-show-") as folder:
        scratch = Path(folder)
        if path.is_dir():
            packed = build_offline(Wish(path.absolute(), DEFAULT_ENGINE, names_for_own_images()), into=scratch)
            yield show_package(packed.manifest, lambda one: _content(packed.blobs[one.digest]))
        elif path.is_file():
            read = oci_layout.read(path, scratch / "export")
            manifest = read.blob(read.app.digest).read_bytes()
            yield show_package(manifest, lambda one: read.blob(one.digest).read_bytes())
        else:
            reference = image_ref.parse(package)
            registry = opened.at(reference.registry)
            wanted = reference.digest or reference.tag or image_ref.LATEST
            found = registry.manifest(reference.repository, wanted)

            def fetched(one: Descriptor) -> bytes:
                return registry.blob(reference.repository, one, most_bytes=MAX_INDEX_BYTES)

            beside = attached(registry, reference.repository, found.digest, signer=signer)
            yield show_package(found.content, fetched, attached=tuple(beside))


def _public_key(path: Path) -> str:
    found = pem_keys.public_of(path.read_bytes())
    if found is None:
        raise PublicKeyUnusable(path)
    return found


def _content(blob: Path | bytes) -> bytes:
    return blob.read_bytes() if isinstance(blob, Path) else blob
