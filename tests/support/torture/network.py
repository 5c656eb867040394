"""A Device and a Hive far apart: the line is slow, loses packets and goes away; either process is killed in between.

Both are real processes, in networks of their own. Orders are given all the
time, and what the Device has to tell changes all the time.
"""

import contextlib
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from mosaic.core.audit import Row
from mosaic.core.audit_compare import compare, inspect
from mosaic.core.errors import MosaicError
from mosaic.core.health import AMBER_SECONDS, GREEN_SECONDS
from mosaic.device.enrol import enrol
from mosaic.device.records import Records
from mosaic.wire.api import Logs
from mosaic.wire.audit import Page
from support.bad_line.device import FarDevice
from support.bad_line.hive import FarHive
from support.bad_line.places import Line, two_places
from support.bad_line.watch import MOST_TO_CONNECT_SECONDS, Watch
from support.running_hive import PASSPHRASE, Owner
from support.torture.tally import Tally
from support.waiting import eventually

LATENCY_SECONDS, LOSS = 0.5, 0.1
_NAME = "attic"
_FAULTS = ["line", "device", "hive"]
_ORDER_PAUSE_SECONDS = 0.5
_REST_SECONDS = 2 * MOST_TO_CONNECT_SECONDS


def run(tally: Tally, folder: Path, *, longest_seconds: float = 200.0) -> None:
    """Disturb them `tally.count` times, each time for `longest_seconds` at most, and see that all is well."""
    luck = random.Random(tally.seed)
    with contextlib.ExitStack() as closing:
        here, there, line = closing.enter_context(two_places(luck))
        hive = FarHive(here, folder)
        closing.callback(hive.close)
        hive.start()
        owner = here.do(hive.set_up)
        state = folder / "device"
        state.mkdir()
        # Near the Hive: joining is not what is tried out.
        identity = here.do(lambda: enrol(state, owner.join_token(), _NAME, passphrase=PASSPHRASE))
        device = FarDevice(there, state, folder / "catalog")
        closing.callback(device.kill)
        run = _Run(tally, luck, line, hive, owner, device, longest_seconds)
        run.carry_out()
        run.compare_books(identity.device)


class _Run:
    def __init__(
        self,
        tally: Tally,
        luck: random.Random,
        line: Line,
        hive: FarHive,
        owner: Owner,
        device: FarDevice,
        longest_seconds: float,
    ) -> None:
        self._tally, self._luck = tally, luck
        self._line, self._hive, self._owner, self._device = line, hive, owner, device
        self._longest_seconds = longest_seconds
        self._hive_runs = True
        self._watch = Watch(hive, owner)
        self._pause = threading.Event()
        self._faults: list[str] = []

    def carry_out(self) -> None:
        with contextlib.closing(self._watch), self._ordering():
            self._start_device()
            self._rest()
            self._hive.place.do(self._owner.install)
            self._await_app()
            self._line.spoil(latency_seconds=LATENCY_SECONDS, loss=LOSS)
            while self._tally.figures["faults"] < self._tally.count and not self._tally.out_of_time:
                self._change_for(self._luck.uniform(0, 3))
                self._disturb()
                self._tally.figures["faults"] += 1
                if not self._faults:
                    self._rest()
            self._rest()
        for wrong in Counter(self._watch.wrong):
            self._tally.fail(f"the circle was {wrong}")
        self._tally.figures.update({f"looks_{colour}": count for colour, count in self._watch.colours.items()})
        self._tally.figures.update(packets=self._line.carried, packets_lost=self._line.lost)

    def compare_books(self, device_id: str) -> None:
        """Compare what either side wrote down of the orders, while the Device is away."""
        self._device.kill()
        with contextlib.closing(Records(self._device.folder / "device.ledger")) as records:
            theirs = _all(records.audit.page)
        ours = _all(self._page)
        begun = Counter(row.entry.command for row in theirs if row.entry.outcome == "begun")
        done = [row.entry.command for row in ours if row.entry.outcome == "done"]
        self._tally.check(set(begun.values()) == {1}, "a command was begun twice")
        self._tally.check(set(done) <= begun.keys(), "a command was answered that was never begun")
        self._tally.check(len(done) == len(set(done)), "a command was answered twice")
        self._tally.check(self._device.read() <= len(begun), "something was done that nobody noted")
        for side, rows in (("hive", ours), (_NAME, theirs)):
            for finding in inspect(side, rows):
                self._tally.fail(finding.text)
        for finding in compare(ours, theirs, name=_NAME, device_id=device_id):
            self._tally.fail(finding.text)
        self._tally.figures.update(commands_begun=len(begun), commands_done=len(done))

    def _page(self, after: int) -> Page:
        with self._owner.client() as client:
            return self._hive.place.do(lambda: client.get("/api/audit", Page, query={"after": str(after)}))

    def _disturb(self) -> None:
        if not self._faults:
            self._faults = self._luck.sample(_FAULTS, len(_FAULTS))
        match self._faults.pop():
            case "line":
                self._line.is_up = False
                self._say()
                self._change_for(self._some_seconds())
                self._line.is_up = True
                self._tally.figures["drops"] += 1
            case "device":
                self._end_device()
                if "red" not in self._watch.colours:
                    self._show_every_colour()
                self._change_for(self._some_seconds())
                self._start_device()
            case _:
                self._hive.kill()
                self._hive_runs = False
                self._say()
                self._change_for(self._some_seconds())
                self._hive.start()
                self._hive_runs = True
                self._tally.figures["hive_kills"] += 1
        self._say()

    def _end_device(self) -> None:
        self._line.lose_power_there()
        self._device.kill()
        self._tally.figures["device_kills"] += 1
        self._say()

    def _start_device(self) -> None:
        self._device.start()
        self._say()

    def _some_seconds(self) -> float:
        """Mostly a moment, now and then long."""
        return min(self._longest_seconds, 1 + self._luck.expovariate(1 / (self._longest_seconds / 6)))

    def _say(self) -> None:
        up = self._device.runs and self._line.is_up
        self._watch.becomes(whole=up and self._hive_runs, silent=not up)

    def _change_for(self, seconds: float) -> None:
        """Let time pass, in which what there is to tell changes."""
        self._device.change()
        self._tally.figures["changes"] += 1
        self._pause.wait(seconds)

    def _rest(self) -> None:
        """Change nothing until the Hive knows everything."""
        newest = self._device.change()
        self._tally.figures["changes"] += 1
        eventually(
            lambda: self._watch.known == newest and self._watch.colour == "green",
            seconds=_REST_SECONDS,
            seen=lambda: (self._watch.known, newest, self._watch.colour, self._device.log.read_text()[-2000:]),
        )

    def _await_app(self) -> None:
        """Wait until the app runs, so that there are logs to be read."""
        eventually(
            lambda: self._hive.place.do(self._owner.installation).health.colour == "green",
            seconds=_REST_SECONDS,
            seen=lambda: self._hive.place.do(self._owner.installation),
        )

    def _show_every_colour(self) -> None:
        """The rule's two limits for a Device that is off, mostly without waiting for them: clocks are set ahead."""
        eventually(lambda: not self._line.is_carrying_from_there)
        for seconds, colour in ((GREEN_SECONDS + 5, "amber"), (AMBER_SECONDS + 10, "red")):
            self._hive.let_pass(seconds)
            # What came in while the clocks were set counts from then on: the limit passes as always.
            eventually(self._shows(colour), seconds=AMBER_SECONDS, seen=lambda: self._watch.colour)

    def _shows(self, colour: str) -> Callable[[], bool]:
        return lambda: self._watch.colour == colour

    @contextlib.contextmanager
    def _ordering(self) -> Iterator[None]:
        """Give an order after another, whether or not they can be carried out."""
        over = threading.Event()

        def give() -> None:
            while not over.wait(_ORDER_PAUSE_SECONDS):
                with contextlib.suppress(MosaicError), self._owner.client() as client:
                    client.get("/api/installations/notes/logs", Logs)

        threads = [threading.Thread(target=lambda: self._hive.place.do(give), daemon=True) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join(60)


def _all(page: Callable[[int], Page]) -> list[Row]:
    rows: list[Row] = []
    while True:
        found = page(rows[-1].n if rows else 0)
        rows += found.rows
        if not found.rows or rows[-1].n >= found.newest:
            return rows
