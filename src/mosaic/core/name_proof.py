"""Whose a domain is: what proves it, when it is looked at again, and what happens when the proof is gone.

| claim | proved by |
|---|---|
| `notes.example.com` | TXT of `_link-challenge.notes.example.com`, or its CNAME, which is a name of the account |
| `example.com` | TXT of `_link-challenge.example.com` (a CNAME cannot stand at a zone's top) |
| `*.example.com` | TXT of `_link-challenge.example.com` with the wildcard's own value; never a CNAME |

Each claim is proved at its own level. Who has a parent proves nothing for the
names below it, which may be other people's, and the other way round; so no
list of public suffixes is needed: nobody can write `_link-challenge.co.uk`.
The value is an HMAC under a key that only the Hive has, over the account and
the claim: one account's value is worth nothing to another.

A claim counts from its first proof on. It is looked at daily; when the proof
is gone it turns amber and its owner is told, and again before the end; it is
withdrawn after GRACE_NS and at least LOOKS_BEFORE_WITHDRAWAL looks that were
answered. A DNS that does not answer says neither, and withdraws nothing.
"""

import base64
import hashlib
import hmac
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

from mosaic.core.domain_name import LONGEST, DomainNameUnusable, base_of, is_under, is_wildcard

CHALLENGE = "_link-challenge"
MINUTE_NS = 60 * 10**9
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS
GRACE_NS = 7 * DAY_NS
WARNING_NS = DAY_NS
"""So long before the end its owner is told once more."""

LOOKS_BEFORE_WITHDRAWAL = 5
UNPROVED_NS = 14 * DAY_NS
"""A claim that was never proved is looked at for so long; adding it again begins anew."""

_LABEL = b"mosaic link challenge v1\0"
_VALUE_PREFIX = "mosaic-link="

Verdict = Literal["proved", "missing", "unanswered"]
State = Literal["waiting", "good", "amber", "withdrawn", "given-up"]
Told = Literal["proved", "back", "gone", "ends-soon", "withdrawn", "given-up"]
"""What its owner is told of."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What DNS said. None: it did not answer; empty: there is none. `cname` has every name on the way."""

    texts: Collection[str] | None
    cname: Collection[str] | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim on a name, as far as its proof goes. Instants in ns.

    `since_ns` is when it was made, or when the proof was first missed; `looks` count the answered looks since then
    that found none. `next_ns` is when it is looked at again, `warned_ns` when its owner was told of the end.
    """

    state: State
    since_ns: int
    next_ns: int
    looks: int = 0
    warned_ns: int | None = None

    @property
    def counts(self) -> bool:
        """Whether the name is routed, and nobody else can have it."""
        return self.state in ("good", "amber")


def begin(now_ns: int) -> Claim:
    """Return a claim that is to be looked at now."""
    return Claim("waiting", now_ns, now_ns)


def challenge_name(claim: str) -> str:
    """Return where the TXT record has to be. Raises DomainNameUnusable when that is too long for DNS."""
    name = f"{CHALLENGE}.{base_of(claim)}"
    if len(name) > LONGEST:
        raise DomainNameUnusable(claim, f"{CHALLENGE}. has to fit before it, {LONGEST} characters in all")
    return name


def challenge_value(key: bytes, *, account: str, claim: str) -> str:
    """Return what the TXT record has to say."""
    message = _LABEL + account.encode() + b"\0" + claim.encode()
    code = base64.b32encode(hmac.new(key, message, hashlib.sha256).digest()).decode().rstrip("=").lower()
    return _VALUE_PREFIX + code


def judge(claim: str, evidence: Evidence, *, value: str, own: Collection[str]) -> Verdict:
    """Return what the evidence says of a claim. `own` are the domains under which only this account has names.

    One proof is enough; that there is none is said only when both questions were answered.
    """
    if any(hmac.compare_digest(text.strip().encode(), value.encode()) for text in evidence.texts or ()):
        return "proved"
    if is_wildcard(claim):
        return "unanswered" if evidence.texts is None else "missing"
    if any(is_under(name, domain) for name in evidence.cname or () for domain in own):
        return "proved"
    return "unanswered" if evidence.texts is None or evidence.cname is None else "missing"


def step(claim: Claim, verdict: Verdict, *, now_ns: int) -> tuple[Claim, Told | None]:
    """Return the claim after a look, and what its owner is told, if anything."""
    match claim.state:
        case "waiting" | "given-up" | "withdrawn":
            return _wait(claim, verdict, now_ns=now_ns)
        case "good" | "amber":
            return _keep(claim, verdict, now_ns=now_ns)


def withdrawn_ns(claim: Claim) -> int | None:
    """Return when an amber claim is withdrawn at the earliest, None of others."""
    return claim.since_ns + GRACE_NS if claim.state == "amber" else None


def _wait(claim: Claim, verdict: Verdict, *, now_ns: int) -> tuple[Claim, Told | None]:
    if verdict == "proved":
        return Claim("good", now_ns, now_ns + DAY_NS), "proved"
    if claim.state != "waiting":
        return replace(claim, next_ns=now_ns + DAY_NS), None
    age_ns = now_ns - claim.since_ns
    if age_ns >= UNPROVED_NS:
        return replace(claim, state="given-up", next_ns=now_ns + DAY_NS), "given-up"
    # Who has just written the record waits for it; later nobody does.
    pause_ns = MINUTE_NS if age_ns < HOUR_NS else 10 * MINUTE_NS if age_ns < DAY_NS else HOUR_NS
    return replace(claim, next_ns=now_ns + pause_ns), None


def _keep(claim: Claim, verdict: Verdict, *, now_ns: int) -> tuple[Claim, Told | None]:
    if verdict == "proved":
        told: Told | None = "back" if claim.state == "amber" else None
        since_ns = claim.since_ns if claim.state == "good" else now_ns
        return Claim("good", since_ns, now_ns + DAY_NS), told
    if verdict == "unanswered":
        # Said by nobody: an outage of DNS is no reason to take anybody's name away.
        return replace(claim, next_ns=now_ns + HOUR_NS), None
    if claim.state == "good":
        return Claim("amber", now_ns, now_ns + HOUR_NS, looks=1), "gone"
    return _miss(replace(claim, looks=claim.looks + 1, next_ns=now_ns + HOUR_NS), now_ns=now_ns)


def _miss(claim: Claim, *, now_ns: int) -> tuple[Claim, Told | None]:
    gone_ns = now_ns - claim.since_ns
    if claim.warned_ns is None:
        is_time = gone_ns >= GRACE_NS - WARNING_NS
        return (replace(claim, warned_ns=now_ns), "ends-soon") if is_time else (claim, None)
    # A Hive that was off for the whole grace tells first, and waits for a day even then.
    if now_ns - claim.warned_ns >= WARNING_NS and gone_ns >= GRACE_NS and claim.looks >= LOOKS_BEFORE_WITHDRAWAL:
        return Claim("withdrawn", now_ns, now_ns + DAY_NS), "withdrawn"
    return claim, None
