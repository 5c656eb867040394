"""An app repository becomes one signed Target of pinned apps, and a change becomes another one of what changed."""

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

from mosaic.adapters.bundle import AppUnpackable
from mosaic.adapters.oci.credentials import NoCredentials
from mosaic.adapters.oci.limits import Limits
from mosaic.adapters.oci.registries import Registries
from mosaic.adapters.oci.registry import Registry
from mosaic.adapters.trust import publishing
from mosaic.adapters.trust.publishing import PublishedMeanwhile
from mosaic.adapters.trust.refusals import ChannelMissing
from mosaic.core import image_ref, package_reading
from mosaic.core.app_repository import AppRepositoryRefused
from mosaic.core.errors import Unavailable
from mosaic.core.layer_sizes import read as read_layer_sizes
from mosaic.core.pin_problems import PinningRefused
from mosaic.packager.own_images import Build, BuildUnusable
from mosaic.packager.publishing import Order, publish
from mosaic.packager.source import NotCommitted, NothingToPublish, SubmoduleInside
from support.app_repositories import ENGINE, NOW_NS, Workshop, git, push_image
from support.registry_server import RegistryServer

pytestmark = pytest.mark.registry

P = ParamSpec("P")
R = TypeVar("R")


def compose(image: str) -> str:
    return f"""\
services:
  web:
    image: {image}   # whichever is newest
    environment: {{GREETING: "${{GREETING}}"}}
    volumes: ["./nginx.conf:/etc/nginx/conf.d/default.conf"]
"""


@pytest.fixture
def two_apps(workshop: Workshop) -> Workshop:
    push_image(workshop.registries, workshop.host, "library/nginx", "alpine", b"one layer", b"another")
    for app in ("httpd", "proxy"):
        workshop.write(app, compose=compose(f"{workshop.host}/library/nginx:alpine"), conf=f"server {{ # {app}\n}}\n")
    workshop.commit()
    return workshop


def fetched(workshop: Workshop, uri: str) -> dict[str, bytes]:
    """Return the small blobs of a published app by their media types."""
    reference = image_ref.parse(uri)
    registry = workshop.registries.at(reference.registry)
    manifest = registry.manifest(reference.repository, reference.digest or "")
    app = package_reading.read(manifest.content)
    return {one.media_type: registry.blob(reference.repository, one, most_bytes=2**20) for one in app.every}


def test_every_app_is_pushed_pinned_and_named_by_one_target(two_apps: Workshop) -> None:
    report = two_apps.publish()
    (target,) = report.published.targets
    assert (target.path, dict(target.apps)) == ("stable/generic-amd64-1", dict(report.apps))
    assert re.fullmatch(rf"{two_apps.host}/team/httpd@sha256:[0-9a-f]{{64}}", report.apps["httpd"])
    assert report.commit == target.commit
    assert two_apps.repository.targets() == [target]


def test_only_the_image_is_another_in_the_published_compose_file(two_apps: Workshop) -> None:
    report = two_apps.publish()
    digest = two_apps.registries.at(two_apps.host).resolve("library/nginx", "alpine").digest
    blobs = fetched(two_apps, report.apps["httpd"])
    (written,) = [content for content in blobs.values() if b"services:" in content and b"manifests" not in content]
    assert written.decode() == compose(f"{two_apps.host}/library/nginx@{digest}")


def test_how_large_the_images_are_is_said_for_each_platform(two_apps: Workshop) -> None:
    blobs = fetched(two_apps, two_apps.publish().apps["httpd"])
    (sizes,) = [content for content in blobs.values() if b"fs_block_size" in content]
    layers = read_layer_sizes(sizes)["amd64"].layers
    assert sorted(layer.archive_bytes for layer in layers.values()) == [7, 9]


def test_nothing_changed_makes_no_new_target(two_apps: Workshop) -> None:
    first = two_apps.publish()
    again = two_apps.publish()
    assert (first.published.is_new, again.published.is_new) == (True, False)
    assert again.kept == ("httpd", "proxy")
    assert again.published.targets == first.published.targets
    assert two_apps.publish(forced=True).published.targets[0].version == 2


def test_a_change_of_one_app_leaves_the_others_what_they_were(two_apps: Workshop) -> None:
    before = two_apps.publish()
    two_apps.write("proxy", conf="server { listen 81; }\n")
    commit = two_apps.commit()
    after = two_apps.publish()
    assert after.kept == ("httpd",)
    assert after.apps["httpd"] == before.apps["httpd"]
    assert after.apps["proxy"] != before.apps["proxy"]
    assert (after.published.targets[0].version, after.commit) == (2, commit)


def test_a_tag_that_moved_is_another_app(two_apps: Workshop) -> None:
    before = two_apps.publish()
    push_image(two_apps.registries, two_apps.host, "library/nginx", "alpine", b"a newer layer")
    after = two_apps.publish()
    assert (after.kept, after.apps["httpd"] != before.apps["httpd"]) == ((), True)


def test_an_app_that_is_disabled_leaves_the_next_target(two_apps: Workshop) -> None:
    two_apps.publish()
    (two_apps.apps / "proxy").rename(two_apps.apps / "proxy.disabled")
    two_apps.commit()
    assert list(two_apps.publish().published.targets[0].apps) == ["httpd"]


def test_what_publishing_was_told_pins_the_same_without_a_registry(two_apps: Workshop) -> None:
    lock = two_apps.publish().lock
    assert list(json.loads(json.dumps(lock))["images"]) == [f"{two_apps.host}/library/nginx:alpine"]


def test_all_problems_of_all_apps_are_told_at_once_and_nothing_is_published(two_apps: Workshop) -> None:
    two_apps.write("httpd", compose="services:\n  a: {image: NGINX}\n  b: {build: .}\n")
    two_apps.write("proxy", compose=f"services:\n  web:\n    image: {two_apps.host}/library/nothing:1\n")
    two_apps.commit()
    with pytest.raises(PinningRefused) as refused:
        two_apps.publish()
    assert [str(problem).split(" ")[0] for problem in refused.value.problems] == [
        "httpd/docker-compose.yml:2:",
        "httpd/docker-compose.yml:3:",
        "proxy/docker-compose.yml:3:",
    ]
    assert two_apps.repository.targets() == []


def test_what_is_in_no_commit_is_not_published(two_apps: Workshop) -> None:
    two_apps.write("httpd", conf="server { # changed\n}\n")
    with pytest.raises(NotCommitted):
        two_apps.publish()


def test_what_git_ignores_is_not_published(two_apps: Workshop) -> None:
    before = two_apps.publish()
    (two_apps.apps / ".git" / "info" / "exclude").write_text(".env\n")
    two_apps.write("httpd", **{".env": "PASSWORD=a-secret\n"})
    assert two_apps.publish(forced=True).apps == before.apps


def test_a_change_that_git_was_told_to_overlook_is_not_published(two_apps: Workshop) -> None:
    before = two_apps.publish()
    git(two_apps.apps, "update-index", "--assume-unchanged", "httpd/nginx.conf")
    two_apps.write("httpd", conf="server { # of this machine alone\n}\n")
    assert two_apps.publish(forced=True).apps == before.apps


def test_an_app_with_a_submodule_is_refused(two_apps: Workshop) -> None:
    git(two_apps.apps, "update-index", "--add", "--cacheinfo", f"160000,{two_apps.commit()},httpd/other")
    git(two_apps.apps, "commit", "--quiet", "--message", "a submodule")
    (two_apps.apps / "httpd" / "other").mkdir()
    with pytest.raises(SubmoduleInside, match="httpd/other"):
        two_apps.publish()


def test_a_top_folder_that_is_a_link_to_an_app_is_told_and_not_passed_over(two_apps: Workshop) -> None:
    (two_apps.apps / "another").symlink_to("httpd")
    two_apps.commit()
    with pytest.raises(AppRepositoryRefused, match="another: it is a link"):
        two_apps.publish()


def test_a_compose_file_that_leads_out_of_its_folder_is_refused(two_apps: Workshop) -> None:
    (two_apps.apps / "httpd" / "docker-compose.yml").unlink()
    (two_apps.apps / "httpd" / "docker-compose.yml").symlink_to("../proxy/docker-compose.yml")
    two_apps.commit()
    with pytest.raises(AppUnpackable, match="a link that leads out"):
        two_apps.publish()


def test_another_place_to_push_to_gets_the_apps_that_did_not_change_too(two_apps: Workshop) -> None:
    before = two_apps.publish()
    two_apps.namespace = "another-team"
    after = two_apps.publish()
    assert (after.kept, after.published.is_new) == ((), True)
    for app, uri in after.apps.items():
        assert uri == before.apps[app].replace("/team/", "/another-team/")
        fetched(two_apps, uri)


def test_what_a_registry_lost_is_pushed_again_though_nothing_changed(
    two_apps: Workshop, server: RegistryServer
) -> None:
    two_apps.write("httpd", conf="server { # lost\n}\n")
    two_apps.commit()
    uri = two_apps.publish().apps["httpd"]
    reference = image_ref.parse(uri)
    registry = two_apps.registries.at(reference.registry)
    app = package_reading.read(registry.manifest(reference.repository, reference.digest or "").content)
    server.blob_file(app.bundle.digest).unlink()
    again = two_apps.publish()
    assert (again.apps["httpd"], again.published.is_new) == (uri, False)
    fetched(two_apps, uri)


@pytest.mark.parametrize("registry", ["--help", "https://registry.example.org/team", "a b", "", "host:5000/Team", "$X"])
def test_a_place_that_nothing_can_be_pushed_to_is_refused_before_anything_is_done(
    two_apps: Workshop, registry: str
) -> None:
    order = Order(two_apps.apps, Build(ENGINE, registry), "stable", ["generic-amd64"])
    with pytest.raises(BuildUnusable):
        publish(order, two_apps.repository, two_apps.registries, cache=None, now_ns=NOW_NS, tell=two_apps.said.append)
    assert two_apps.said == []


def test_a_channel_that_there_is_none_of_is_told_before_anything_is_built(two_apps: Workshop) -> None:
    order = Order(two_apps.apps, Build(ENGINE, two_apps.registry), "stabel", ["generic-amd64"])
    with pytest.raises(ChannelMissing):
        publish(order, two_apps.repository, two_apps.registries, cache=None, now_ns=NOW_NS, tell=two_apps.said.append)
    assert two_apps.said == []


def test_a_cache_that_cannot_be_written_ends_no_publishing(two_apps: Workshop) -> None:
    (two_apps.folder / "cache").write_text("no folder")
    assert two_apps.publish().published.is_new


def test_a_folder_without_apps_says_so(workshop: Workshop) -> None:
    (workshop.apps / "README.md").write_text("nothing yet\n")
    workshop.commit()
    with pytest.raises(NothingToPublish):
        workshop.publish()


class Killed(BaseException):
    """The publisher is gone, between two of its steps."""


def test_killed_at_any_step_nothing_is_named_that_is_not_there_and_the_next_publishing_ends_it(
    two_apps: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = two_apps.publish()
    before, steps = whole.apps["httpd"], 0
    for at in range(1, 40):
        two_apps.write("httpd", conf=f"server {{ # {at}\n}}\n")
        two_apps.commit()
        steps = 0

        def step() -> None:
            nonlocal steps
            steps += 1
            if steps == at:  # noqa: B023 (called before the loop goes on)
                raise Killed

        with monkeypatch.context() as patched:
            for holder, name in (
                (Registry, "push_blob"),
                (Registry, "push_manifest"),
                (publishing, "publish"),
            ):
                patched.setattr(holder, name, _around(getattr(holder, name), step))
            try:
                two_apps.publish()
            except Killed:
                assert two_apps.repository.targets()[0].apps["proxy"] == whole.apps["proxy"]
            else:
                break
        after = two_apps.publish()
        # All that is named is there.
        fetched(two_apps, after.apps["httpd"])
        assert after.apps["httpd"] != before
        before = after.apps["httpd"]
    assert steps > 8


def _around(call: Callable[P, R], step: Callable[[], None]) -> Callable[P, R]:
    def stepped(*words: P.args, **named: P.kwargs) -> R:
        step()
        result = call(*words, **named)
        step()
        return result

    return stepped


def test_a_registry_that_is_away_is_told_and_nothing_is_published(two_apps: Workshop) -> None:
    two_apps.registries.close()
    two_apps.registries = Registries(NoCredentials(), limits=Limits(first_pause_seconds=0.01))
    two_apps.write("httpd", compose=compose("127.0.0.1:1/nginx:alpine"))
    two_apps.commit()
    with pytest.raises(Unavailable, match=r"httpd/docker-compose\.yml:3: service web"):
        two_apps.publish()
    assert two_apps.repository.targets() == []


def test_two_publishers_at_once_each_sign_a_whole_target(two_apps: Workshop) -> None:
    with ThreadPoolExecutor(2) as threads:
        reports = list(threads.map(lambda _: two_apps.publish(forced=True), range(2)))
    listed = two_apps.repository.targets()
    assert sorted(one.version for one in listed) == [1, 2]
    signed = [report.published.targets[0] for report in reports]
    assert sorted(signed, key=lambda one: -one.version) == listed
    for target in listed:
        assert all(fetched(two_apps, uri) for uri in target.apps.values())


def meanwhile(workshop: Workshop, clone: Path, monkeypatch: pytest.MonkeyPatch, commit: str) -> None:
    """Have a commit published by somebody else, whose clone has it, just before the workshop signs."""
    git(workshop.folder, "clone", "--quiet", str(workshop.apps), str(clone))
    git(clone, "checkout", "--quiet", "--detach", commit)
    sign, others = publishing.publish, [clone]

    def publish_theirs() -> None:
        if others:
            workshop.publish(folder=others.pop())

    monkeypatch.setattr(publishing, "publish", _around(sign, publish_theirs))


def test_an_older_commit_that_was_published_meanwhile_is_followed(
    two_apps: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = two_apps.commit()
    two_apps.write("proxy", conf="server { listen 81; }\n")
    newer = two_apps.commit()
    meanwhile(two_apps, tmp_path / "clone", monkeypatch, older)
    report = two_apps.publish()
    assert [one.commit for one in two_apps.repository.targets()] == [newer, older]
    assert report.kept == ("httpd",)


def test_an_older_commit_does_not_become_the_newer_version_by_ending_last(
    two_apps: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = two_apps.commit()
    two_apps.write("proxy", conf="server { listen 81; }\n")
    newer = two_apps.commit()
    git(two_apps.apps, "checkout", "--quiet", "--detach", older)
    meanwhile(two_apps, tmp_path / "clone", monkeypatch, newer)
    with pytest.raises(PublishedMeanwhile):
        two_apps.publish()
    assert [one.commit for one in two_apps.repository.targets()] == [newer]
    # Without a race it is what somebody wants.
    assert two_apps.publish().published.is_new
