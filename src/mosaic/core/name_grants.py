"""Which names a Hive may have routed: those of its own domains, and such as it vouches for. Pure.

A domain that a gateway's operator allowed to one Hive is no other Hive's, nor is
what lies under it. For every other name the Hive says that its owner proved it
(it asks DNS, see its part); the gateway takes the Hive's word, and who was first
keeps a name. A wildcard is nobody's: no router knows one, and HAProxy would take no
route at all with it.
"""

from dataclasses import dataclass

from mosaic.core.domain_name import is_name, is_wildcard
from mosaic.core.errors import Conflict, Refused


class NameNotOfHive(Refused):
    """A name that this Hive may not have routed. Nothing was changed."""

    code = "name-not-of-hive"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"{name[:80]!r} cannot be routed for this Hive: {reason}",
            hint="the gateway's operator says with `mosaic gateway allow` what a Hive may give out",
        )


class DomainTaken(Conflict):
    """Another Hive has the domain, or one over or under it."""

    code = "domain-of-another"

    def __init__(self, domain: str, other: str) -> None:
        super().__init__(
            f"{domain} overlaps {other}, which is another Hive's", hint="`mosaic gateway hives` lists who has what"
        )


class DomainUnreadable(Refused):
    """What was given is no domain name."""

    code = "domain-unreadable"

    def __init__(self, domain: str) -> None:
        super().__init__(
            f"{domain[:80]!r} is no domain name", hint="write it in lower case without a dot at the end: apps.example"
        )


@dataclass(frozen=True, slots=True)
class Grants:
    """What decides on one Hive's names. `reserved` are the gateways' own; without `vouches` only its domains count."""

    domains: frozenset[str]
    others: frozenset[str]
    reserved: frozenset[str]
    vouches: bool = True


def is_within(name: str, domain: str) -> bool:
    """Whether it is the domain or lies under it."""
    return name == domain or name.endswith(f".{domain}")


def check(name: str, grants: Grants) -> None:
    """Return when the Hive may have it routed. Raises NameNotOfHive."""
    if (reason := _refusal(name, grants)) is not None:
        raise NameNotOfHive(name, reason)


def check_domain(domain: str, others: frozenset[str]) -> None:
    """Return when a Hive may be given the domain. Raises DomainUnreadable, DomainTaken."""
    if not is_name(domain):
        raise DomainUnreadable(domain)
    for other in sorted(others):
        if is_within(domain, other) or is_within(other, domain):
            raise DomainTaken(domain, other)


def _refusal(name: str, grants: Grants) -> str | None:
    if is_wildcard(name):
        return "visitors are routed by whole names alone, so each has to be named"
    if not is_name(name):
        return "it is no domain name in lower case"
    if name in grants.reserved:
        return "it is the gateway's own"
    if any(is_within(name, domain) for domain in grants.domains):
        return None
    if any(is_within(name, domain) for domain in grants.others):
        return "it is of another Hive's domain"
    if any(is_within(name, taken) for taken in grants.reserved):
        return "it is under the gateway's own name"
    return None if grants.vouches else "the Hive may only give out names of its own domains"
