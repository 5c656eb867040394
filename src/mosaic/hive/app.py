"""The Hive's web application: which routes there are, and what every request goes through.

The API is `mosaic.hive.api`, the channel `mosaic.hive.channel`, the Console's
pages `mosaic.hive.console`. The description of the API (OpenAPI 3.1) is at
/schema/openapi.json.
"""

from collections.abc import Mapping

from litestar import Litestar, Router
from litestar.datastructures import MutableScopeHeaders, State
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.types import Message, Scope

from mosaic import __version__
from mosaic.core.errors import MosaicError
from mosaic.hive import problems
from mosaic.hive.api import (
    care,
    carrying,
    catalogs,
    commands,
    device_side,
    devices,
    events,
    heads,
    installations,
    links,
    objects,
    own_apps,
    packages,
    people,
    rekeying,
    retained,
    updating,
    volumes,
)
from mosaic.hive.channel.socket import device_channel
from mosaic.hive.console import problems as console_problems
from mosaic.hive.console.routes import console_router
from mosaic.hive.runtime import Hive
from mosaic.hive.signed_in import device_session, reader, signed_in

MAX_BODY_BYTES = 1024 * 1024

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; worker-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


def build() -> Litestar:
    """Return the application. It serves the Hive that `attach` gave it last."""
    owned = Router(
        "/",
        route_handlers=[
            *devices.handlers,
            *installations.handlers,
            *updating.handlers,
            *catalogs.handlers,
            *rekeying.handlers,
            *own_apps.handlers,
            *carrying.handlers,
            *volumes.handlers,
            *events.handlers,
            *care.handlers,
            *commands.handlers,
            *links.handlers,
        ],
        dependencies={"who": Provide(signed_in)},
    )
    stored = Router(
        "/",
        route_handlers=[*objects.handlers, *heads.handlers, *retained.handlers],
        dependencies={"session": Provide(device_session), "reader": Provide(reader)},
    )
    return Litestar(
        route_handlers=[
            *people.handlers,
            *device_side.handlers,
            *packages.handlers,
            owned,
            stored,
            device_channel,
            console_router,
        ],
        dependencies={"hive": Provide(_the_hive, sync_to_thread=False)},
        exception_handlers={
            MosaicError: problems.answer_mosaic,
            HTTPException: console_problems.failed,
            problems.LoginNeeded: problems.answer_login_needed,
            Exception: console_problems.broke,
        },
        before_send=[_with_headers],
        openapi_config=OpenAPIConfig(
            title="Mosaic Hive",
            version=__version__,
            path="/schema",
            render_plugins=[JsonRenderPlugin()],
            use_handler_docstrings=True,
        ),
        request_max_body_size=MAX_BODY_BYTES,
        logging_config=None,
        pdb_on_exception=False,
        debug=False,
    )


def attach(app: Litestar, hive: Hive) -> Litestar:
    """Let the application serve this Hive from now on."""
    app.state.hive = hive
    return app


def _the_hive(state: State) -> Hive:
    hive: Hive = state.hive
    return hive


async def _with_headers(message: Message, _scope: Scope) -> None:
    """Add what every answer says about itself; a route's own word counts. Refusals pass here too."""
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        for name, value in HEADERS.items():
            headers.setdefault(name, value)
