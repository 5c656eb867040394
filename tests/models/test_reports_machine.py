"""No report is ever lost for good: whatever was dropped, forgotten or restarted, a quiet minute makes it whole.

The Device's side is `mosaic.device.telling`, the Hive's `heard_again`; between them lies a connection that may end
after any message, and on either side a process that may begin anew.
"""

from collections import deque

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.strategies import integers, sampled_from
from msgspec import structs

from mosaic.core.ids import SessionId
from mosaic.device.telling import Telling
from mosaic.hive.channel.sights import Heard, heard_again
from mosaic.wire.channel import Reported
from mosaic.wire.heartbeat import Heartbeat, digest_of, lasting
from mosaic.wire.report import MachineState, Report
from mosaic.wire.storage import PoolState

BEAT_SECONDS = 30.0
POOL = PoolState("/pool", "image", 10**10, 5 * 10**9)


class Reports(RuleBasedStateMachine):
    """One Device, one Hive, and the connection between them, if there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.runs = 0
        self.session = SessionId("run-0")
        self.report = Report(0, 0, "", None, MachineState(10**12, 10**11, 10**10, 10**9, 0.0, "x86_64"), None, [], [])
        self.telling: Telling | None = None
        self.to_hive: deque[Reported | Heartbeat] = deque()
        self.asked = False
        self.heard: Heard | None = None

    @rule(revision=integers(0, 3), pool=sampled_from([None, POOL]))
    def something_happens(self, revision: int, pool: PoolState | None) -> None:
        self.report = structs.replace(self.report, assignments_revision=revision, pool=pool)
        self.speak()

    @rule(free=integers(0, 3))
    def figures_move(self, free: int) -> None:
        machine = structs.replace(self.report.machine, disk_free_bytes=free, load_1m=free / 2)
        pool = self.report.pool and structs.replace(self.report.pool, free_bytes=free)
        self.report = structs.replace(self.report, machine=machine, pool=pool)
        self.speak()

    @rule(seconds=sampled_from([1.0, 29.0, 31.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.speak()

    @precondition(lambda self: self.telling is None)
    @rule(heartbeats=sampled_from([True, True, False]))
    def connects(self, heartbeats: bool) -> None:
        self.telling = Telling(beat_seconds=BEAT_SECONDS, heartbeats=heartbeats)
        if self.heard is not None and self.heard.session != self.session:
            self.heard = None
        self.speak()

    @rule()
    def the_connection_ends(self) -> None:
        self.telling, self.asked = None, False
        self.to_hive.clear()

    @rule()
    def the_hive_restarts(self) -> None:
        self.the_connection_ends()
        self.heard = None

    @rule()
    def the_device_restarts(self) -> None:
        self.the_connection_ends()
        self.runs += 1
        self.session = SessionId(f"run-{self.runs}")

    @precondition(lambda self: self.to_hive)
    @rule(kept=sampled_from([True, True, False]))
    def the_hive_hears(self, kept: bool) -> None:
        """One that begins a roll call keeps nothing of the report that made it begin."""
        match message := self.to_hive.popleft():
            case Reported(report, digest) if kept:
                self.heard = Heard(self.session, int(self.now), report, {}, digest)
            case Heartbeat():
                heard = heard_again(self.heard, self.session, message, now_ns=int(self.now))
                self.heard, self.asked = heard or self.heard, self.asked or heard is None
            case _:
                pass

    @precondition(lambda self: self.asked)
    @rule()
    def the_device_is_asked(self) -> None:
        self.asked = False
        if self.telling is not None:
            self.telling.say_all()
            self.speak()

    def speak(self) -> None:
        if self.telling is not None:
            message = self.telling.next(structs.replace(self.report, at_ns=int(self.now)), self.now)
            if message is not None:
                self.to_hive.append(message)

    def settle(self) -> None:
        while self.to_hive or self.asked:
            if self.to_hive:
                self.the_hive_hears(kept=True)
            if self.asked:
                self.the_device_is_asked()

    @invariant()
    def a_digest_names_the_report_that_the_hive_has(self) -> None:
        assert self.heard is None or self.heard.digest in ("", digest_of(self.heard.report))

    def teardown(self) -> None:
        if self.telling is None:
            self.connects(heartbeats=True)
        for _ in range(2):
            self.settle()
            self.time_passes(31.0)
        self.settle()
        assert self.heard is not None
        assert lasting(self.heard.report) == lasting(self.report)
        assert self.heard.report == structs.replace(self.report, at_ns=int(self.now))
        assert self.heard.at_ns == int(self.now)


Reports.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
TestNoReportIsLost = Reports.TestCase
