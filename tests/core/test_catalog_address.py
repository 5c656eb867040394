"""What can be a catalog's address."""

import pytest

from mosaic.core.catalog_address import LONGEST, CatalogAddressUnusable, require_catalog_address


@pytest.mark.parametrize(
    "url", ["https://apps.example/repo", "http://127.0.0.1:8000", "http://[::1]:80/a/", "file:///srv/catalog"]
)
def test_folders_on_the_web_and_on_the_hives_machine_are_addresses(url: str) -> None:
    require_catalog_address(url)


@pytest.mark.parametrize(
    "url",
    [
        "", "apps.example", "not-a-url", "ftp://apps.example", "https://", "https://user:word@apps.example/repo",
        "https://apps.example/repo?key=1", "https://apps.example/#x", "https://apps.example/a b", "https://ä.example",
        "file://host/srv", "file:srv", "https://[::1", "https://a:70000", "https://a/\n", "https://a/" + "a" * LONGEST,
    ],
)  # fmt: skip
def test_nothing_else_is_asked(url: str) -> None:
    with pytest.raises(CatalogAddressUnusable):
        require_catalog_address(url)
