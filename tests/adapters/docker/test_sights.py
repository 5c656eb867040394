"""Reading what the engine tells."""

import msgspec
import pytest

from mosaic.adapters.docker import sights
from mosaic.adapters.docker.sights import EngineUnreadable, Published


def listed(status: str, state: str = "running", **more: object) -> bytes:
    raw = {
        "Id": "abc",
        "State": state,
        "Status": status,
        "ImageID": "sha256:1",
        "Labels": {"com.docker.compose.service": "web", "com.docker.compose.project": "p"},
        "Ports": [],
        **more,
    }
    return msgspec.json.encode([raw])


@pytest.mark.parametrize(
    ("status", "state", "health", "exit_code"),
    [
        ("Up 3 minutes", "running", None, None),
        ("Up 3 minutes (healthy)", "running", "healthy", None),
        ("Up Less than a second (health: starting)", "running", "starting", None),
        ("Up 2 hours (unhealthy)", "running", "unhealthy", None),
        ("Up 2 hours (Paused)", "paused", None, None),
        ("Exited (0) 5 seconds ago", "exited", None, 0),
        ("Exited (137) About a minute ago", "exited", None, 137),
        ("Created", "created", None, None),
    ],
)
def test_health_and_exit_code_are_read_from_the_sentence(
    status: str, state: str, health: str | None, exit_code: int | None
) -> None:
    (seen,) = sights.containers(listed(status, state))

    assert (seen.state, seen.health, seen.exit_code, seen.service) == (state, health, exit_code, "web")


def test_only_published_ports_count() -> None:
    ports = [
        {"PrivatePort": 80, "PublicPort": 8080, "IP": "127.0.0.1", "Type": "tcp"},
        {"PrivatePort": 8000, "Type": "tcp"},
    ]

    (seen,) = sights.containers(listed("Up 1 second", Ports=ports))

    assert seen.ports == (Published("127.0.0.1", 8080, 80, "tcp"),)


def test_a_container_that_is_being_removed_is_gone() -> None:
    assert sights.containers(listed("Removal In Progress", "removing")) == []


def test_something_else_is_refused_with_a_sentence() -> None:
    with pytest.raises(EngineUnreadable, match="cannot be read"):
        sights.containers(b"<html>")
