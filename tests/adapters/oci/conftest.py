"""Registries for these tests: real ones, and one whose answers a test writes itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaic.adapters.oci.credentials import Credentials, NoCredentials
from mosaic.adapters.oci.limits import Limits
from mosaic.adapters.oci.registry import Registry
from support.manual_clock import ManualClock
from support.opens_registries import Opens
from support.registry_server import RegistryServer, registry_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    with registry_server(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def registry(server: RegistryServer) -> Iterator[Registry]:
    # Small chunks: a test need not push megabytes to push several.
    with Registry(server.host, credentials=NoCredentials(), limits=Limits(chunk_bytes=64 * 1024)) as opened:
        yield opened


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def opens(clock: ManualClock) -> Iterator[Opens]:
    """Opens registries whose clock is the test's own, and whose pauses let it pass."""
    opened: list[Registry] = []

    def open_one(host: str, credentials: Credentials | None = None, limits: Limits | None = None) -> Registry:
        one = Registry(
            host,
            credentials=credentials or NoCredentials(),
            clock=clock,
            limits=limits or Limits(),
            pause=clock.advance,
        )
        opened.append(one)
        return one

    yield open_one
    for one in opened:
        one.close()


@pytest.fixture
def into(tmp_path: Path) -> Path:
    """Where a blob shall lie."""
    return tmp_path / "blob"
