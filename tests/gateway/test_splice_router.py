"""The router in Python is a Router."""

from collections.abc import Iterator

import pytest

from gateway.router_conformance import RouterConformance
from mosaic.adapters.splice_router.router import SpliceRouter
from support.own_descriptors import own_descriptors
from support.router_world import Doors

LOOPBACK = ("127.0.0.1", 0)


@pytest.fixture(scope="module")
def doors() -> Iterator[Doors]:
    """One for the whole file: nothing that a test leaves may trouble the next."""
    with SpliceRouter(tls=[LOOPBACK], plain=[LOOPBACK]) as router:
        yield Doors(router, router.tls_addresses[0], router.plain_addresses[0], own_descriptors)


class TestSpliceRouter(RouterConformance):
    """What every router must do."""
