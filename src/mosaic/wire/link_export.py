"""Links as a file that another gateway takes in, without their Hive's help.

The file is a SignedLinkExport as JSON. `export` is the JSON of a LinkExport, signed as that very text (UTF-8) with the
Hive's Ed25519 key under LINK_EXPORT_CONTEXT: whoever carries it changes nothing in it. No secret is in it, but who
has which names.
"""

from typing import Literal

import msgspec

from mosaic.wire.links import DesiredLink, PublicPort

LINK_EXPORT_CONTEXT = b"mosaic link export v1\0"
Format = Literal["mosaic-links-1"]


class ExportedLink(msgspec.Struct, frozen=True):
    """One link: what its Hive wants of a gateway, whole, and the raw ports that the one before had opened for it."""

    id: str
    app: str
    gateway: str
    wanted: DesiredLink
    ports: list[PublicPort] = []


class LinkExport(msgspec.Struct, frozen=True):
    """Links of the Hive with this public key, as they were at an instant (ns since 1970)."""

    hive: str
    at_ns: int
    links: list[ExportedLink]


class SignedLinkExport(msgspec.Struct, frozen=True):
    """The file."""

    export: str
    signature: str
    format: Format = "mosaic-links-1"
