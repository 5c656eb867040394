"""Images of an app repository are built where something changed, and keep their digest where nothing did."""

import gzip
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaic.adapters.docker.image_build import BuildFailed, BuildxMissing
from mosaic.adapters.oci.failures import ImageMissing
from mosaic.core import image_ref, package_reading
from mosaic.core.oci_types import INDEX_TYPES, Digest
from mosaic.core.pin_problems import PinningRefused
from mosaic.packager import own_images
from mosaic.packager.own_images import BuildUnusable
from support.app_repositories import ENGINE, Workshop
from support.registry_server import RegistryServer

pytestmark = [pytest.mark.engine, pytest.mark.registry]

COMPOSE = """\
services:
  web: {image: "${REGISTRY}/web"}
  worker: {image: "${REGISTRY}/worker:${TAG}"}
"""


def docker(*words: str) -> str:
    ran = subprocess.run(["docker", "--host", ENGINE, *words], capture_output=True, text=True, timeout=120, check=False)
    return ran.stdout


@pytest.fixture
def three(workshop: Workshop) -> Iterator[Workshop]:
    """An app of two images that need no base image, each a folder of its own."""
    workshop.write("app", compose=COMPOSE)
    for image in ("web", "worker"):
        workshop.write(image, Dockerfile="FROM scratch\nCOPY content /\n", content=f"{image} of {workshop.folder}\n")
    workshop.commit()
    yield workshop
    made = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()
    ours = [name for name in made if name.startswith(f"{workshop.host}/")]
    if ours:
        docker("image", "rm", "--force", *ours)


def digest_of(workshop: Workshop, image: str, tag: str) -> str:
    return workshop.registries.at(workshop.host).resolve(f"{workshop.namespace}/{image}", tag).digest


def test_an_image_is_built_once_and_again_when_its_folder_changes(three: Workshop) -> None:
    first_commit = three.commit()[:12]
    first = three.publish()
    assert [(built.name, built.is_new) for built in first.images] == [
        (f"{three.registry}/web", True),
        (f"{three.registry}/worker", True),
    ]
    three.write("worker", content="another\n")
    second_commit = three.commit()[:12]
    second = three.publish()
    assert [built.is_new for built in second.images] == [False, True]
    web, worker = ([built.image.digest for built in report.images] for report in (first, second))
    assert (web[0] == worker[0], web[1] == worker[1]) == (True, False)
    assert digest_of(three, "web", first_commit) == digest_of(three, "web", second_commit)
    assert digest_of(three, "worker", first_commit) != digest_of(three, "worker", second_commit)
    # The app is pinned to what was built, under any of its names, and is tagged as well.
    assert first.apps["app"] != second.apps["app"]
    assert digest_of(three, "app", f"app-{second_commit}") == image_ref.parse(second.apps["app"]).digest


def test_an_app_whose_images_did_not_change_keeps_its_digest_in_a_later_commit(three: Workshop) -> None:
    first = three.publish()
    (three.apps / "README.md").write_text("more words\n")
    three.commit()
    second = three.publish()
    assert (second.apps, second.kept, second.published.is_new) == (first.apps, ("app",), False)


def test_an_image_of_which_the_registry_lost_a_layer_is_built_again(three: Workshop, server: RegistryServer) -> None:
    built = three.publish().images[0]
    server.blob_file(built.image.platforms[0].layers[0].digest).unlink()
    again = three.publish().images[0]
    assert again.is_new
    registry = three.registries.at(three.host)
    layer = again.image.platforms[0].layers[0]
    assert registry.blob(f"{three.namespace}/web", layer, most_bytes=2**20)


def test_newer_base_images_are_taken_when_they_are_asked_for(three: Workshop) -> None:
    three.publish()
    three.rebuild = True
    assert [built.is_new for built in three.publish().images] == [True, True]


def test_what_git_ignores_is_in_no_image(three: Workshop) -> None:
    three.write("web", Dockerfile="FROM scratch\nCOPY . /\n")
    three.commit()
    (three.apps / ".git" / "info" / "exclude").write_text("secret\n")
    three.write("web", secret="a password\n")
    image = three.publish().images[0].image
    (layer,) = image.platforms[0].layers
    files = gzip.decompress(three.registries.at(three.host).blob(f"{three.namespace}/web", layer, most_bytes=2**20))
    assert b"web of " in files and b"a password" not in files


def test_a_disabled_image_is_not_built_and_the_app_that_needs_it_is_told(three: Workshop) -> None:
    three.namespace = "without-a-worker"
    (three.apps / "worker").rename(three.apps / "worker.disabled")
    three.commit()
    with pytest.raises(PinningRefused, match=r"service worker: .*worker.* does not exist"):
        three.publish()
    with pytest.raises(ImageMissing):
        digest_of(three, "worker", "latest")


def test_a_folder_that_is_an_app_and_an_image_is_published_as_both(three: Workshop) -> None:
    three.write("web", compose='services:\n  web: {image: "${REGISTRY}/web"}\n')
    three.write("app", compose='services:\n  web: {image: "${REGISTRY}/web"}\n')
    shutil.rmtree(three.apps / "worker")
    short = three.commit()[:12]
    report = three.publish()
    app, image = image_ref.parse(report.apps["web"]), report.images[0].image.digest
    assert (digest_of(three, "web", f"app-{short}"), digest_of(three, "web", short)) == (app.digest, image)
    assert app.digest != Digest(image)


def test_a_build_that_fails_publishes_nothing_and_says_what_the_engine_said(three: Workshop) -> None:
    three.write("web", Dockerfile="FROM scratch\nCOPY missing /\n")
    three.commit()
    with pytest.raises(BuildFailed, match="web could not be built"):
        three.publish()
    assert three.repository.targets() == []


def test_images_for_two_kinds_of_machines_are_one_index_that_apps_are_pinned_to(three: Workshop) -> None:
    three.platforms = ("linux/arm64", "linux/amd64")
    built = three.publish().images[0].image
    assert [str(one.platform) for one in built.platforms] == ["linux/amd64", "linux/arm64"]
    assert built.media_type in INDEX_TYPES
    assert built.digest in pinned(three)
    again = three.publish()
    assert ([one.is_new for one in again.images], again.kept) == ([False, False], ("app",))


def test_a_further_kind_of_machine_leaves_what_was_built_for_the_others(three: Workshop) -> None:
    three.platforms = ("linux/amd64",)
    one = three.publish().images[0]
    three.platforms = ("linux/amd64", "linux/arm64")
    both = three.publish().images[0]
    assert one.image.digest in {each.manifest.digest for each in both.image.platforms}
    assert [said for said in three.said if "building web" in said] == [
        "building web for linux/amd64",
        "building web for linux/arm64",
    ]


def test_what_was_built_for_one_kind_of_machine_is_not_taken_for_another(
    three: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = three.publish().images[0]
    monkeypatch.setattr(own_images, "engine_platform", lambda _: "linux/riscv64")
    other = three.publish().images[0]
    assert (first.is_new, other.is_new) == (True, True)
    monkeypatch.undo()
    assert not three.publish().images[0].is_new


def test_without_buildx_a_chosen_platform_is_refused_before_anything_is_built(
    three: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an engine's command line without the plug-in answers: it knows no such command."""
    (tmp_path / "docker").write_text("#!/bin/sh\necho \"docker: 'buildx' is not a docker command.\" >&2\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    three.platforms = ("linux/amd64", "linux/arm64")
    with pytest.raises(BuildxMissing):
        three.publish()
    assert three.said == []


@pytest.mark.parametrize("platform", ["arm64", "linux/", "windows/amd64", "linux/amd64 --push", ""])
def test_what_is_no_platform_is_refused(three: Workshop, platform: str) -> None:
    three.platforms = (platform,)
    with pytest.raises(BuildUnusable, match="no platform"):
        three.publish()


def pinned(workshop: Workshop) -> str:
    """Return the compose file of the published app, as its registry has it."""
    reference = image_ref.parse(workshop.repository.targets()[0].apps["app"])
    registry = workshop.registries.at(workshop.host)
    compose = package_reading.read(registry.manifest(reference.repository, reference.digest or "").content).compose
    assert compose is not None
    return registry.blob(reference.repository, compose, most_bytes=2**20).decode()
