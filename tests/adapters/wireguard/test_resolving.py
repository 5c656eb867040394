"""An endpoint's name becomes addresses, or one clear error."""

from functools import partial

import anyio
import pytest

from mosaic.adapters.wireguard import resolving
from mosaic.adapters.wireguard.resolving import EndpointNotFound


@pytest.mark.parametrize(
    ("endpoint", "found"),
    [("198.18.0.1:51820", "198.18.0.1:51820"), ("[2001:db8::1]:51820", "[2001:db8::1]:51820")],
)
def test_an_address_is_itself(endpoint: str, found: str) -> None:
    assert anyio.run(resolving.addresses, endpoint) == [found]


@pytest.mark.parametrize(
    "endpoint", ["", "gw.test", ":51820", "gw.test:", "gw.test:port", "name.invalid:1", "x" * 300 + ".test:1"]
)
def test_what_has_no_address_is_refused(endpoint: str) -> None:
    with pytest.raises(EndpointNotFound):
        anyio.run(partial(resolving.addresses, endpoint))
