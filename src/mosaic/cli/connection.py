"""The way from a command to its Hive."""

from collections.abc import Iterator
from contextlib import contextmanager

from mosaic.adapters.api_client import HiveClient, HiveImpostor
from mosaic.cli import credentials
from mosaic.cli.credentials import Credentials


@contextmanager
def connected() -> Iterator[HiveClient]:
    """Yield a client of the Hive that this machine is logged in to. Raises NotLoggedIn, HiveImpostor."""
    with client_of(credentials.load()) as client:
        yield client


@contextmanager
def client_of(known: Credentials) -> Iterator[HiveClient]:
    """Yield a client of a known Hive, after it proved to have the pinned key."""
    with HiveClient(known.url, ca_pem=known.ca_pem) as stranger:
        # Without the token: whoever took the address over must not be handed it.
        if stranger.identity().key != known.hive_key:
            raise HiveImpostor(known.url)
    with HiveClient(known.url, token=known.token, ca_pem=known.ca_pem) as client:
        yield client
