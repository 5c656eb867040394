"""Logins are read where `docker login` puts them, and nothing of them is repeated."""

import base64
import json
from pathlib import Path

import pytest

from mosaic.adapters.oci.credentials import DockerCredentials, Login, docker_config
from mosaic.adapters.oci.failures import CredentialsUnreadable

HOST = "registry.example.org:5000"


def encoded(words: str) -> str:
    return base64.b64encode(words.encode()).decode()


def kept(tmp_path: Path, config: object) -> DockerCredentials:
    """Docker's configuration with this in it."""
    path = tmp_path / "config.json"
    path.write_text(config if isinstance(config, str) else json.dumps(config))
    return DockerCredentials(path)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose programs are found first."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def helper(programs: Path, name: str, *lines: str) -> None:
    """Write a credential helper. What it is asked with and for lies beside it afterwards."""
    script = programs / f"docker-credential-{name}"
    script.write_text("\n".join(["#!/bin/sh", f'echo "$@" >{script}.words', f"cat >{script}.told", *lines]))
    script.chmod(0o755)


@pytest.mark.parametrize("name", [HOST, f"https://{HOST}", f"https://{HOST}/v1/", f"http://{HOST}/v2/"])
def test_a_login_is_found_under_every_name_that_docker_gave_it(tmp_path: Path, name: str) -> None:
    found = kept(tmp_path, {"auths": {"other": {}, name: {"auth": encoded("me:pass:word")}}}).login(HOST)
    assert found == Login("me", "pass:word")


@pytest.mark.parametrize("host", ["docker.io", "index.docker.io", "registry-1.docker.io"])
def test_the_login_of_docker_io_is_found_where_docker_keeps_it(tmp_path: Path, host: str) -> None:
    config = {"auths": {"https://index.docker.io/v1/": {"auth": encoded("me:secret")}}}
    assert kept(tmp_path, config).login(host) == Login("me", "secret")


def test_a_name_that_is_none_hides_no_login_behind_it(tmp_path: Path) -> None:
    auths = {"https://[broken": {"auth": encoded("a:b")}, f"https://{HOST}": {"auth": encoded("me:secret")}}
    assert kept(tmp_path, {"auths": auths}).login(HOST) == Login("me", "secret")


def test_bytes_that_are_no_text_are_said_and_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(b'{"auths":{"h":{"auth":"secret\xff"}}}')
    with pytest.raises(CredentialsUnreadable) as caught:
        DockerCredentials(tmp_path / "config.json").login(HOST)
    assert "secret" not in repr(caught.value)


def test_an_identity_token_is_preferred_to_the_name_beside_it(tmp_path: Path) -> None:
    entry = {"auth": encoded("ignored:"), "identitytoken": "the-token"}
    assert kept(tmp_path, {"auths": {HOST: entry}}).login(HOST) == Login(identity_token="the-token")


@pytest.mark.parametrize("config", ["", "{}", {"auths": {"another.example.org": {"auth": encoded("a:b")}}}])
def test_where_there_is_no_login_there_is_none(tmp_path: Path, config: object) -> None:
    assert kept(tmp_path, config).login(HOST) is None
    assert DockerCredentials(tmp_path / "nowhere.json").login(HOST) is None


@pytest.mark.parametrize("config", ["{", "[]", {"auths": {HOST: {"auth": "secret!"}}}, {"auths": {HOST: "secret!"}}])
def test_a_configuration_that_makes_no_sense_is_refused_without_repeating_it(tmp_path: Path, config: object) -> None:
    with pytest.raises(CredentialsUnreadable, match=r"config\.json") as refused:
        kept(tmp_path, config).login(HOST)
    assert "secret" not in repr(refused.value) + repr(refused.value.__cause__)


def test_a_helper_is_told_the_host_on_its_input_and_never_in_its_words(tmp_path: Path, programs: Path) -> None:
    helper(programs, "test", """echo '{"ServerURL": "x", "Username": "me", "Secret": "the-secret"}'""")
    found = kept(tmp_path, {"credHelpers": {HOST: "test"}, "credsStore": "absent"}).login(HOST)
    assert found == Login("me", "the-secret")
    assert (programs / "docker-credential-test.words").read_text() == "get\n"
    assert (programs / "docker-credential-test.told").read_text() == HOST
    assert "the-secret" not in repr(found)


def test_the_store_of_all_logins_is_asked_and_what_it_lacks_is_looked_up_in_the_file(
    tmp_path: Path, programs: Path
) -> None:
    helper(programs, "all", "echo 'credentials not found in native keychain'", "exit 1")
    config = {"credsStore": "all", "auths": {HOST: {"auth": encoded("me:secret")}}}
    assert kept(tmp_path, config).login(HOST) == Login("me", "secret")
    assert kept(tmp_path, config).login("other.example.org") is None


def test_a_helper_that_keeps_an_identity_token_says_so_in_the_name(tmp_path: Path, programs: Path) -> None:
    helper(programs, "test", """echo '{"Username": "<token>", "Secret": "the-token"}'""")
    assert kept(tmp_path, {"credsStore": "test"}).login(HOST) == Login(identity_token="the-token")


@pytest.mark.parametrize("lines", [["echo the-secret", "exit 3"], ["echo the-secret"]])
def test_what_a_failing_helper_prints_is_not_repeated(tmp_path: Path, programs: Path, lines: list[str]) -> None:
    helper(programs, "test", *lines)
    with pytest.raises(CredentialsUnreadable, match="docker-credential-test") as refused:
        kept(tmp_path, {"credsStore": "test"}).login(HOST)
    assert "the-secret" not in repr(refused.value) + repr(refused.value.__cause__)


@pytest.mark.parametrize("name", ["absent", "../../bin/sh", "a b"])
def test_a_helper_that_is_not_there_or_no_name_is_refused(tmp_path: Path, programs: Path, name: str) -> None:
    with pytest.raises(CredentialsUnreadable):
        kept(tmp_path, {"credsStore": name}).login(HOST)


def test_docker_says_where_its_configuration_lies(tmp_path: Path) -> None:
    assert docker_config({}, tmp_path) == tmp_path / ".docker" / "config.json"
    assert docker_config({"DOCKER_CONFIG": "/elsewhere"}, tmp_path) == Path("/elsewhere/config.json")
