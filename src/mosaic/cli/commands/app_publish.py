"""`mosaic app publish`: an app repository as one signed Target."""

from pathlib import Path

import click
import msgspec

from mosaic.adapters.clock import SystemClock
from mosaic.adapters.machine import own_hardware
from mosaic.adapters.trust.key_folder import open_signing_key
from mosaic.adapters.trust.repository import Repository
from mosaic.cli.output import Output, json_option
from mosaic.cli.publishing import cache_folder, registries, sboms_of, variables_of
from mosaic.cli.signing_keys import signs_every_day
from mosaic.cli.target_view import target_page
from mosaic.core.app_repository import IMAGE_FILE
from mosaic.core.roll_out import RollOut
from mosaic.device.config import DEFAULT_ENGINE
from mosaic.packager.attaching import Attachments
from mosaic.packager.own_images import Build
from mosaic.packager.publishing import Order, Report
from mosaic.packager.publishing import publish as publish_all
from mosaic.packager.sbom import read_sbom


class PublishedApps(msgspec.Struct, frozen=True):
    """What was published. `version` is the Target's number; `kept` are apps that did not change since the last one."""

    version: int
    is_new: bool
    commit: str
    apps: dict[str, str]
    kept: list[str]
    images: dict[str, str]


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
@click.option("--registry", required=True, help="Where to push to, namespace included: registry.example.org/team.")
@signs_every_day
@click.option("--channel", default="stable", show_default=True, help="Who the Target is for.")
@click.option("--hardware", multiple=True, help="A kind of machine that it is for; this one's kind, if not given.")
@click.option("--percentage", type=click.IntRange(0, 100), help="The share of Devices: all, or none but groups.")
@click.option(
    "--group",
    "groups",
    multiple=True,
    help="A group of Devices that takes it in any case; others as --percentage says.",
)
@click.option("--paused", is_flag=True, help="Sign it, and let no Device take it yet.")
@click.option("--force", "forced", is_flag=True, help="Make a new version though nothing changed.")
@click.option("--rebuild", is_flag=True, help="Build images whose folders did not change, too: for newer base images.")
@click.option("--dockerfile", default=IMAGE_FILE, show_default=True, help="Build from this file where a folder has it.")
@click.option("--network", help="The network of RUN steps: host, where bridges reach nothing.")
@click.option(
    "--platform",
    "platforms",
    multiple=True,
    help="Build images for these: linux/amd64,linux/arm64. Needs buildx; the engine's own kind, if not given.",
)
@click.option("--plain", multiple=True, metavar="HOST", help="A registry that is spoken to without TLS.")
@click.option("--var", "given", multiple=True, metavar="NAME=VALUE", help="Fill in a variable where an image is named.")
@click.option(
    "--sbom", "sboms", multiple=True, metavar="APP=FILE", help="Attach a bill of materials (SPDX or CycloneDX, JSON)."
)
@click.option(
    "--sign",
    "signing_key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Attach a signature of each app by this Ed25519 key: PEM, or a file of --keys.",
)
@click.option("--engine", default=DEFAULT_ENGINE, help="The Docker engine that builds.")
@json_option
def publish(
    out: Output,
    repository: Repository,
    folder: Path,
    registry: str,
    channel: str,
    hardware: tuple[str, ...],
    percentage: int | None,
    groups: tuple[str, ...],
    paused: bool,
    forced: bool,
    rebuild: bool,
    dockerfile: str,
    network: str | None,
    platforms: tuple[str, ...],
    plain: tuple[str, ...],
    given: tuple[str, ...],
    sboms: tuple[str, ...],
    signing_key: Path | None,
    engine: str,
) -> None:
    """Publish every app of the app repository FOLDER, at the commit that is checked out.

    Each top folder with a docker-compose.yml is an app, each with a Dockerfile
    an image that is built and pushed. Apps that did not change keep their
    digest; if none did, nothing new is signed.
    """
    order = Order(
        folder=folder.absolute(),
        build=Build(
            engine,
            registry,
            dockerfile=dockerfile,
            network=network,
            rebuild=rebuild,
            platforms=tuple(name for given in platforms for name in given.split(",")),
        ),
        channel=channel,
        hardware=hardware or (own_hardware(),),
        roll_out=_roll_out(percentage, groups, paused),
        forced=forced,
        variables=variables_of(given),
        attachments=Attachments(
            {app: read_sbom(path) for app, path in sboms_of(sboms).items()},
            None if signing_key is None else open_signing_key(signing_key),
        ),
    )
    with registries(plain) as opened:
        report = publish_all(
            order, repository, opened, cache=cache_folder(), now_ns=SystemClock().wall_ns(), tell=out.remark
        )
    out.result(_told(report), _page(report))


def _roll_out(percentage: int | None, groups: tuple[str, ...], paused: bool) -> RollOut:
    """Return who takes it. Whoever names a group alone means that group, and not everybody."""
    share = (0 if groups else 100) if percentage is None else percentage
    return RollOut(share, frozenset(groups), paused)


def _told(report: Report) -> PublishedApps:
    return PublishedApps(
        version=report.published.targets[0].version,
        is_new=report.published.is_new,
        commit=report.commit,
        apps=dict(report.apps),
        kept=list(report.kept),
        images={built.name: built.image.digest for built in report.images},
    )


def _page(report: Report) -> str:
    if not report.published.is_new:
        version = report.published.targets[0].version
        return (
            f"Nothing changed since version {version}. "
            f"`mosaic target roll-out {version}` changes who takes it; --force makes a new one."
        )
    kept = f"\nUnchanged: {', '.join(report.kept)}." if report.kept else ""
    return target_page(report.published.targets) + kept
