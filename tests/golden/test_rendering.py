"""Each file in `rendering/`: a compose file as published, `----`, and what a Device runs of it.

To write the second half anew: MOSAIC_WRITE_GOLDEN=1, then read the difference.
"""

import os
from pathlib import Path

import pytest
import yaml

from mosaic.adapters import compose_yaml
from mosaic.core.app import image_names, open_app, seed_variables
from mosaic.core.errors import Refused
from mosaic.core.ids import AppDigest, DeviceId, ImageId, InstallationId
from mosaic.core.ports import allocate
from mosaic.core.render_link import PublicWay
from mosaic.core.rendering import Facts, render, wanted_ports

FOLDER = Path(__file__).parent / "rendering"
FILES = sorted(FOLDER.glob("*.txt"))
LINE = "\n----\n"
INSTALLATION = InstallationId("k3x7q2m5n4ab")
WAY = PublicWay(("notes.example",), "t0k3n", "https://gateway.example", epoch="1.7")
PACKAGE = frozenset(["docker-compose.yml", "nginx.conf", "conf", "conf/app.ini", "app.env"])


def rendered(published: str) -> str:
    """Return what a Device runs, or why it refuses, as text."""
    variables = seed_variables(driver="mosaic", installation=INSTALLATION, domain=WAY.names[0], link_token=WAY.token)
    try:
        compose = open_app(compose_yaml.parse(published.encode()), variables={**variables, "GREETING": "it's $5"})
        result = render(
            compose,
            Facts(
                device=DeviceId("d" * 32),
                installation=INSTALLATION,
                app_digest=AppDigest("sha256:" + "a" * 64),
                config_revision=3,
                project="mosaic-attic-notes",
                driver="mosaic",
                bundle="/apps/notes",
                package=PACKAGE,
                images={name: ImageId(f"sha256:{image}") for name, image in image_names(compose).items()},
                image_volumes={name: ["/var/lib/image-volume"] for name in image_names(compose) if name == "db"},
                ports=allocate(wanted_ports(compose), {("tcp", 8080)}, {}),
                way=WAY,
                has_tun=True,
            ),
        )
    except Refused as refused:
        return f"{refused.code}: {refused.message}\nhint: {refused.hint}\n"
    folders = "".join(f"# {folder.docker_volume}: {folder.kind}\n" for folder in result.folders)
    return folders + yaml.safe_dump(result.compose, sort_keys=False, width=120)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_compose_file_is_rendered_as_recorded(file: Path) -> None:
    published, line, expected = file.read_text().partition(LINE)
    actual = rendered(published)
    if os.environ.get("MOSAIC_WRITE_GOLDEN") == "1":
        file.write_text(published.rstrip("\n") + LINE + actual)
        return
    assert line and actual == expected


def test_there_are_golden_files() -> None:
    assert len(FILES) >= 8


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_rendering_twice_gives_the_same_text(file: Path) -> None:
    published = file.read_text().partition(LINE)[0]
    assert rendered(published) == rendered(published)
