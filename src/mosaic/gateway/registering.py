"""Links that register and leave, in the group's database. Who decides is `core.registering`; one transaction each."""

import base64
import binascii
import re
import secrets
from dataclasses import dataclass

from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.gateway import changes, gateways, links, numbers, registrations, views
from mosaic.adapters.sql.gateway.changes import Change
from mosaic.adapters.sql.gateway.gateways import GatewayRow
from mosaic.adapters.sql.gateway.registrations import Registration
from mosaic.adapters.sql.gateway.views import LinkView
from mosaic.core import epoch
from mosaic.core.epoch import Epoch
from mosaic.core.errors import Conflict, Refused
from mosaic.core.gateway_choice import choose
from mosaic.core.ids import LinkId
from mosaic.core.link_token import LinkToken
from mosaic.core.registering import Again, Asking, Superseded, decide
from mosaic.core.tunnel_addresses import TunnelNetwork
from mosaic.crypto.tokens import hash_token, same
from mosaic.gateway.limits import LinkRegistersTooOften
from mosaic.wire.links import Mode, Register

MOST_AT_ONCE = 40
"""How many registrations of one link there may be that have not ended, at all gateways of a group together."""

_SESSION = re.compile(r"[0-9a-f]{32}")
_KEY_BYTES = 32


class LinkTokenUnknown(Refused):
    """No link of this gateway has this token, or it is not good any more."""

    code = "link-token-unknown"

    def __init__(self) -> None:
        super().__init__(
            "this gateway knows no link with this token",
            hint="it may have been rotated or revoked; start the app again, or look at its link in the Console",
        )


class NameNotOfLink(Refused):
    """The link was configured with a name that is not its own."""

    code = "name-not-of-link"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name[:80]!r} is not a name of this link",
            hint="add it to the link in the Console, or correct LINK_DOMAIN",
        )


class LinkSuperseded(Conflict):
    """Another session, or another Device, has the link now."""

    code = "link-superseded"

    def __init__(self, lowest: Epoch) -> None:
        super().__init__(
            f"this link runs elsewhere now; only epoch {lowest} or later could have it back",
            hint="nothing is to be done where the app was moved; start it where it belongs",
        )


class LinkKeyTaken(Conflict):
    """A tunnel with this public key is there already."""

    code = "link-key-taken"

    def __init__(self) -> None:
        super().__init__("another tunnel has this public key", hint="make a new pair of keys at each start")


class RegisterUnreadable(Refused):
    """A part of what the link says is no such thing."""

    code = "register-unreadable"

    def __init__(self, what: str) -> None:
        super().__init__(f"the link's {what} cannot be read", hint="use a link of the same version as its gateway")


class ModeNotOffered(Refused):
    """No gateway of the group has the other end of this kind of tunnel."""

    code = "link-mode-not-offered"

    def __init__(self, mode: str) -> None:
        super().__init__(
            f"this gateway has no tunnels of the mode {mode}", hint="leave LINK_MODE away, so that the link finds one"
        )


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a link was given: its registration, the link as it is then, and the gateways to reach it by."""

    registration: Registration
    view: LinkView
    gateways: tuple[GatewayRow, ...]


def require_token(tx: Tx, token: LinkToken, *, now_ns: int) -> str:
    """Return the hash of a token that is good now. Raises LinkTokenUnknown."""
    given = hash_token(token.secret)
    # All are compared, so that the time that it takes says nothing of any.
    good = [one.good(now_ns) and same(one.sha256, given) for one in links.tokens(tx, token.link)]
    if not any(good):
        raise LinkTokenUnknown
    return given


def register(tx: Tx, token: LinkToken, asked: Register, *, own: str, network: TunnelNetwork, now_ns: int) -> Accepted:
    """Accept a link's newest session. `own` is the gateway that was asked, and therefore lives.

    Raises LinkTokenUnknown, RegisterUnreadable, NameNotOfLink, LinkSuperseded, LinkKeyTaken, ModeNotOffered,
    LinkRegistersTooOften, GatewayFull.
    """
    asking = asking_of(asked)
    change = changes.next_change(tx)
    by = require_token(tx, token, now_ns=now_ns)
    view = views.one(tx, token.link)
    assert view is not None
    for name in asked.names:
        if name not in view.names:
            raise NameNotOfLink(name)
    rows = gateways.every(tx)
    live = _offering(rows, asked.mode, own=own, now_ns=now_ns)
    known = [one.known for one in view.registrations]
    match decide(asking, known, floor=view.link.epoch):
        case Superseded(lowest):
            raise LinkSuperseded(lowest)
        case Again(registration):
            found = next(one for one in view.registrations if one.id == registration)
            chosen = choose(token.link, found.gateways, live)
            registrations.keep(tx, found.id, gateways=chosen, token=by, mode=asked.mode)
        case decided:
            _require_free_key(tx, asking, rows)
            _require_few(view, now_ns)
            chosen = choose(token.link, _told_before(view), live)
            for one in (*decided.drain, *decided.cut):
                registrations.supersede(tx, one, now_ns=now_ns)
            registration = secrets.token_hex(16)
            registrations.add(
                tx,
                Registration(
                    id=registration,
                    link=token.link,
                    n=change,
                    asked=asking,
                    mode=asked.mode,
                    number=numbers.take(tx, network, token.link, now_ns=now_ns),
                    token=by,
                    gateways=chosen,
                    at_ns=now_ns,
                    tunnel_key=secrets.token_hex(_KEY_BYTES) if asked.mode == "tcp" else None,
                ),
            )
    links.touch(tx, token.link, change)
    after = views.one(tx, token.link)
    assert after is not None
    accepted = next(one for one in after.registrations if one.id == registration)
    by_name = {row.name: row for row in rows}
    return Accepted(accepted, after, tuple(by_name[name] for name in chosen))


def leave(tx: Tx, token: LinkToken, registration: str, *, now_ns: int) -> None:
    """End the registration if it is this link's and there still. Raises LinkTokenUnknown."""
    change = changes.next_change(tx)
    require_token(tx, token, now_ns=now_ns)
    found = registrations.get(tx, registration)
    if found is None or found.link != token.link or found.ended_ns is not None:
        return
    registrations.end(tx, found, now_ns=now_ns)
    links.touch(tx, token.link, change)


def end_dead(tx: Tx, link: LinkId, *, now_ns: int, change: Change | None = None) -> None:
    """End the link's registrations that may not have a tunnel any more, as a change of its own or as part of one."""
    change = changes.next_change(tx) if change is None else change
    view = views.one(tx, link)
    dead = [one for one in view.registrations if one.ended_ns is None and not view.lives(one, now_ns)] if view else []
    for one in dead:
        registrations.end(tx, one, now_ns=now_ns)
    if dead:
        links.touch(tx, link, change)


def asking_of(asked: Register) -> Asking:
    """Return what decides. Raises RegisterUnreadable."""
    if not _SESSION.fullmatch(asked.session):
        raise RegisterUnreadable("session")
    try:
        of = epoch.parse(asked.epoch[:40])
    except ValueError:
        raise RegisterUnreadable("epoch") from None
    if asked.mode == "tcp":
        return Asking(of, asked.session, None)
    key = asked.public_key or ""
    try:
        raw = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        raise RegisterUnreadable("public key") from None
    # Two spellings of one key would be two peers here and one there; all zeros is how WireGuard says none.
    if len(raw) != _KEY_BYTES or base64.b64encode(raw).decode() != key or not any(raw):
        raise RegisterUnreadable("public key")
    return Asking(of, asked.session, key)


def _offering(rows: list[GatewayRow], mode: Mode, *, own: str, now_ns: int) -> list[str]:
    """Return the living gateways that have the other end. Raises ModeNotOffered."""
    found = [
        row.name
        for row in rows
        if (row.name == own or row.lease_until_ns > now_ns)
        and (bool(row.about.tunnel) if mode == "tcp" else row.about.public_key is not None)
    ]
    if not found:
        raise ModeNotOffered(mode)
    return found


def _require_free_key(tx: Tx, asking: Asking, rows: list[GatewayRow]) -> None:
    """Raises LinkKeyTaken: public keys are public, and who named another's would take its tunnel."""
    if asking.public_key is None:
        return
    own = any(row.about.public_key == asking.public_key for row in rows)
    if own or registrations.with_key(tx, asking.public_key) is not None:
        raise LinkKeyTaken


def _require_few(view: LinkView, now_ns: int) -> None:
    """Raises LinkRegistersTooOften: each that drains has a number, of which the group has so many in all."""
    if sum(one.ended_ns is None for one in view.registrations) >= MOST_AT_ONCE:
        due_ns = view.due_ns(now_ns) or now_ns
        raise LinkRegistersTooOften(max(1, -(-(due_ns - now_ns) // 10**9)))


def _told_before(view: LinkView) -> tuple[str, ...]:
    return view.newest.gateways if view.newest is not None else ()
