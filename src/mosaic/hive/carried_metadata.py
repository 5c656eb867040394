"""A catalog's metadata away from its repository: in a file that comes, or in one that goes.

Whether it would be believed is tried by a client of its own, which begins with
the root that the owner signed for; what the Hive trusts is not touched.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mosaic.adapters.sql.catalogs import KeptCatalog
from mosaic.adapters.trust.public_files import METADATA
from mosaic.core.target import digest_of
from mosaic.hive.catalogs import NOBODY, Catalogs


@contextmanager
def served_from(metadata: Mapping[str, bytes]) -> Iterator[str]:
    """Lay the metadata out as a repository serves it, and yield that folder's address. It is gone afterwards.

    `metadata` is by file name; that these are names and no paths is the caller's to know.
    """
    with tempfile.TemporaryDirectory(prefix="mosaic-metadata-") as folder:
        (Path(folder) / METADATA).mkdir()
        for name, content in metadata.items():
            (Path(folder) / METADATA / name).write_bytes(content)
        yield Path(folder).as_uri()


def lists(catalogs: Catalogs, catalog: KeptCatalog, address: str, digest: str, *, now_ns: int) -> bool:
    """Say whether what is at the address is believed as the catalog's, and lists the package. Call it in a thread.

    Raises:
        TrustRefused, RepositoryUnavailable: it is not believed: the root does not lead to it, or its time is over.
    """
    with tempfile.TemporaryDirectory(prefix="mosaic-asked-") as folder:
        client = catalogs.trusted(catalog).elsewhere(address, folder=Path(folder))
        client.refresh(NOBODY, now_ns=now_ns)
        return any(f"sha256:{digest_of(uri)}" == digest for one in client.listed() for uri in one.apps.values())
