"""Gateways of one group, on SQLite and on a real PostgreSQL server; their time stands still until a test moves it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.gateway_world import DOMAIN, PushingHive, RunningGateway, config_of, running_gateway
from support.manual_clock import ManualClock
from support.memory_parts import MemoryParts
from support.postgres import new_database, postgres_server

Starts = Callable[..., RunningGateway]


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The server's URL."""
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The group's empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/group.db"
    return new_database(request.getfixturevalue("postgres"))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def starts(tmp_path: Path, clock: ManualClock, database_url: str) -> Iterator[Starts]:
    """Start gateways of one group by their name, perhaps with the router of one that was killed."""
    with ExitStack() as stack:

        def begin(name: str, parts: MemoryParts | None = None) -> RunningGateway:
            config = config_of(tmp_path, name, database_url=database_url)
            return stack.enter_context(running_gateway(config, clock, parts))

        yield begin


@pytest.fixture
def gateway(tmp_path: Path, clock: ManualClock) -> Iterator[RunningGateway]:
    """One gateway, on SQLite."""
    with running_gateway(config_of(tmp_path), clock) as running:
        yield running


@pytest.fixture
def hive(clock: ManualClock) -> PushingHive:
    """A Hive; `allowed` has it allowed at the group of a gateway."""
    return PushingHive(clock)


@pytest.fixture
def allowed(gateway: RunningGateway, hive: PushingHive) -> PushingHive:
    """The Hive that has the group's domain."""
    hive.allow(gateway.running.database, DOMAIN)
    return hive
