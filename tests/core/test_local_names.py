"""Names without a name server: machines on a simulated network that all hear one another."""

import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core import multicast_dns as dns
from mosaic.core.local_names import Heard, LocalNames, Sending
from mosaic.core.multicast_dns import Message, Question

CARD = 2
ASKER = ("192.0.2.99", dns.PORT)
PLAIN_ASKER = ("192.0.2.99", 40000)


@dataclass
class Network:
    """Machines by their address. What is for everybody arrives at once, its sender included; nothing else does."""

    machines: dict[str, LocalNames] = field(default_factory=dict)
    now: float = 0.0
    heard: list[Message] = field(default_factory=list)
    loses: bool = False

    def machine(self, address: str) -> LocalNames:
        made = LocalNames()
        made.move({CARD: address}, self.now)
        self.machines[address] = made
        return made

    def want(self, address: str, *labels: str) -> None:
        self._carry(address, self.machines[address].want(labels, self.now))

    def pass_by(self, seconds: float) -> None:
        """Let time pass, from one thing to do to the next."""
        until = self.now + seconds
        while (due := min(one.next_due() for one in self.machines.values())) <= until:
            self.now = max(self.now, due)
            for address, machine in self.machines.items():
                self._carry(address, machine.due(self.now))
        self.now = until

    def _carry(self, sender: str, sendings: list[Sending]) -> None:
        for sending in sendings:
            message = dns.read(sending.packet)
            assert message is not None
            self.heard.append(message)
            for address, machine in self.machines.items():
                lost = self.loses and address != sender
                if not lost and sending.to is None:
                    answers = machine.heard(Heard(message, CARD, (sender, dns.PORT)), self.now)
                    self._carry(address, answers)


def asks(names: LocalNames, kind: int, *, source: tuple[str, int] = ASKER, alone: bool = False) -> list[Sending]:
    message = Message(7, False, (Question("notes.local", kind, alone),), (), ())
    return names.heard(Heard(message, CARD, source), 1000.0)


def holder() -> LocalNames:
    network = Network()
    made = network.machine("192.0.2.1")
    network.want("192.0.2.1", "notes")
    network.pass_by(10)
    assert made.held == {"notes": "notes.local"}
    return made


def test_a_name_is_asked_for_three_times_before_it_is_taken_and_told_twice() -> None:
    network = Network()
    network.machine("192.0.2.1")
    network.want("192.0.2.1", "notes")
    network.pass_by(10)

    assert [one.is_answer for one in network.heard] == [False, False, False, True, True]
    assert network.machines["192.0.2.1"].next_due() == math.inf


def test_who_comes_later_takes_the_next_name() -> None:
    network = Network()
    first, second = network.machine("192.0.2.1"), network.machine("192.0.2.2")
    network.want("192.0.2.1", "notes")
    network.pass_by(5)
    network.want("192.0.2.2", "notes")
    network.pass_by(5)

    assert (first.held, second.held) == ({"notes": "notes.local"}, {"notes": "notes-2.local"})


def test_of_two_that_begin_at_once_the_higher_address_has_the_name() -> None:
    network = Network()
    low, high = network.machine("192.0.2.1"), network.machine("192.0.2.200")
    network.want("192.0.2.1", "notes")
    network.want("192.0.2.200", "notes")
    network.pass_by(10)

    assert (low.held, high.held) == ({"notes": "notes-2.local"}, {"notes": "notes.local"})


@given(st.sets(st.integers(1, 250), min_size=2, max_size=5))
def test_machines_never_end_with_the_same_name_though_they_did_not_hear_one_another_at_first(hosts: set[int]) -> None:
    network = Network(loses=True)
    for host in hosts:
        network.machine(f"192.0.2.{host}")
        network.want(f"192.0.2.{host}", "notes")
    network.pass_by(5)
    network.loses = False
    for host, machine in zip(hosts, network.machines.values(), strict=True):
        # A network that was apart and is one again, as machines notice it: their interface comes back.
        machine.move({}, network.now)
        machine.move({CARD: f"192.0.2.{host}"}, network.now)
    network.pass_by(30)

    held = [machine.held["notes"] for machine in network.machines.values()]
    assert len(set(held)) == len(hosts)


def test_who_answers_for_every_name_does_not_make_us_shout() -> None:
    names = LocalNames()
    names.move({CARD: "192.0.2.1"}, 0.0)
    names.want(["notes"], 0.0)
    asked, now = 0, 0.0
    while now < 60.0:
        for sending in names.due(now):
            message = dns.read(sending.packet)
            assert message is not None
            asked += 1
            taken = dns.read(dns.write_answer([dns.address_record(message.questions[0].name, "192.0.2.2")]))
            assert taken is not None
            names.heard(Heard(taken, CARD, ASKER), now)
        now = max(now + 0.001, names.next_due())
    assert 15 <= asked <= 15 + 60 / 5
    assert names.held == {}


def test_two_apps_of_one_machine_never_have_one_name() -> None:
    network = Network()
    network.machine("192.0.2.2")
    network.want("192.0.2.2", "notes")
    network.pass_by(5)
    other = network.machine("192.0.2.1")
    network.want("192.0.2.1", "notes", "notes-2")
    network.pass_by(10)

    assert other.held == {"notes": "notes-3.local", "notes-2": "notes-2.local"}


def test_a_name_that_is_given_up_is_taken_back() -> None:
    network = Network()
    network.machine("192.0.2.1")
    network.want("192.0.2.1", "notes")
    network.pass_by(5)
    network.heard.clear()
    network.want("192.0.2.1")

    assert [(one.name, one.ttl_seconds) for said in network.heard for one in said.answers] == [("notes.local", 0)]
    assert network.machines["192.0.2.1"].held == {}


def test_who_asks_for_an_address_is_told_it_and_that_there_is_no_other() -> None:
    (sending,) = asks(holder(), dns.A)
    found = dns.read(sending.packet)
    assert found is not None and sending.to is None
    assert found.answers == (dns.address_record("notes.local", "192.0.2.1"),)

    (sending,) = asks(holder(), dns.AAAA)
    found = dns.read(sending.packet)
    assert found is not None and found.answers == (dns.nothing_else("notes.local"),)


def test_who_asks_to_be_answered_alone_is() -> None:
    (sending,) = asks(holder(), dns.A, alone=True)
    assert sending.to == ASKER


def test_a_program_of_plain_dns_is_answered_under_its_number_for_a_short_time() -> None:
    (sending,) = asks(holder(), dns.A, source=PLAIN_ASKER)
    found = dns.read(sending.packet)
    assert found is not None and sending.to == PLAIN_ASKER
    assert (found.number, found.questions) == (7, (Question("notes.local", dns.A, False),))
    assert [one.ttl_seconds for one in found.answers] == [dns.LEGACY_TTL_SECONDS]


@pytest.mark.parametrize("kind", [15, 16, 33])
def test_nothing_is_said_of_what_we_have_nothing_of(kind: int) -> None:
    assert asks(holder(), kind) == []


def test_names_of_others_and_names_that_are_not_taken_yet_are_not_answered_for() -> None:
    names = LocalNames()
    names.move({CARD: "192.0.2.1"}, 0)
    names.want(["notes"], 0)
    assert asks(names, dns.A) == []

    other = Message(7, False, (Question("blog.local", dns.A, False),), (), ())
    assert holder().heard(Heard(other, CARD, ASKER), 1000.0) == []


def test_who_knows_the_answer_already_is_not_told_again() -> None:
    names, question = holder(), (Question("notes.local", dns.A, False),)
    for ttl_seconds, answers in ((100, 0), (30, 1)):
        known = dns.address_record("notes.local", "192.0.2.1", ttl_seconds=ttl_seconds)
        heard = Heard(Message(0, False, question, (known,), ()), CARD, ASKER)
        assert len(names.heard(heard, 1000.0)) == answers


def test_everybody_is_told_once_a_second_at_most_and_a_claim_is_always_answered() -> None:
    names, question = holder(), (Question("notes.local", dns.A, False),)
    heard = Heard(Message(0, False, question, (), ()), CARD, ASKER)
    assert [len(names.heard(heard, at)) for at in (1000.0, 1000.5, 1001.5)] == [1, 0, 1]

    claim = dns.read(dns.write_probe("notes.local", "192.0.2.99"))
    assert claim is not None
    assert [len(names.heard(Heard(claim, CARD, ASKER), at)) for at in (1001.6, 1001.7)] == [1, 1]


def test_a_machine_on_two_networks_tells_each_its_own_address() -> None:
    names = LocalNames()
    names.move({CARD: "192.0.2.1", 3: "198.51.100.1"}, 0)
    names.want(["notes"], 0)
    sent = [one for at in (0, 1, 2, 3) for one in names.due(at)]
    told = {
        (one.interface, record.about)
        for one in sent
        if (message := dns.read(one.packet)) is not None and message.is_answer
        for record in message.answers
    }
    assert told == {(CARD, bytes([192, 0, 2, 1])), (3, bytes([198, 51, 100, 1]))}
