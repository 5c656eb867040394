"""The first page: one true sentence, what needs its reader, the apps, and what runs where."""

from litestar import Response, get

from mosaic.hive import actions, views
from mosaic.hive.console import render, sentences
from mosaic.hive.console.feed import recent
from mosaic.hive.console.pages.lookup import names_of
from mosaic.hive.runtime import Hive
from mosaic.hive.signed_in import SignedIn

_LATELY = 5


@get("/")
async def home(hive: Hive, who: SignedIn) -> Response[str]:
    """Show how everything is."""
    account = await views.account(hive, who.account)
    devices = await views.list_devices(hive, who.account)
    installations = await views.list_installations(hive, who.account)
    there = {one.installation for one in installations}
    # An app in the trash keeps its link, and asks for nothing.
    links = [one for one in await actions.list_links(hive, who.account) if one.installation in there]
    asks = sentences.asks(account, devices, installations, links)
    return render.page(
        "home.html",
        who=who,
        first=sentences.first(devices, installations),
        second=sentences.second(devices, installations),
        asks=asks[: sentences.SHOWN],
        more=len(asks) - sentences.SHOWN,
        devices=devices,
        names=names_of(devices),
        installations=installations,
        links=links,
        lately=await recent(hive, who.account, limit=_LATELY),
    )


handlers = [home]
