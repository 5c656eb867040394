"""Where every page of the Console is. The Hive mounts `console_router`.

It expects the dependency `hive` from the app. Pages for people who are signed
in ask for `who`; without a session the app sends them to the login page.
"""

from litestar import Router
from litestar.di import Provide

from mosaic.core.errors import MosaicError
from mosaic.hive.console import assets, problems
from mosaic.hive.console.pages import (
    acting,
    activity,
    approving,
    apps,
    catalog,
    devices,
    door,
    going_back,
    home,
    links,
    live,
    moving,
    nowhere,
    setup,
    trash,
    updating,
)
from mosaic.hive.signed_in import signed_in_or_login

_signed_in = Router(
    path="/",
    route_handlers=[
        *home.handlers, *apps.handlers, *moving.handlers, *going_back.handlers, *catalog.handlers, *devices.handlers,
        *acting.handlers, *approving.handlers, *trash.handlers, *updating.handlers, *activity.handlers, *live.handlers,
        *setup.handlers, *door.handlers, *links.handlers,
    ],
    dependencies={"who": Provide(signed_in_or_login)},
)  # fmt: skip

console_router = Router(
    path="/",
    route_handlers=[
        assets.static,
        assets.tessera,
        *setup.open_handlers,
        *door.open_handlers,
        *nowhere.handlers,
        _signed_in,
    ],
    exception_handlers={MosaicError: problems.refused},
    include_in_schema=False,
)
