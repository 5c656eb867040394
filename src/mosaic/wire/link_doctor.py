"""What a look at a link found, as the CLI and the Console are told (routes: `wire.api`)."""

from typing import Literal

import msgspec

LinkCheck = Literal["device", "gateway", "handshake", "tunnel", "ports", "dns", "certificate", "app"]
"""What each asks: `mosaic.core.link_doctor`."""

LinkOutcome = Literal["well", "doubtful", "wrong", "unseen"]
"""
well      it holds
doubtful  it works, and not for everybody, or not for long
wrong     it does not
unseen    something before it is wrong, so that it could not be looked at
"""


class LinkFinding(msgspec.Struct, frozen=True):
    """One check. `name` is which name it is of, None of the link itself; `remedy` is "" where nothing is to do."""

    check: LinkCheck
    outcome: LinkOutcome
    said: str
    remedy: str = ""
    name: str | None = None


class LinkLook(msgspec.Struct, frozen=True):
    """All checks of a link, made at an instant (ns since 1970), from where its Hive runs."""

    app: str
    at_ns: int
    findings: list[LinkFinding]
