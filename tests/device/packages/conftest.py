"""A Device beside a workshop that published for it on a real registry."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.app_repositories import Workshop
from support.receiving_device import Receiver, publish_page, receiver_of
from support.registry_server import RegistryServer, registry_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    with registry_server(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def workshop(server: RegistryServer, tmp_path: Path) -> Iterator[Workshop]:
    """One that published the first version of notes."""
    made = Workshop(tmp_path / "workshop", server.host)
    publish_page(made, "notes", page=b"one")
    yield made
    made.registries.close()


@pytest.fixture
def device(workshop: Workshop, tmp_path: Path) -> Iterator[Receiver]:
    """A Device that has nothing yet."""
    made = receiver_of(workshop, tmp_path / "device")
    yield made
    made.registries.close()
