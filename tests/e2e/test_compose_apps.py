"""The two apps of the seed: published through a registry, fetched by what was signed, installed, and answering."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.world import EXAMPLES, World, eventually, fetch
from mosaic.adapters import process
from mosaic.adapters.docker.image_build import build_image, push_image
from support.app_repositories import ENGINE, Workshop
from support.receiving_device import receiver_of
from support.registry_server import registry_server

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.timeout(600)]

NGINX = """\
FROM mosaic/base:12
RUN apt-get update && apt-get install --yes --no-install-recommends nginx-light \\
    && rm -rf /var/lib/apt/lists/* /etc/nginx/sites-enabled/*
CMD ["nginx", "-g", "daemon off;"]
"""
"""Stands for nginx:alpine, which no machine without the internet can pull."""

APPS = ("hello-world-app", "simple-app")


@pytest.fixture(scope="module")
def factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """The examples as they are in this project, in a git repository of their own, beside a real registry."""
    folder = tmp_path_factory.mktemp("factory")
    with registry_server(folder / "registry") as server:
        made = Workshop(folder / "workshop", server.host, network="host", dockerfile="Dockerfile.debian")
        made.variables["NGINX"] = f"{server.host}/library/nginx:alpine"
        shutil.copytree(EXAMPLES / "compose-apps", made.apps, dirs_exist_ok=True)
        made.commit()
        (folder / "nginx").mkdir()
        (folder / "nginx" / "Dockerfile").write_text(NGINX)
        build_image(ENGINE, folder / "nginx", made.variables["NGINX"], dockerfile="Dockerfile", network="host")
        push_image(ENGINE, made.variables["NGINX"])
        yield made
        made.registries.close()


@pytest.fixture
def installed(world: World, factory: Workshop, tmp_path: Path) -> Iterator[World]:
    """Both apps, fetched and verified by what was signed, and installed from what came of that alone."""
    report = factory.publish()
    assert sorted(report.apps) == list(APPS)
    # Whatever the engine built here is forgotten: the Device pulls it by its digest.
    for built in (*(one.name for one in report.images), factory.variables["NGINX"].removesuffix(":alpine")):
        docker("image", "rm", "--force", *docker("images", "--quiet", "--no-trunc", built))
    device = receiver_of(factory, tmp_path / "device")
    device.target()
    fetched = device.fetch()
    assert not fetched.failed
    catalog = world.catalogs[1]
    for app in APPS:
        shutil.copytree(fetched.installed[app].folder, catalog / app)
    for app in APPS:
        world.ok("install", app, "--device", "home")
    yield world
    for app in APPS:
        world.ok("uninstall", app, "--yes")
        shutil.rmtree(catalog / app)
    device.registries.close()


def docker(*words: str) -> list[str]:
    """Run a command of the engine, and return the words that it says."""
    return process.attempt(["docker", *words], deadline_seconds=120).text.split()


def test_the_flask_app_answers_through_nginx_and_the_single_container_is_read_by_its_log(installed: World) -> None:
    address = installed.address("hello-world-app")
    assert eventually(lambda: _said(address), "the app answers", seconds=60) == "Hello, World!"

    def logged() -> bool:
        return "this came from docker-compose.yml" in installed.mosaic("logs", "simple-app").stdout

    assert eventually(logged, "the app has logged", seconds=60)


def _said(address: str) -> str | None:
    try:
        said: str = fetch(address)
    except OSError:
        # nginx is up before what it speaks for.
        return None
    return said


def test_what_changed_is_another_app_and_what_did_not_is_the_same(factory: Workshop) -> None:
    before = factory.publish()
    (factory.apps / "simple-app" / "app.py").write_text('print("another", flush=True)\n')
    factory.commit()
    after = factory.publish()
    assert (after.kept, after.published.is_new) == (("hello-world-app",), True)
    assert after.apps["simple-app"] != before.apps["simple-app"]
    assert [built.is_new for built in after.images] == [False, True], "hello-world is not built again"
