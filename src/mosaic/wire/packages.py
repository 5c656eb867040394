"""What a Device asks its Hive for to install an app, beside the manifest itself (`/api/device/bundles/{digest}`).

| request | answer |
|---|---|
| GET /api/device/packages/{manifest digest}/blobs/{digest} | a blob that the manifest names; `Range` goes on |
| GET /api/device/catalogs/{name} | CatalogServed |

What is under a digest is checked by it, and what a catalog says by its root:
it does not matter who hands it out. What comes under the digest of an
assignment is either a package's manifest or, from a catalog that is a folder,
a plain bundle (`mosaic.adapters.bundle`); its first byte tells which.
"""

import msgspec

from mosaic.wire.approval import CatalogTrust

MAX_CATALOG_BYTES = 64 * 1024 * 1024
"""The metadata of one catalog, as JSON, is never more."""


class CatalogServed(msgspec.Struct, frozen=True):
    """A catalog as the Hive has it: what the owner signed, the root that he meant, and the metadata by file name.

    `files` are those below `metadata/` of a TUF repository, as it serves them.
    """

    trust: CatalogTrust
    root: bytes
    files: dict[str, bytes]
