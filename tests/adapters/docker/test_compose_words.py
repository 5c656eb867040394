"""Words for `docker compose`: exact, complete, and closed to whatever comes from outside (G8)."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.adapters.docker import compose
from mosaic.adapters.docker.words import WordRefused

ENGINE = "unix:///var/run/docker.sock"
FILE = Path("/state/projects/abc/compose.json")
HEAD = [
    *("docker", "--host", ENGINE, "compose", "--ansi", "never", "--progress", "quiet"),
    *("--env-file", "/dev/null", "--project-name", "mosaic-0a0b-abc", "--file", str(FILE)),
]
PROJECT = "mosaic-0a0b-abc"

hostile = st.one_of(
    st.text(min_size=1, max_size=40),
    st.sampled_from(
        ["--rm", "-v", "$(reboot)", "`id`", "a;b", "a|b", "a b", "../x", "a\nb", "", "--", "-", "a\0b", "é"]
    ),
)


def test_starting_builds_and_pulls_nothing() -> None:
    assert compose.up(ENGINE, PROJECT, FILE) == [
        *HEAD,
        *("up", "--detach", "--no-build", "--pull", "never", "--remove-orphans"),
    ]


def test_ending_never_names_volumes() -> None:
    words = compose.down(ENGINE, PROJECT, FILE, grace_seconds=20)

    assert words == [*HEAD, "down", "--timeout", "20", "--remove-orphans"]
    assert "--volumes" not in words and "-v" not in words


def test_logs_are_bounded_whatever_is_asked_for() -> None:
    words = compose.logs(ENGINE, PROJECT, FILE, service="web", lines=10**9)

    assert words[len(HEAD) :] == ["logs", "--no-color", "--tail", "2000", "--", "web"]


@given(hostile)
def test_a_service_is_a_plain_word_behind_the_end_of_options_or_is_refused(service: str) -> None:
    try:
        words = compose.logs(ENGINE, PROJECT, FILE, service=service, lines=5)
    except WordRefused:
        return

    assert words[-2:] == ["--", service]
    assert service.replace(".", "").replace("_", "").replace("-", "").isalnum() and service.isascii()


@given(hostile, hostile)
def test_a_project_is_a_plain_word_or_is_refused(device: str, installation: str) -> None:
    try:
        name = compose.project_name(device, installation)
    except WordRefused:
        return

    assert name.startswith("mosaic-")
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-")


@given(hostile)
def test_an_image_to_pull_is_behind_the_end_of_options_or_is_refused(reference: str) -> None:
    try:
        words = compose.pull(ENGINE, reference)
    except WordRefused:
        return

    assert words[-2:] == ["--", reference]
    assert not set(reference) & set(" \t\n;|&$`<>(){}'\"\\*?!#~\0")


@pytest.mark.parametrize("engine", ["", "-H", "unix:///x --rm", "file:///etc/passwd", "unix:///a\nb"])
def test_an_engine_that_is_no_address_is_refused(engine: str) -> None:
    with pytest.raises(WordRefused):
        compose.version(engine)


def test_a_relative_file_is_refused() -> None:
    with pytest.raises(WordRefused):
        compose.up(ENGINE, PROJECT, Path("compose.json"))
