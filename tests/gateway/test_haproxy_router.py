"""HAProxy is a Router like the other one: the conformance suite, with the real program."""

from collections.abc import Iterator

import pytest

from gateway.router_conformance import RouterConformance
from support.haproxies import haproxy
from support.router_world import Doors

pytestmark = pytest.mark.acme


@pytest.fixture(scope="module")
def doors() -> Iterator[Doors]:
    """One for all: what HAProxy does not do as the other does is said here."""
    with haproxy() as one:
        yield Doors(one.router, one.tls, one.plain, one.descriptors, joins_records=False, tells_destination=False)


class TestHaproxyRouter(RouterConformance):
    """All of it."""
