"""What is wrong with a link, and what to do about it: each check of a look as a finding and a remedy. Pure.

| check | of | asks |
|---|---|---|
| device | link | has its Device made its token |
| gateway | link | does its gateway answer, and has it what is wanted |
| handshake | link | has the link come there, and by which kind of tunnel |
| tunnel | link | did its probe come through lately |
| ports | link | do the gateway's public ports take connections |
| dns, certificate, app | each name | `mosaic.core.link_name_checks` |

What cannot be seen because of something before it is `unseen`, and says of what, so that one fault has one remedy.
"""

from collections.abc import Sequence

from mosaic.core.link_findings import Finding, lasting
from mosaic.core.link_name_checks import of_name
from mosaic.core.link_sights import Carrier, Doors, NameSight, Shown

SILENT_SECONDS = 90.0
"""Probes come each 5 s, and a gateway writes them down once a minute."""

_LEADS_ON = frozenset({301, 302, 307, 308})
_MODES = {
    "kernel": "WireGuard of its kernel",
    "userspace": "wireguard-go",
    "tcp": "TCP alone, without WireGuard",
}


def findings(link: Carrier, doors: Doors, names: Sequence[NameSight], *, now: float) -> list[Finding]:
    """Return what each check found, in the order in which faults are to be mended. `now` in s since 1970."""
    is_carried = any(isinstance(name.tls, Shown) for name in names)
    first = [_device(link), _gateway(link), _handshake(link), _tunnel(link, is_carried=is_carried), _ports(doors)]
    return [*first, *(found for name in names for found in of_name(link, name, now=now))]


def _device(link: Carrier) -> Finding:
    if link.token_known:
        return Finding("device", "well", "its device has made its token")
    said = f"no device that runs {link.app} has made the link's token yet"
    return Finding(
        "device", "wrong", said, "look whether it runs and is connected: `mosaic apps`, `mosaic device list`"
    )


def _gateway(link: Carrier) -> Finding:
    if link.problem:
        remedy = "" if "`" in link.problem else "`mosaic link gateway list` shows where it is looked for"
        return Finding("gateway", "wrong", f"the gateway {link.gateway}: {link.problem}", remedy)
    if not link.taken:
        return Finding(
            "gateway", "doubtful", f"the gateway {link.gateway} is being told of the link", "look again in a minute"
        )
    return Finding("gateway", "well", f"the gateway {link.gateway} answers, and has all that is wanted")


def _handshake(link: Carrier) -> Finding:
    if link.registered:
        return Finding("handshake", "well", f"the link is there by {_MODES.get(link.mode or '', 'a tunnel')}")
    if link.problem:
        return Finding("handshake", "unseen", "its gateway does not say whether the link is there")
    if not link.token_known:
        return Finding("handshake", "unseen", "a link without a token is not let in")
    if link.lacks_service:
        said = f"no service of {link.app} is a link, so nobody opens the tunnel"
        remedy = "its compose file needs a service with the image mosaic/link:1, as docs/links.md shows; then update it"
        return Finding("handshake", "wrong", said, remedy)
    said = f"the link of {link.app} has not come to {link.gateway}, or has left it"
    remedy = f"its own lines say why: `mosaic logs {link.app}`; it has to reach {link.gateway} over HTTPS"
    return Finding("handshake", "wrong", said, remedy)


def _tunnel(link: Carrier, *, is_carried: bool) -> Finding:
    if not link.registered:
        return Finding("tunnel", "unseen", "there is no tunnel before the link is there")
    silent = link.silent_seconds
    if silent is not None and silent <= SILENT_SECONDS:
        return Finding("tunnel", "well", f"a probe came through it {lasting(silent)} ago")
    if is_carried:
        return Finding("tunnel", "well", "it carried the connections of this look")
    remedy = "look at the line of the link's machine"
    if link.mode != "tcp":
        remedy += (
            "; if that is well, UDP to the gateway may be shut: the link changes to TCP by itself, or at once with "
            "LINK_MODE=tcp in its environment"
        )
    if silent is None:
        return Finding("tunnel", "doubtful", "no probe is written down yet, and nothing else came through", remedy)
    return Finding("tunnel", "wrong", f"nothing came through it for {lasting(silent)}", remedy)


def _ports(doors: Doors) -> Finding:
    if not doors.tls:
        return Finding("ports", "unseen", "the gateway has not said where it is reached, or DNS does not know it")
    every = [*doors.tls, *doors.plain, *doors.raw]
    shut = [door for door in every if door.refusal]
    held = [f"another program on the gateway's machine has {', '.join(doors.held)}"] if doors.held else []
    if shut:
        said = "; ".join([*(f"{door} takes no connection ({door.refusal})" for door in shut), *held])
        # By one that is open visitors still come, after a while.
        is_all = all(door.refusal for door in doors.tls)
        remedy = "its operator has to look whether the gateway runs there, and open the port in its firewall"
        return Finding("ports", "wrong" if is_all else "doubtful", said, remedy)
    if held:
        remedy = "its operator has to free it, and the gateway opens it within half a minute; or wish for another"
        return Finding("ports", "doubtful", held[0], remedy)
    odd = [door for door in doors.plain if door.status not in _LEADS_ON]
    if odd:
        said = "; ".join(f"{door} answers {door.status or 'no HTTP'} where a gateway leads to https" for door in odd)
        return Finding("ports", "doubtful", said, "its operator has to free that port for the gateway")
    return Finding("ports", "well", f"{', '.join(map(str, every))} {'take' if len(every) > 1 else 'takes'} connections")
