"""What is wrong with one name of a link: whether it leads to its gateway, its certificate, its app's answer. Pure."""

from collections.abc import Collection
from typing import assert_never

from mosaic.core.link_findings import Finding, Outcome, lasting, listed
from mosaic.core.link_sights import Carrier, NameSight, Shown, Silence

_RENEWED_PART = 5
"""A certificate is renewed when a third of its time is left; with a fifth left that has failed for a while."""

_NOBODY_BEHIND = frozenset({502, 503, 504})


def of_name(link: Carrier, name: NameSight, *, now: float) -> list[Finding]:
    """Return the findings about DNS, certificate and app. `now` in s since 1970."""
    if not _is_routed(name):
        why = "it is led nowhere before it is proved"
        return [
            _proof(name),
            Finding("certificate", "unseen", why, name=name.name),
            Finding("app", "unseen", why, name=name.name),
        ]
    return [_dns(link, name), _certificate(link, name, now=now), _app(link, name)]


def _is_routed(name: NameSight) -> bool:
    return name.proof in ("good", "amber")


def _proof(name: NameSight) -> Finding:
    match name.proof:
        case "waiting":
            said, remedy = "nothing in DNS proves that it is yours", f"put into DNS: {name.record}"
        case "withdrawn" | "given-up":
            said = "nothing in DNS proved for too long that it is yours"
            remedy = f"put into DNS: {name.record}; then add the domain again"
        case "taken":
            said, remedy = "it is proved, and another account of this Hive has it", "ask its owner to take it off there"
        case "good" | "amber":
            said, remedy = "it is proved", ""
        case _ as never:
            assert_never(never)
    return Finding("dns", "wrong", said, remedy, name.name)


def _dns(link: Carrier, name: NameSight) -> Finding:
    if name.addresses is None:
        remedy = "look again later; if it stays so, look at the name servers of the domain"
        return Finding("dns", "doubtful", "DNS does not answer for it", remedy, name.name)
    if not name.addresses:
        return Finding("dns", "wrong", "DNS has no address for it", _to_write(name), name.name)
    if not name.wanted:
        said = f"it leads to {listed(name.addresses)}, and where {link.gateway} is, nobody says"
        remedy = f"its operator has to put {name.target} into DNS, or to name its addresses (`mosaic gateway serve`)"
        return Finding("dns", "doubtful", said, remedy, name.name)
    strange = [one for one in name.addresses if one not in name.wanted]
    if len(strange) == len(name.addresses):
        said = f"it leads to {listed(strange)}, and {link.gateway} is at {listed(name.wanted)}"
        return Finding("dns", "wrong", said, _to_write(name), name.name)
    if strange:
        said = f"it leads to {link.gateway}, and to {listed(strange)} as well, where nobody knows it"
        return Finding("dns", "doubtful", said, f"take {listed(strange)} out of its DNS", name.name)
    if name.proof == "amber":
        said = "it leads to its gateway, and what proved that it is yours is gone"
        return Finding("dns", "doubtful", said, f"put back into DNS: {name.record}", name.name)
    return Finding("dns", "well", f"it leads to {link.gateway}, at {listed(name.addresses)}", name=name.name)


def _to_write(name: NameSight) -> str:
    """Return what DNS has to say. What Mosaic gave out lies in a zone of the gateway's operator."""
    addresses = f", or A and AAAA {listed(name.wanted)}" if name.wanted else ""
    whose = "the gateway's operator has to put into DNS" if name.given else "put into DNS"
    return f"{whose}: {name.name}. CNAME {name.target}.{addresses}"


def _certificate(link: Carrier, name: NameSight, *, now: float) -> Finding:
    if name.tls is None:
        return Finding("certificate", "unseen", "no port of the gateway takes connections", name=name.name)
    if name.tls == "closed" and not (link.registered or link.problem):
        return Finding("certificate", "unseen", "nobody is behind the gateway before the link is there", name=name.name)
    if not isinstance(name.tls, Shown):
        return _silence(link, name, name.tls)
    shown = name.tls
    if not _covers(shown.names, name.name):
        said = f"what answers shows a certificate of {listed(shown.names) or 'no name'}, by {shown.issuer}"
        remedy = (
            "that is another's: the gateway, or what stands before it, leads the name elsewhere. Its operator sees in "
            "`mosaic gateway links` whose it is there"
        )
        return Finding("certificate", "wrong", said, remedy, name.name)
    if now >= shown.until:
        return _not_renewed(link, name, "wrong", f"its certificate ended {lasting(now - shown.until)} ago")
    if shown.refusal:
        said = f"visitors do not trust its certificate, by {shown.issuer}: {shown.refusal}"
        remedy = (
            "this is meant so with LINK_TLS=internal and with an authority for tests; else take LINK_TLS and "
            "LINK_ACME_CA out of the link's environment"
        )
        return Finding("certificate", "wrong", said, remedy, name.name)
    left = shown.until - now
    if left < (shown.until - shown.since) / _RENEWED_PART:
        return _not_renewed(link, name, "doubtful", f"its certificate ends in {lasting(left)}, and was not renewed")
    return Finding("certificate", "well", f"trusted, by {shown.issuer}, for {lasting(left)} more", name=name.name)


def _not_renewed(link: Carrier, name: NameSight, outcome: Outcome, said: str) -> Finding:
    remedy = f"the link's own lines say why: `mosaic logs {link.app}`; ports and DNS have to be well for it"
    return Finding("certificate", outcome, said, remedy, name.name)


def _silence(link: Carrier, name: NameSight, silence: Silence) -> Finding:
    match silence:
        case "no-certificate":
            said = "the link answers, and has no certificate for it yet"
            remedy = f"the link's own lines say why: `mosaic logs {link.app}`; ports and DNS have to be well for it"
        case "closed":
            said = f"the gateway {link.gateway} ends connections for it: it does not route it, or nobody is behind it"
            remedy = f"mend what is above; if nothing is, start it again: `mosaic restart {link.app}`"
        case "unanswered":
            said = "connections for it are taken, and nothing comes back: the link does not answer"
            remedy = f"look at its machine and its line, then start it again: `mosaic restart {link.app}`"
        case "no-tls":
            said = f"what answers at {link.gateway}'s port speaks no TLS"
            remedy = "its operator has to look what stands at that port"
        case _ as never:
            assert_never(never)
    return Finding("certificate", "wrong", said, remedy, name.name)


def _app(link: Carrier, name: NameSight) -> Finding:
    if not isinstance(name.tls, Shown):
        return Finding("app", "unseen", "nobody could be asked", name=name.name)
    if not _covers(name.tls.names, name.name):
        return Finding("app", "unseen", "what answers is not its link", name=name.name)
    status = name.status
    if status is None:
        said, remedy = "the link took a request, and gave no answer", f"`mosaic logs {link.app}` has its own lines"
        return Finding("app", "wrong", said, remedy, name.name)
    if status in _NOBODY_BEHIND:
        said = f"the link is there, and {link.app} does not answer it ({status})"
        remedy = f"look whether it runs: `mosaic show {link.app}`; and whether EXPOSE names its service and port"
        return Finding("app", "wrong", said, remedy, name.name)
    if status >= 500:
        remedy = f"`mosaic logs {link.app}` has its own lines"
        return Finding("app", "wrong", f"the app answers {status}", remedy, name.name)
    return Finding("app", "well", f"the app answers {status}", name=name.name)


def _covers(names: Collection[str], name: str) -> bool:
    """Whether a certificate of these names is good for that one (RFC 9525: a wildcard is one whole label)."""
    parent = name.partition(".")[2]
    return name in names or (bool(parent) and f"*.{parent}" in names)
