"""Having names on a network without a name server: who has `notes.local`, and what is to be said when (RFC 6762, 8-10).

A name is asked for three times before it is taken, told twice, and answered
for from then on. When somebody else has it, the next one is tried: `notes-2.local`.
It sends nothing itself: each call returns what to send, and `next_due` says when to call again.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from mosaic.core import multicast_dns as dns
from mosaic.core.multicast_dns import Message, Question, Record

DOMAIN = "local"

_PROBES, _TELLINGS = 3, 2
_PROBE_SECONDS, _TELL_SECONDS = 0.25, 1.0
_YIELD_SECONDS = 1.0
_AGAIN_SECONDS = 1.0
"""No record is told to everybody more often than this (6)."""

_MOST_TRIES, _CALM_SECONDS = 15, 5.0
"""Who met so many names of others waits so long before each further one: somebody may answer for every name (8.1)."""

_LONGEST_LABEL = 63


@dataclass(frozen=True, slots=True)
class Sending:
    """A packet for everybody on an interface, or for one asker (`to`: host and port)."""

    interface: int
    packet: bytes
    to: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """A message, the interface that it came by, and who sent it."""

    message: Message
    interface: int
    source: tuple[str, int]


@dataclass(frozen=True, slots=True)
class _Claim:
    """One label's name. `sent` are probes and tellings so far."""

    label: str
    number: int = 1
    sent: int = 0
    due: float = 0.0

    @property
    def name(self) -> str:
        end = "" if self.number == 1 else f"-{self.number}"
        return f"{self.label[: _LONGEST_LABEL - len(end)]}{end}.{DOMAIN}"

    @property
    def is_held(self) -> bool:
        return self.sent > _PROBES


@dataclass
class LocalNames:
    """The names of one machine. `addresses` are its own, by interface. Instants are seconds of any steady clock.

    Who sends from `port` knows multicast DNS.
    """

    addresses: Mapping[int, str] = field(default_factory=dict)
    port: int = dns.PORT
    _claims: dict[str, _Claim] = field(default_factory=dict)
    _told: dict[tuple[int, str], float] = field(default_factory=dict)

    @property
    def held(self) -> dict[str, str]:
        """Each label whose name is ours, and the name."""
        return {claim.label: claim.name for claim in self._claims.values() if claim.is_held}

    def want(self, labels: Collection[str], now: float) -> list[Sending]:
        """Have these names and no others. What is given up is taken back at once."""
        gone = [claim for label, claim in self._claims.items() if label not in labels]
        self._claims = {label: claim for label, claim in self._claims.items() if label in labels}
        for label in sorted(set(labels) - set(self._claims)):
            self._claims[label] = self._unused(_Claim(label, due=now))
        return self._say([claim.name for claim in gone if claim.is_held], ttl_seconds=0)

    def move(self, addresses: Mapping[int, str], now: float) -> None:
        """Have other addresses: they are told anew."""
        if addresses != self.addresses:
            self.addresses = dict(addresses)
            self._claims = {
                label: replace(claim, sent=min(claim.sent, _PROBES + 1), due=now)
                for label, claim in self._claims.items()
            }

    def next_due(self) -> float:
        """Return when `due` has something to do; infinity for never."""
        return min((claim.due for claim in self._claims.values()), default=math.inf)

    def due(self, now: float) -> list[Sending]:
        """Return what is to be asked and told by now."""
        sendings: list[Sending] = []
        for claim in [one for one in self._claims.values() if one.due <= now]:
            if claim.sent < _PROBES:
                probes = [Sending(index, dns.write_probe(claim.name, own)) for index, own in self.addresses.items()]
                sendings += probes
                pause = _PROBE_SECONDS
            else:
                sendings += self._say([claim.name], ttl_seconds=dns.TTL_SECONDS)
                pause = _TELL_SECONDS if claim.sent + 1 < _PROBES + _TELLINGS else math.inf
            self._claims[claim.label] = replace(claim, sent=claim.sent + 1, due=now + pause)
        return sendings

    def heard(self, heard: Heard, now: float) -> list[Sending]:
        """Take in what somebody said, and return our answers to it."""
        message = heard.message
        if message.is_answer:
            self._give_way(message, now)
            return []
        self._compare(message, heard.interface, now)
        return self._answers(heard, now)

    def _give_way(self, message: Message, now: float) -> None:
        """Try the next name where somebody says that he has ours. What we said ourselves comes back to us, too."""
        own = self._own()
        of_others = {
            one.name
            for one in message.answers
            if one.ttl_seconds and ((one.kind == dns.A and one.about not in own) or one.kind == dns.AAAA)
        }
        for claim in [one for one in self._claims.values() if one.name in of_others]:
            del self._claims[claim.label]
            due = now + (_CALM_SECONDS if claim.number >= _MOST_TRIES else 0.0)
            self._claims[claim.label] = self._unused(_Claim(claim.label, claim.number + 1, due=due))

    def _unused(self, claim: _Claim) -> _Claim:
        """Return the claim, or one of the next number whose name no other label of ours has."""
        used = {other.name for other in self._claims.values()}
        while claim.name in used:
            claim = replace(claim, number=claim.number + 1)
        return claim

    def _own(self) -> set[bytes]:
        return {dns.address_record("", address).about for address in self.addresses.values()}

    def _compare(self, message: Message, interface: int, now: float) -> None:
        """Wait where somebody asks for the same name at the same time, and has the better claim (8.2)."""
        address, own = self.addresses.get(interface), self._own()
        for claim in [one for one in self._claims.values() if not one.is_held]:
            theirs = sorted((one.kind, one.about) for one in message.proposed if one.name == claim.name)
            ours = [] if address is None else [(dns.A, dns.address_record("", address).about)]
            # With an address of ours it was we ourselves who proposed it, or another program of this machine.
            if theirs > ours and not any(about in own for _, about in theirs):
                self._claims[claim.label] = replace(claim, sent=0, due=now + _YIELD_SECONDS)

    def _answers(self, heard: Heard, now: float) -> list[Sending]:
        address, held = self.addresses.get(heard.interface), set(self.held.values())
        asked = [one for one in heard.message.questions if one.name in held and one.kind in (dns.A, dns.AAAA, dns.ANY)]
        if address is None or not asked:
            return []
        if heard.source[1] != self.port:
            first = asked[0]
            records = _records(first, address, ttl_seconds=dns.LEGACY_TTL_SECONDS)[0]
            packet = dns.write_legacy_answer(heard.message.number, first, records)
            return [Sending(heard.interface, packet, heard.source)]
        is_probe = bool(heard.message.proposed)
        answers, more = [], []
        for question in asked:
            record = dns.address_record(question.name, address)
            if _is_known(record, heard.message) or not (
                is_probe or question.alone or self._may_tell(heard.interface, question.name, now)
            ):
                continue
            found, beside = _records(question, address, ttl_seconds=dns.TTL_SECONDS)
            answers += found
            more += beside
            if not question.alone:
                self._told[heard.interface, question.name] = now
        if not answers:
            return []
        to = heard.source if all(question.alone for question in asked) else None
        return [Sending(heard.interface, dns.write_answer(answers, more), to)]

    def _may_tell(self, interface: int, name: str, now: float) -> bool:
        return now - self._told.get((interface, name), -math.inf) >= _AGAIN_SECONDS

    def _say(self, names: Collection[str], *, ttl_seconds: int) -> list[Sending]:
        if not names:
            return []
        return [
            Sending(index, dns.write_answer([dns.address_record(name, own, ttl_seconds=ttl_seconds) for name in names]))
            for index, own in self.addresses.items()
        ]


def _records(question: Question, address: str, *, ttl_seconds: int) -> tuple[list[Record], list[Record]]:
    """Return what answers a question, and what is told beside it."""
    found = dns.address_record(question.name, address, ttl_seconds=ttl_seconds)
    nothing = dns.nothing_else(question.name, ttl_seconds=ttl_seconds)
    return ([nothing], [found]) if question.kind == dns.AAAA else ([found], [nothing])


def _is_known(record: Record, message: Message) -> bool:
    """Whether the asker knows it already, for long enough (7.1)."""
    return any(
        (one.name, one.kind, one.about) == (record.name, record.kind, record.about)
        and 2 * one.ttl_seconds >= record.ttl_seconds
        for one in message.answers
    )
