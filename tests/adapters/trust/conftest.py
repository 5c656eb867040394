"""A repository with two channels and one version, made once and copied for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.target_world import Device, Mirror, Publisher, served


@pytest.fixture(scope="session")
def first_edition(tmp_path_factory: pytest.TempPathFactory) -> Publisher:
    """A repository in which version 1 is published. Nobody changes it."""
    publisher = Publisher(tmp_path_factory.mktemp("first") / "repository").create("stable", "beta")
    publisher.publish("one")
    return publisher


@pytest.fixture
def publisher(first_edition: Publisher, tmp_path: Path) -> Publisher:
    """A copy of it for one test."""
    return first_edition.copy(tmp_path / "publisher")


@pytest.fixture
def mirror(publisher: Publisher) -> Iterator[Mirror]:
    """A web server for it."""
    with served(publisher.public) as mirror:
        yield mirror


@pytest.fixture
def device(mirror: Mirror, publisher: Publisher, tmp_path: Path) -> Device:
    """A Device that trusts version 1."""
    device = mirror.device(tmp_path / "device", publisher)
    device.refresh()
    return device
