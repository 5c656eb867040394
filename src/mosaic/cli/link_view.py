"""A link in words: its names, what proves each, and how it does at its gateways."""

import time

from mosaic.cli.output import printable
from mosaic.cli.units import ago, day
from mosaic.wire.link_api import Link, LinkAt, LinkGateway, LinkMove, LinkName, LinkPort
from mosaic.wire.link_doctor import LinkFinding, LinkLook

_STATES = {
    "good": "good",
    "waiting": "waits for its proof",
    "amber": "its proof is gone",
    "withdrawn": "withdrawn",
    "given-up": "never proved",
    "taken": "another account has it",
}


_MARKS = {"well": "✓", "doubtful": "!", "wrong": "✗", "unseen": "·"}
_OLD_NS = 15 * 10**9
"""A Hive asks gateways when it is asked; what is older was not answered."""

_CHECKS_WIDE = len("certificate") + 2


def link_rows(link: Link) -> list[list[str]]:
    """Return a row for each name and each raw port of a link."""
    first = [[link.app, name.name, name_state(name), at_gateways(link)] for name in link.names[:1]]
    names = [["", name.name, name_state(name), ""] for name in link.names[1:]]
    return [*first, *names, *(["", port_place(port), port_state(port), ""] for port in link.ports)]


def port_place(port: LinkPort) -> str:
    """Return where a raw port is reached."""
    host = printable(port.host) or "its gateway"
    return f"{port.protocol}://{host}:{port.given or port.public or '…'}"


def port_state(port: LinkPort) -> str:
    """Return to what a raw port leads, or why it does not."""
    if port.given is not None and not port.problem:
        return f"leads to {port.protocol}://{port.named}"
    return port.problem or "the gateway is being told"


def port_line(port: LinkPort) -> str:
    """Return a raw port in a line."""
    return f"{port_place(port)}  ({port_state(port)})"


def name_state(name: LinkName) -> str:
    """Return how far the proof of a name goes."""
    said = _STATES[name.state]
    return f"{said}; it ends {day(name.ends_ns)}" if name.ends_ns is not None else said


def at_gateways(link: Link) -> str:
    """Return in a few words whether it can be reached."""
    if not link.token_known:
        return "waits for its device"
    if link.lacks_service and not any(one.standing is not None and one.standing.registered for one in link.gateways):
        return "no service of the app is a link (docs/links.md)"
    return "; ".join(_at(one) for one in link.gateways) or "no gateway"


def link_page(link: Link) -> str:
    """Return all of a link, with what there is to do for its domains."""
    lines = [f"{link.app} is reached at:", *(f"  https://{one.name}  ({name_state(one)})" for one in link.names)]
    lines += [f"  {port_line(port)}" for port in link.ports]
    lines.append(f"  gateway: {at_gateways(link)}")
    if link.leaving:
        lines.append(f"  not told yet that it left: {', '.join(map(printable, link.leaving))}")
    if link.older_token_until_ns is not None:
        lines.append(f"  the token before this one is good until {day(link.older_token_until_ns)}")
    return "\n".join([*lines, *(line for name in link.names for line in to_prove(name))])


def move_page(move: LinkMove) -> str:
    """Return what moving a link to another gateway changes."""
    lines = [f"{move.app} leaves {printable(move.leaves)} for {printable(move.gateway)}, with the token that it has:"]
    lines += [f"  https://{old} ends; https://{new} is given out in its place" for old, new in move.renamed]
    lines += [f"  https://{name} stays" for name in move.kept]
    if move.dns:
        addresses = ", ".join(map(printable, move.addresses))
        other = f", or by A and AAAA to {addresses}" if addresses else ""
        lines.append(f"  lead {', '.join(move.dns)} there, by CNAME to {printable(move.target)}{other}")
    if move.ports:
        lines.append("  its raw ports have other addresses there: `mosaic link list` shows them")
    if move.renamed:
        lines.append(f"  {move.app} is told {move.told} as its name")
    return "\n".join(lines)


def told_without(link: Link, name: str) -> str:
    """Return what the app is told when the link has not this name any more; nothing when that is what it is now."""
    after = link.default_without(name)
    if after == link.default_name:
        return ""
    return f"{link.app} is told {after} in place of {link.default_name}, so its containers that use it are made anew."


def to_prove(name: LinkName) -> list[str]:
    """Return the record that would prove a domain; nothing for one that is proved."""
    if name.proof is None or name.state in ("good", "taken"):
        return []
    lines = ["", f"  To prove that {name.name} is yours, put one of these into its DNS:"]
    lines.append(f'    {name.proof.txt_name}. TXT "{name.proof.txt_value}"')
    if name.proof.cname is not None:
        lines.append(f"    {name.name}. CNAME {name.proof.cname}.")
    return [*lines, "  It is looked up again by itself; to look now, add it again."]


def look_page(look: LinkLook) -> str:
    """Return a line for each check, under the name that it is of, and its remedy beneath where there is one."""
    lines: list[str] = []
    name = None
    for one in look.findings:
        if one.name != name:
            name = one.name
            lines.append(f"{name}:")
        lines += _found(one)
    return "\n".join(lines)


def _found(one: LinkFinding) -> list[str]:
    line = f"{_MARKS[one.outcome]} {one.check + ':':<{_CHECKS_WIDE}}{printable(one.said)}"
    return [line, f"  → {printable(one.remedy)}"] if one.remedy else [line]


def gateway_page(gateway: LinkGateway) -> str:
    """Return a gateway, and what to type there where it does not let this Hive in."""
    about = gateway.about
    if about is None or not about.domains:
        why = gateway.problem or "it has not answered yet"
        return (
            f"{gateway.url} is noted, and does not carry links of this Hive yet: {printable(why)}\n"
            f"Whoever runs it types there, with the domain under which this Hive may give out names:\n"
            f"  mosaic gateway allow {gateway.hive_key} --domain DOMAIN\n"
            f"Then, here, once more: mosaic link gateway add {gateway.url}"
        )
    lines = [f"{printable(about.name)} carries links of this Hive, under {', '.join(map(printable, about.domains))}."]
    lines.append(f"  owners' own domains lead there by CNAME to {printable(about.target)}")
    if about.addresses:
        lines.append(f"  or by A and AAAA to {', '.join(map(printable, about.addresses))}")
    return "\n".join(lines)


def gateway_row(gateway: LinkGateway) -> list[str]:
    """Return a gateway's row."""
    domains = ", ".join(map(printable, gateway.about.domains)) if gateway.about is not None else ""
    return [printable(gateway.name), gateway.url, domains, printable(gateway.problem)]


def _at(one: LinkAt) -> str:
    name = printable(one.gateway)
    if one.problem:
        return f"{name}: {printable(one.problem)}"
    if not one.taken:
        return f"{name} is being told"
    if one.standing is None or not one.standing.registered:
        return f"{name} waits for the link{_age(one)}"
    seen = one.standing.seen
    how = f"{name}, seen {ago(int(seen * 1e9))}" if seen is not None else f"{name}, connected"
    return how + _age(one)


def _age(one: LinkAt) -> str:
    """Return how old a gateway's word is, nothing when it was asked just now."""
    if one.heard_ns is None or time.time_ns() - one.heard_ns < _OLD_NS:
        return ""
    return f" (it said so {ago(one.heard_ns)}, and nothing since)"
