"""`mosaic app build`: an app's package from its folder."""

import os
import tempfile
from pathlib import Path

import click
import msgspec

from mosaic.cli.output import Output, json_option
from mosaic.cli.publishing import cache_folder, registries, variables_of
from mosaic.cli.units import size
from mosaic.device.config import DEFAULT_ENGINE
from mosaic.packager.building import Wish, build_offline, build_online, require_outside, write_file
from mosaic.packager.packing import Packed
from mosaic.packager.resolving import Resolver
from mosaic.packager.variables import names_for_own_images


class Built(msgspec.Struct, frozen=True):
    """What was made. `unpinned` are services whose image is a name still, which may stand for another one tomorrow."""

    app: str
    digest: str
    bundle_digest: str
    bundle_bytes: int
    unpinned: list[str]
    platforms: list[str] | None
    file: str | None


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
@click.option("--offline", is_flag=True, help="Ask no registry: pin from the lock file, or from this machine's engine.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the package to this file.")
@click.option("--plain", multiple=True, metavar="HOST", help="A registry that is spoken to without TLS.")
@click.option("--var", "given", multiple=True, metavar="NAME=VALUE", help="Fill in a variable where an image is named.")
@click.option("--engine", default=DEFAULT_ENGINE, help="The Docker engine of this machine.")
@json_option
def build(
    out: Output,
    folder: Path,
    offline: bool,
    output: Path | None,
    plain: tuple[str, ...],
    given: tuple[str, ...],
    engine: str,
) -> None:
    """Make the package of the app in FOLDER, and say its digest.

    What registries say of its images is kept in images.lock.json, for builds
    with --offline. The same files with the same pins give the same bundle; its
    package has another digest without registries, which know the layers' sizes.
    """
    folder = Path(os.path.abspath(folder))  # noqa: PTH100 (pathlib keeps `..`, and the folder's name is the app's)
    if output is not None:
        require_outside(output.absolute(), folder)
    wish = Wish(folder, engine, {**names_for_own_images(), **variables_of(given)})
    where = output.absolute().parent if output is not None else None
    with tempfile.TemporaryDirectory(prefix=".mosaic-build-", dir=where) as scratch:
        into = Path(scratch)
        if offline:
            packed = build_offline(wish, into=into)
        else:
            with registries(plain) as opened:
                packed = build_online(wish, Resolver(opened, cache_folder()), into=into)
        if output is not None:
            (into / "export").mkdir()
            write_file(packed, output.absolute(), scratch=into / "export")
    built = _built(packed, output)
    out.result(built, "\n".join(_lines(built)))


def _built(packed: Packed, output: Path | None) -> Built:
    return Built(
        app=packed.name,
        digest=packed.digest,
        bundle_digest=packed.bundle.digest,
        bundle_bytes=packed.bundle.size,
        unpinned=[use.service for use in packed.unpinned],
        platforms=list(packed.platforms) if packed.platforms is not None else None,
        file=str(output) if output is not None else None,
    )


def _lines(built: Built) -> list[str]:
    lines = [f"{built.app} {built.digest}", f"  bundle:    {built.bundle_digest}, {size(built.bundle_bytes)}"]
    if built.platforms:
        lines.append(f"  runs on:   {', '.join(built.platforms)}")
    if built.unpinned:
        lines.append(f"  unpinned:  {', '.join(built.unpinned)} (build without --offline once, where registries are)")
    return [*lines, f"  file:      {built.file}"] if built.file else lines
