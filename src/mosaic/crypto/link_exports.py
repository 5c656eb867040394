"""Signing the file by which links are carried to another gateway, as `mosaic.wire.link_export` describes it."""

import msgspec

from mosaic.core.errors import Corrupt
from mosaic.crypto import signing
from mosaic.wire.link_export import LINK_EXPORT_CONTEXT, LinkExport, SignedLinkExport


class LinkExportUnreadable(Corrupt):
    """A file is no export of links, or not what its Hive signed."""

    code = "link-export-unreadable"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"this is no file of links that a Hive signed: {reason}",
            hint="write it again: `mosaic link export --to FILE`",
        )


def sign(seed: bytes, export: LinkExport) -> SignedLinkExport:
    """Return the file's content, signed with the Hive's 32-byte seed."""
    text = msgspec.json.encode(export)
    return SignedLinkExport(text.decode(), signing.sign(seed, LINK_EXPORT_CONTEXT, text).hex())


def read(content: bytes) -> LinkExport:
    """Return what the Hive that it names signed; whose key is known says the caller. Raises LinkExportUnreadable."""
    try:
        signed = msgspec.json.decode(content, type=SignedLinkExport)
        text, signature = signed.export.encode(), bytes.fromhex(signed.signature)
        export = msgspec.json.decode(text, type=LinkExport)
    except (msgspec.MsgspecError, ValueError) as error:
        raise LinkExportUnreadable(str(error)) from None
    if export.hive != export.hive.lower() or not signing.verify(export.hive, LINK_EXPORT_CONTEXT, text, signature):
        raise LinkExportUnreadable("its signature is not right; somebody changed it, or it came in part")
    return export
