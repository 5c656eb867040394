"""`mosaic app show`: what is in a package, and what it asks for."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from mosaic.adapters import oci_layout
from mosaic.adapters.oci.registries import Registries
from mosaic.cli.output import Output, json_option
from mosaic.cli.publishing import registries
from mosaic.cli.units import size
from mosaic.core import image_ref
from mosaic.core.file_index import MAX_INDEX_BYTES
from mosaic.core.oci_types import Descriptor
from mosaic.device.config import DEFAULT_ENGINE
from mosaic.packager.building import Wish, build_offline
from mosaic.packager.showing import Shown
from mosaic.packager.showing import show as show_package
from mosaic.packager.variables import names_for_own_images


@click.command()
@click.argument("package")
@click.option("--files", is_flag=True, help="List the files, too.")
@click.option("--plain", multiple=True, metavar="HOST", help="A registry that is spoken to without TLS.")
@json_option
def show(out: Output, package: str, files: bool, plain: tuple[str, ...]) -> None:
    """Show a PACKAGE: an app's folder, a file that `mosaic app build -o` wrote, or registry/repository@sha256:….

    Who signed it is not in the package: a signed Target names its digest
    (`mosaic target show`), and a Device takes nothing else.
    """
    with registries(plain) as opened, _shown(package, opened) as found:
        out.result(found, "\n".join(_printable(line) for line in _lines(found, files=files)))


@contextmanager
def _shown(package: str, opened: Registries) -> Iterator[Shown]:
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

            yield show_package(found.content, fetched)


def _content(blob: Path | bytes) -> bytes:
    return blob.read_bytes() if isinstance(blob, Path) else blob


def _printable(line: str) -> str:
    """Return a line with letters that move the cursor, hide or turn what is written shown as what they are."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in line)


def _lines(found: Shown, *, files: bool) -> list[str]:
    lines = [f"{found.name or 'an app without a name'} {found.digest}"]
    content = f", {size(found.content_bytes)} unpacked" if found.content_bytes is not None else ""
    lines.append(f"  bundle:   {size(found.bundle_bytes)}{content}")
    lines += [f"  image:    {service}: {image}" for service, image in (found.images or {}).items()]
    lines += [f"  fetches:  {size(count)} for {name}" for name, count in (found.download_bytes or {}).items()]
    lines += [f"  asks for: {ask}" for ask in found.asks]
    if found.variables:
        lines.append(f"  needs:    a value of {', '.join(found.variables)}")
    lines += [f"  problem:  {problem}" for problem in found.problems]
    if files:
        lines += [f"  {one.path}" + (f" → {one.target}" if one.target else "") for one in found.files or ()]
    return lines
