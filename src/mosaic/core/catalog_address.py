"""What can be the address of a catalog: a repository's folder on the web, or one on the Hive's own machine. Pure.

User names and passwords in an address would be shown to whoever lists catalogs; questions and fragments name no folder.
"""

from urllib.parse import urlsplit

from mosaic.core.errors import Refused

LONGEST = 2048


class CatalogAddressUnusable(Refused):
    """This is no address of a repository."""

    code = "catalog-refused"

    def __init__(self, url: str) -> None:
        super().__init__(
            f"{url[:80]!a} cannot be a catalog's address",
            hint="give the address of a repository's folder: https://…, http://…, or file:///… on the Hive's machine",
        )


def require_catalog_address(url: str) -> None:
    """Raise CatalogAddressUnusable for what no Hive asks."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise CatalogAddressUnusable(url) from None
    is_folder = parts.scheme == "file" and parts.netloc == "" and parts.path.startswith("/")
    is_web = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None
    is_plain = url.isascii() and url.isprintable() and not {" ", "?", "#"} & set(url) and len(url) <= LONGEST
    if not is_plain or not (is_folder or is_web):
        raise CatalogAddressUnusable(url)
