"""Links: which apps are reached from anywhere, by which names and ports, and a look at what is wrong.

What is refused is said beside the form that asked for it, with what was typed. What an app is told another name for,
or what cannot be undone by the same form, is shown as a plan first.
"""

from collections.abc import Mapping
from urllib.parse import quote

from litestar import Response, get, post
from litestar.response import Redirect

from mosaic.core.errors import MosaicError, Refused
from mosaic.core.raw_ports import RawProtocol
from mosaic.hive import actions, views
from mosaic.hive.actions.link_ports import LinkPortUnusable
from mosaic.hive.actions.links import NameUnknown
from mosaic.hive.console import forms, linking, render
from mosaic.hive.console.pages.lookup import to
from mosaic.hive.http import Asked
from mosaic.hive.problems import status_of
from mosaic.hive.runtime import Hive
from mosaic.hive.signed_in import SignedIn
from mosaic.wire.link_api import AddLink, AddPort, MoveLink, RotateToken

_NOTHING: Mapping[str, str] = {}


class LinkProtocolUnknown(Refused):
    """A raw port of something else than TCP or UDP was asked for."""

    code = "link-protocol-unknown"

    def __init__(self, protocol: str) -> None:
        super().__init__(f"{protocol[:20]!r} is no protocol of raw ports", hint="choose tcp or udp")


@get("/links")
async def links(hive: Hive, who: SignedIn) -> Response[str]:
    """Show every link, and the gateways that carry them."""
    await actions.hear_of_links(hive, who.account)
    found = await actions.list_links(hive, who.account)
    there = {each.installation for each in await views.list_installations(hive, who.account)}
    links = [each for each in found if each.installation in there]
    return render.page(
        "links.html",
        who=who,
        links=links,
        in_trash=[each.app for each in found if each.installation not in there],
        gateways=await actions.list_gateways(hive),
        first=linking.first(links),
    )


@get("/apps/{name:str}/link")
async def one(hive: Hive, who: SignedIn, name: str) -> Response[str]:
    """Show the link of one app, or how it would get one."""
    await actions.hear_of_links(hive, who.account)
    return await _page(hive, who, name)


@post("/apps/{name:str}/link")
async def add(request: Asked, hive: Hive, who: SignedIn, name: str) -> Response[str] | Redirect:
    """Give an app a link, or its link a domain. A domain that it has already is looked up again."""
    form = await forms.read(request, who)
    typed = {each: form.text(each) for each in ("domain", "label", "gateway")}
    wish = AddLink([typed["domain"]] if typed["domain"] else [], typed["label"] or None, typed["gateway"] or None)
    try:
        return _to((await actions.add_link(hive, who.account, name, wish)).app)
    except MosaicError as refusal:
        return await _page(hive, who, name, problem=refusal, at="domain", typed=typed)


@get("/apps/{name:str}/link/remove-domain")
async def plan_remove_domain(hive: Hive, who: SignedIn, name: str, domain: str = "") -> Response[str]:
    """Say what follows when a name is taken off a link. Changes nothing."""
    link = await actions.get_link(hive, who.account, name)
    if all(each.name != domain for each in link.names):
        raise NameUnknown(link.app, domain)
    return render.page("link-remove.html", who=who, link=link, domain=domain, told=link.default_without(domain))


@post("/apps/{name:str}/link/remove-domain")
async def remove_domain(request: Asked, hive: Hive, who: SignedIn, name: str) -> Response[str] | Redirect:
    """Take one name off a link; adding it again gives it back."""
    form = await forms.read(request, who)
    try:
        await actions.remove_link(hive, who.account, name, form.text("domain"))
    except MosaicError as refusal:
        return await _page(hive, who, name, problem=refusal, at="names")
    return _to(name)


@get("/apps/{name:str}/link/remove", name="plan-remove-link")
async def plan_remove(hive: Hive, who: SignedIn, name: str) -> Response[str]:
    """Say what follows when an app has no link any more. Changes nothing."""
    link = await actions.get_link(hive, who.account, name)
    return render.page("link-remove.html", who=who, link=link, domain="", told=f"{link.app}.localhost")


@post("/apps/{name:str}/link/remove")
async def remove(request: Asked, hive: Hive, who: SignedIn, name: str) -> Redirect:
    """Take the link away."""
    await forms.read(request, who)
    await actions.remove_link(hive, who.account, name)
    return _to(name)


@post("/apps/{name:str}/link/rotate")
async def rotate(request: Asked, hive: Hive, who: SignedIn, name: str) -> Response[str] | Redirect:
    """Have the Device make another token."""
    form = await forms.read(request, who)
    try:
        await actions.rotate_link(hive, who.account, name, RotateToken(now=form.text("now") == "yes"))
    except MosaicError as refusal:
        return await _page(hive, who, name, problem=refusal, at="token")
    return _to(name, then="#token")


@post("/apps/{name:str}/link/ports")
async def add_port(request: Asked, hive: Hive, who: SignedIn, name: str) -> Response[str] | Redirect:
    """Have the gateway open a raw port, or try again to."""
    form = await forms.read(request, who)
    typed = {each: form.text(each) for each in ("protocol", "named", "public")}
    try:
        wish = AddPort(_protocol(typed["protocol"]), _port(typed["named"]), _port(typed["public"] or "0"))
        await actions.add_link_port(hive, who.account, name, wish)
    except MosaicError as refusal:
        return await _page(hive, who, name, problem=refusal, at="ports", typed=typed)
    return _to(name, then="#ports")


@post("/apps/{name:str}/link/ports/remove")
async def remove_port(request: Asked, hive: Hive, who: SignedIn, name: str) -> Response[str] | Redirect:
    """Give a raw port back."""
    form = await forms.read(request, who)
    try:
        protocol, named = _protocol(form.text("protocol")), _port(form.text("named"))
        await actions.remove_link_port(hive, who.account, name, protocol, named)
    except MosaicError as refusal:
        return await _page(hive, who, name, problem=refusal, at="ports")
    return _to(name, then="#ports")


@get("/apps/{name:str}/link/move", name="plan-move-link")
async def plan_move(hive: Hive, who: SignedIn, name: str, gateway: str = "") -> Response[str]:
    """Say what follows when another gateway carries a link. Changes nothing."""
    plan = await actions.link_move(hive, who.account, name, gateway)
    return render.page("link-move.html", who=who, plan=plan, gateway=gateway, problem=None)


@post("/apps/{name:str}/link/move")
async def move(request: Asked, hive: Hive, who: SignedIn, name: str) -> Response[str] | Redirect:
    """Have another gateway carry a link."""
    gateway = (await forms.read(request, who)).text("gateway")
    plan = await actions.link_move(hive, who.account, name, gateway)
    try:
        await actions.move_link(hive, who.account, name, MoveLink(gateway))
    except MosaicError as refusal:
        status = status_of(refusal)
        return render.page("link-move.html", who=who, status=status, plan=plan, gateway=gateway, problem=refusal)
    return _to(name)


@post("/apps/{name:str}/link/doctor")
async def doctor(request: Asked, hive: Hive, who: SignedIn, name: str) -> Response[str]:
    """Look at the link, and show what is wrong and what to do."""
    await forms.read(request, who)
    look = await actions.look_at_link(hive, who.account, name)
    found = linking.by_subject(look)
    return render.page("link-doctor.html", who=who, look=look, found=found, first=linking.after_look(look))


async def _page(
    hive: Hive,
    who: SignedIn,
    name: str,
    *,
    problem: MosaicError | None = None,
    at: str = "",
    typed: Mapping[str, str] = _NOTHING,
) -> Response[str]:
    """Return the page of a link, with what was refused `at` one of its forms, where that was `typed`."""
    app = await views.get_installation(hive, who.account, name)
    found = await actions.list_links(hive, who.account)
    link = next((each for each in found if each.installation == app.installation), None)
    gateways = [each for each in await actions.list_gateways(hive) if each.about is not None and each.about.domains]
    carries = [each.gateway for each in link.gateways] if link is not None else []
    return render.page(
        "link.html",
        who=who,
        status=status_of(problem) if problem else 200,
        app=app,
        link=link,
        gateways=gateways,
        others=[each for each in gateways if each.name not in carries],
        offered=next((each.about.port_range for each in gateways if each.about and each.name in carries), None),
        is_first=not found,
        problem=problem,
        at=at,
        typed=typed,
    )


def _protocol(text: str) -> RawProtocol:
    match text:
        case "tcp" | "udp":
            return text
        case _:
            raise LinkProtocolUnknown(text)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        raise LinkPortUnusable(text)
    return int(text)


def _to(app: str, *, then: str = "") -> Redirect:
    return to(f"/apps/{quote(app, safe='')}/link{then}")


handlers = [
    links, one, add, plan_remove_domain, remove_domain, plan_remove, remove, rotate, add_port, remove_port, plan_move,
    move, doctor,
]  # fmt: skip
