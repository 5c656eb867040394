"""A workshop on a real registry."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.app_repositories import Workshop
from support.registry_server import RegistryServer, registry_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    with registry_server(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def workshop(server: RegistryServer, tmp_path: Path) -> Iterator[Workshop]:
    made = Workshop(tmp_path / "workshop", server.host)
    yield made
    made.registries.close()
