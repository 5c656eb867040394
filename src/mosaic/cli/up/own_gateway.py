"""The gateway of `mosaic up --gateway HOST`: run beside the Hive, which it lets in by itself.

Routes in Python and tunnels by TCP, so that nothing has to be installed or
granted; `--gateway-options` has more words for `mosaic gateway serve`.
"""

import shlex
from pathlib import Path

from mosaic.cli.up.layout import Layout
from mosaic.cli.up.services import MOSAIC, Service
from mosaic.cli.up.settings import Settings
from mosaic.core.domain_name import normalise
from mosaic.core.errors import Refused, Unavailable

NAME = "gateway"


class GatewayOptionsUnreadable(Refused):
    """What was given for the gateway is no list of words."""

    code = "gateway-options-unreadable"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the gateway's options cannot be read: {reason}",
            hint="write them as for a shell: --gateway-options '--router haproxy --acme you@example.org'",
        )


class NoHiveHere(Unavailable):
    """The Hive that the gateway is for did not start yet."""

    code = "own-gateway-without-hive"

    def __init__(self, state: Path) -> None:
        super().__init__(f"no Hive was started in {state} yet", hint="`mosaic up` starts one, and then its gateway")


def checked(settings: Settings) -> Settings:
    """Return the settings with the gateway's name in its one spelling. Raises what cannot be in them."""
    host = settings.gateway_host
    if host is None:
        return settings
    options(settings)
    normalise(settings.gateway_domain or host)
    return settings


def service(layout: Layout, *, parent: int) -> Service:
    """Return the gateway. The others start without it, and it is tried again while a port is another program's."""
    argv = (*MOSAIC, *starting_words(layout), "--parent", str(parent))
    return Service(NAME, "gateway", argv, lambda: True, grace_seconds=15, is_needed=False)


def starting_words(layout: Layout) -> tuple[str, ...]:
    """Return the words after `mosaic` that let this machine's Hive in, and run its gateway."""
    return ("up-gateway", "--state", str(layout.state))


def run(layout: Layout, settings: Settings) -> None:
    """Let this machine's Hive in and run the gateway until it is stopped. Raises NoHiveHere."""
    from mosaic.cli.commands.gateway import gateway
    from mosaic.gateway import operating
    from mosaic.gateway.config import GatewayConfig
    from mosaic.hive import identity

    host = settings.gateway_host
    key = layout.hive / "hive.key"
    if host is None or not key.exists():
        # Made here it could be another one than the Hive makes at the same moment.
        raise NoHiveHere(layout.state)
    domain = normalise(settings.gateway_domain or host)
    known = GatewayConfig(state=layout.gateway, name=NAME, host=host)
    operating.allow(known, identity.load_or_make(key).public, [domain], vouches=True)
    gateway.main(["serve", *serving_words(layout, settings)], prog_name="mosaic gateway", standalone_mode=False)


def serving_words(layout: Layout, settings: Settings) -> tuple[str, ...]:
    """Return the words after `mosaic gateway serve`. What the person adds counts, since it comes last."""
    host = settings.gateway_host or ""
    own = ("--state", str(layout.gateway), "--name", NAME, "--public-host", host, "--wireguard-port", "0")
    return (*own, *options(settings))


def options(settings: Settings) -> tuple[str, ...]:
    """Return what the person adds to `mosaic gateway serve`. Raises GatewayOptionsUnreadable."""
    try:
        words = tuple(shlex.split(settings.gateway_options or ""))
    except ValueError as error:
        raise GatewayOptionsUnreadable(str(error)) from None
    kept = {"--state", "--database", "--name", "--public-host"} & {word.partition("=")[0] for word in words}
    if kept:
        raise GatewayOptionsUnreadable(f"{min(kept)} is chosen by `mosaic up`")
    return words
