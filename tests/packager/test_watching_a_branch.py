"""`mosaic app watch` on a real repository and a real registry."""

import http.client
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mosaic.adapters import compose_yaml
from mosaic.cli.commands.app_publish import publish
from mosaic.cli.commands.app_watch import HookSecretUnusable, watch
from support.app_repositories import Workshop, git, push_image
from support.waiting import eventually

pytestmark = pytest.mark.registry


POST_RECEIVE = Path(__file__).parents[2] / "examples/publishing/post-receive"


def words(workshop: Workshop, *more: str) -> list[str]:
    options = ["--registry", workshop.registry, "--repo", str(workshop.folder / "public")]
    own = [str(workshop.apps), "--state", str(workshop.folder / "state"), *more, "--", *options]
    return [*own, "--keys", str(workshop.folder / "online"), "--hardware", "generic-amd64"]


def looked(workshop: Workshop) -> Result:
    return CliRunner().invoke(watch, words(workshop, "--once"))


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


def environment(folder: Path) -> dict[str, str]:
    """Return an environment in which `mosaic` is this one."""
    (folder / "bin").mkdir()
    command = folder / "bin" / "mosaic"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m mosaic.cli.main "$@"\n')
    command.chmod(0o755)
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": os.pathsep.join(sys.path), "XDG_CACHE_HOME": str(folder / "c")}


def test_a_hook_of_a_forge_has_a_commit_published_without_waiting_for_the_next_look(
    apps: Workshop, tmp_path: Path
) -> None:
    first = apps.commit()
    secret = tmp_path / "hook-secret"
    secret.write_text("0123456789abcdef\n")
    secret.chmod(0o600)
    more = ["--every", "86400", "--listen", "127.0.0.1:0", "--secret-file", str(secret)]
    ours = environment(tmp_path)
    command = [str(tmp_path / "bin" / "mosaic"), "app", "watch", *words(apps, *more)]
    with subprocess.Popen(command, env=ours, stderr=subprocess.PIPE, text=True) as watching:
        try:
            assert watching.stderr is not None
            address = watching.stderr.readline().rstrip("/\n").rpartition("/")[2]
            eventually(lambda: [one.commit for one in apps.repository.targets()] == [first])
            apps.write("httpd", conf="server {}\n")
            second = apps.commit()
            connection = http.client.HTTPConnection(address, timeout=60)
            connection.request("POST", "/", b"{}", {"X-Gitlab-Token": "0123456789abcdef"})
            assert connection.getresponse().status == 202
            eventually(lambda: [one.commit for one in apps.repository.targets()] == [second, first])
        finally:
            watching.send_signal(signal.SIGTERM)
        assert watching.wait(60) == 0


def test_a_secret_that_keeps_nobody_out_is_refused(apps: Workshop, tmp_path: Path) -> None:
    secret = tmp_path / "hook-secret"
    for text, mode in (("0123456789abcdef", 0o644), ("short\n", 0o600)):
        secret.write_text(text)
        secret.chmod(mode)
        ran = CliRunner().invoke(watch, words(apps, "--listen", "127.0.0.1:0", "--secret-file", str(secret)))
        assert isinstance(ran.exception, HookSecretUnusable)
    assert CliRunner().invoke(watch, words(apps, "--listen", "127.0.0.1:0")).exit_code == 2
    for odd in ("127.0.0.1:99999", "8477", "127.0.0.1:http"):
        assert CliRunner().invoke(watch, words(apps, "--listen", odd, "--secret-file", str(secret))).exit_code == 2


def test_what_is_pushed_to_a_bare_repository_is_published_by_its_hook(apps: Workshop, tmp_path: Path) -> None:
    commit, bare = apps.commit(), tmp_path / "apps.git"
    git(tmp_path, "init", "--quiet", "--bare", str(bare))
    hook = bare / "hooks" / "post-receive"
    hook.write_bytes(POST_RECEIVE.read_bytes())
    hook.chmod(POST_RECEIVE.stat().st_mode)
    for name, value in (
        ("registry", apps.registry),
        ("repo", str(apps.folder / "public")),
        ("keys", str(apps.folder / "online")),
    ):
        git(bare, "config", f"mosaic.{name}", value)
    ours = environment(tmp_path)
    for refs in ("main", "main:draft", ":draft"):
        subprocess.run(["git", "push", "--quiet", str(bare), refs], cwd=apps.apps, env=ours, check=True)
    assert [one.commit for one in apps.repository.targets()] == [commit]


@pytest.mark.parametrize("name", ["gitlab-ci.yml", "workflow.yml"])
def test_the_jobs_for_ci_services_are_yaml_and_say_what_the_command_takes(name: str) -> None:
    text = POST_RECEIVE.with_name(name).read_text()
    compose_yaml.parse(text.encode())
    (line,) = [line for line in text.splitlines() if "mosaic app publish" in line]
    given = shlex.split(line.partition("mosaic app publish ")[2])
    assert publish.make_context("publish", given).params["registry"] == "registry.example.org/team"
