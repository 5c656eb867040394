"""Writing links into a file that another gateway takes in."""

from mosaic.adapters.sql import accounts, links
from mosaic.adapters.sql.engine import Tx
from mosaic.core.errors import Refused
from mosaic.core.ids import AccountId
from mosaic.hive.links import exporting
from mosaic.hive.runtime import Hive
from mosaic.wire.link_export import ExportedLink, LinkExport, SignedLinkExport


class LinksOfOthers(Refused):
    """An account that did not set the Hive up wants everybody's links."""

    code = "links-of-others"

    def __init__(self) -> None:
        super().__init__(
            "only the account that set this Hive up exports the links of all accounts",
            hint="leave `--everyone` out for your own, or ask its owner",
        )


async def export_links(hive: Hive, who: AccountId, *, everyone: bool) -> SignedLinkExport:
    """Return the account's links, or those of all accounts, signed by this Hive. Raises LinksOfOthers."""

    def look(tx: Tx) -> list[ExportedLink]:
        if everyone and not accounts.is_first(tx, who):
            raise LinksOfOthers
        return exporting.of(tx, links.every(tx) if everyone else links.of_account(tx, who))

    found = await hive.read(look)
    return hive.key.sign_links(LinkExport(hive.key.public, hive.clock.wall_ns(), found))
