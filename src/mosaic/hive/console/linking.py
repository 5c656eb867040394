"""Links in words and shapes: whether each can be reached, how far its names are proved, what a look at it found.

Pure: everything comes from what the Hive's actions returned.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mosaic.hive.console.shapes import Look
from mosaic.hive.console.words import number
from mosaic.wire.link_api import Link, LinkName
from mosaic.wire.link_doctor import LinkFinding, LinkLook

_NAMES = {
    "good": Look("h-ok", "is-ok", "Leads here"),
    "waiting": Look("h-wait", "is-off", "Waits for its proof"),
    "amber": Look("h-warn", "is-warn", "Its proof is gone"),
    "withdrawn": Look("h-bad", "is-bad", "Leads nowhere: its proof was gone for too long"),
    "given-up": Look("h-bad", "is-bad", "Leads nowhere: it was never proved"),
    "taken": Look("h-bad", "is-bad", "Another account has it"),
}
_OUTCOMES = {
    "well": Look("h-ok", "is-ok", "Holds"),
    "doubtful": Look("h-warn", "is-warn", "Needs you"),
    "wrong": Look("h-bad", "is-bad", "Does not hold"),
    "unseen": Look("h-wait", "is-off", "Not seen"),
}
_CHECKS = {
    "device": "Token",
    "gateway": "Gateway",
    "handshake": "Handshake",
    "tunnel": "Tunnel",
    "ports": "Ports",
    "dns": "DNS",
    "certificate": "Certificate",
    "app": "App’s answer",
}


@dataclass(frozen=True, slots=True)
class Found:
    """The findings of one subject: the link itself, or one of its names."""

    subject: str
    findings: list[LinkFinding]


def of_link(link: Link) -> Look:
    """Draw whether a link can be reached, as its gateway said last."""
    if not link.token_known:
        return Look("h-wait", "is-off", "Waiting for its device")
    if any(at.problem for at in link.gateways):
        return Look("h-warn", "is-warn", "Needs you")
    if not all(at.taken for at in link.gateways):
        return Look("h-busy", "is-busy", "Its gateway is being told", turns=True)
    if not is_there(link):
        return Look("h-bad", "is-bad", "Not there")
    return Look("h-ok", "is-ok", "There")


def why(link: Link) -> str:
    """Return the cause of what `of_link` draws, as a sentence or as nothing."""
    problem = next((f"{at.gateway}: {at.problem}" for at in link.gateways if at.problem), "")
    if not link.token_known:
        return f"no device that runs {link.app} has made its token yet"
    if problem:
        return problem
    if not all(at.taken for at in link.gateways) or is_there(link):
        return ""
    if link.lacks_service:
        return f"no service of {link.app} is a link; its compose file needs one"
    return f"its container has not come to {link.gateways[0].gateway}" if link.gateways else "it has no gateway"


def is_there(link: Link) -> bool:
    """Say whether a gateway has its tunnel."""
    return any(at.standing is not None and at.standing.registered for at in link.gateways)


def of_name(name: LinkName) -> Look:
    """Draw how far the proof of a name goes."""
    return _NAMES[name.state]


def to_prove(link: Link) -> list[LinkName]:
    """Return the names for which something is to be written into DNS."""
    return [name for name in link.names if name.proof is not None and name.state not in ("good", "taken")]


def of_finding(finding: LinkFinding) -> Look:
    """Draw what a check found."""
    return _OUTCOMES[finding.outcome]


def check_words(finding: LinkFinding) -> str:
    """Return what a check is called."""
    return _CHECKS[finding.check]


def by_subject(look: LinkLook) -> list[Found]:
    """Return the findings of the link itself, and of each name."""
    found: list[Found] = []
    for one in look.findings:
        subject = one.name or f"The link of {look.app}"
        if not found or found[-1].subject != subject:
            found.append(Found(subject, []))
        found[-1].findings.append(one)
    return found


def after_look(look: LinkLook) -> str:
    """Return a look's one sentence."""
    wrong = sum(one.outcome == "wrong" for one in look.findings)
    doubtful = sum(one.outcome == "doubtful" for one in look.findings)
    if wrong:
        return f"{number(wrong).capitalize()} {'check does' if wrong == 1 else 'checks do'} not hold."
    if any(one.outcome == "unseen" for one in look.findings):
        return f"Whether {look.app} is reached from anywhere could not be seen."
    if doubtful:
        return f"{look.app} is reached, and {number(doubtful)} {'check needs' if doubtful == 1 else 'checks need'} you."
    return f"{look.app} is reached from anywhere."


def first(links: Sequence[Link]) -> str:
    """Return the one sentence of all links."""
    if not links:
        return "No app is reached from anywhere."
    up = [one for one in links if is_there(one)]
    if len(links) == 1:
        return f"{links[0].app} {'is' if up else 'is not'} reached from anywhere."
    if len(up) == len(links):
        return f"All {number(len(links))} links are there." if len(links) > 2 else "Both links are there."
    return f"{number(len(up)).capitalize()} of {number(len(links))} links {'is' if len(up) == 1 else 'are'} there."
