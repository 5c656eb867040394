"""`mosaic app watch` on a real repository and a real registry."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mosaic.cli.commands.app_watch import watch
from support.app_repositories import Workshop, git, push_image

pytestmark = pytest.mark.registry


def looked(workshop: Workshop, *more: str) -> Result:
    options = ["--registry", workshop.registry, "--repo", str(workshop.folder / "public")]
    words = [str(workshop.apps), "--once", "--state", str(workshop.folder / "state"), *more, "--", *options]
    return CliRunner().invoke(watch, [*words, "--keys", str(workshop.folder / "online"), "--hardware", "generic-amd64"])


@pytest.fixture
def apps(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    monkeypatch.setenv("XDG_CACHE_HOME", str(workshop.folder / "cache"))
    push_image(workshop.registries, workshop.host, "library/nginx", "alpine", b"one layer")
    workshop.write("httpd", compose=f"services:\n  web: {{image: {workshop.host}/library/nginx:alpine}}\n")
    return workshop


def test_a_new_commit_becomes_a_new_target_and_an_old_one_does_not(apps: Workshop) -> None:
    commits = [apps.commit()]
    assert looked(apps).exit_code == looked(apps).exit_code == 0
    apps.write("httpd", conf="server {}\n")
    commits.append(apps.commit())
    assert looked(apps).exit_code == 0
    assert [one.commit for one in apps.repository.targets()] == commits[::-1]


def test_what_is_not_committed_to_the_branch_is_not_looked_at(apps: Workshop) -> None:
    commit = apps.commit()
    git(apps.apps, "checkout", "--quiet", "-b", "draft")
    apps.write("httpd", conf="server { # a draft\n}\n")
    apps.commit()
    apps.write("httpd", conf="server { # not even that\n}\n")
    assert looked(apps).exit_code == 0
    assert [one.commit for one in apps.repository.targets()] == [commit]


def test_a_commit_that_cannot_be_published_ends_with_the_reason(apps: Workshop, tmp_path: Path) -> None:
    apps.write("httpd", compose=f"services:\n  web: {{image: {apps.host}/library/nothing:1}}\n")
    apps.commit()
    result = looked(apps)
    assert (result.exit_code, getattr(result.exception, "code", None)) == (1, "pinning-refused")
    assert apps.repository.targets() == []
