"""What the tests of gateways share."""

from collections.abc import Iterator

import pytest

from support.router_world import Doors, RouterWorld


@pytest.fixture
def world(doors: Doors) -> Iterator[RouterWorld]:
    """A test's own tunnel addresses, names and visitors around the Router that its file gives as `doors`."""
    made = RouterWorld(doors)
    yield made
    made.close()
