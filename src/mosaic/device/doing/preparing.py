"""Preparing what an app starts from: its Docker volumes, and the compose file that is run.

Creating again what is there changes nothing, and the file appears whole.
"""

import hashlib
from pathlib import Path

import anyio
import msgspec

from mosaic.adapters.docker.compose import project_name
from mosaic.adapters.private_file import write_private
from mosaic.core.compose_document import Compose
from mosaic.core.folders import Folder
from mosaic.core.ids import AppDigest, DeviceId, InstallationId
from mosaic.core.ports import Assigned
from mosaic.core.rendering import Facts, Rendered, render
from mosaic.device.doing import images, ports
from mosaic.device.doing.keys import Kind
from mosaic.device.means import Means
from mosaic.device.observe import device_label, installation_label
from mosaic.device.outside import ask
from mosaic.device.package import folder_of, paths_in, read_app
from mosaic.device.public_way import public_way
from mosaic.device.records import release_of, release_text
from mosaic.wire.assignment import Assignment


def compose_file(means: Means, installation: str) -> Path:
    """Return where the installation's rendered compose file lies."""
    return means.config.projects / installation / "compose.json"


def is_as_rendered(means: Means, installation: str, file: Path) -> bool:
    """Whether the rendered file is there as it was written."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest() == means.records.notes_of(installation).rendered_sha256
    except FileNotFoundError:
        return False


async def kinds(means: Means, item: Assignment) -> list[Kind]:
    """Return which volumes the app needs: always one for its data, and one for its link when that keeps something."""
    compose = await ask(read_app, means, item)
    rendered = await _rendered(means, item, compose, [])
    needs_link = any(folder.kind == "link" for folder in rendered.folders)
    return ["data", "link"] if needs_link else ["data"]


async def prepare(means: Means, item: Assignment, file: Path, *, has_tun: bool = True) -> None:
    """Have the Docker volumes and the rendered file that the release starts from.

    Without `has_tun` no link gets the device of tunnels, also where this machine seems to have it.
    """
    compose = await ask(read_app, means, item)
    chosen = await ports.choose(means, item, compose)
    rendered = await _rendered(means, item, compose, chosen, has_tun=has_tun)
    # Noted first, so that they are found again without asking every volume driver of the engine for its list.
    names = sorted({rendered.guard, *(folder.docker_volume for folder in rendered.folders)})
    known = means.records.notes_of(item.installation).docker_volumes
    means.records.note(item.installation, docker_volumes=sorted({*known, *names}))
    async with anyio.create_task_group() as creating:
        for folder in rendered.folders:
            creating.start_soon(_create_volume, means, item, folder)
        creating.start_soon(_create_guard, means, item, rendered.guard)
    content = msgspec.json.encode(rendered.compose)
    await ask(_write, file, content)
    means.records.note(
        item.installation,
        # What was made from an older file says nothing about what will be made from this one.
        hashes={},
        rendered_sha256=hashlib.sha256(content).hexdigest(),
        rendered=release_text(release_of(item)),
        services=sorted(compose.services),
        web_port=ports.web_port(compose, chosen),
    )


async def _rendered(
    means: Means, item: Assignment, compose: Compose, chosen: list[Assigned], *, has_tun: bool = True
) -> Rendered:
    here = await images.pinned(means, item, compose)
    folder = folder_of(means.config, item)
    facts = Facts(
        device=DeviceId(means.device),
        installation=InstallationId(item.installation),
        app_digest=AppDigest(item.app_digest),
        config_revision=item.config_revision,
        project=project_name(means.device, item.installation),
        driver=means.config.driver,
        bundle=str(folder),
        package=await ask(paths_in, folder),
        images=images.ids(here),
        image_volumes={service: image.volumes for service, image in here.items()},
        ports=chosen,
        open=item.open,
        way=await ask(public_way, means, item),
        has_tun=has_tun and means.config.has_tun,
    )
    return render(compose, facts)


async def _create_volume(means: Means, item: Assignment, folder: Folder) -> None:
    by_kind = {volume.kind: volume.volume for volume in item.volumes}
    # A link that came with an update has no volume of its own yet; what it keeps is then the app's data.
    volume = by_kind.get(folder.kind) or by_kind["data"]
    await means.engine.create_volume(
        folder.docker_volume,
        driver=means.config.driver,
        options={"volume": volume, "folder": folder.folder},
        labels=_labels(means, item),
    )


async def _create_guard(means: Means, item: Assignment, name: str) -> None:
    options = {"guard": item.installation}
    await means.engine.create_volume(name, driver=means.config.driver, options=options, labels=_labels(means, item))


def _labels(means: Means, item: Assignment) -> dict[str, str]:
    pairs = (device_label(means.device), installation_label(item.installation))
    return dict(pair.split("=", 1) for pair in pairs)


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # 0600: the link's token and config values are in it.
    write_private(file, content)
