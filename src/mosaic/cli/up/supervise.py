"""Keeping the services of one state folder running until somebody says stop.

Small on purpose: no library beyond the standard one, for this process lives as
long as the machine does. It sleeps in one `select` on its children, its
signals and the next thing that is due.

Crashed services come back with a growing pause. The order at the end is the
order of dependence: Device, apps (`settle`), storage daemon, Hive.
"""

import contextlib
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mosaic.adapters import process, signals
from mosaic.adapters.private_file import FileNotWritten, write_private
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.orphans import write_note
from mosaic.cli.up.running import Running, end_left, start
from mosaic.cli.up.services import REPLACER, Service, by_program, last_words, replacer
from mosaic.cli.upgrading import journal, own_choice
from mosaic.core.errors import REFUSED_CODE, MosaicError

READY_SECONDS = 90.0
LOOK_SIGNAL = signal.SIGUSR1
"""Sent to a supervisor, whose note is `SUPERVISOR`, when an upgrade has written down how far it is."""

SUPERVISOR = "supervisor"
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_STABLE_SECONDS = 60.0
_ASK_SECONDS = 0.05
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ServiceFailed(MosaicError):
    """A service did not start. The sentence and the hint are its own."""

    code = "service-failed"

    def __init__(self, title: str, said: tuple[str, str]) -> None:
        super().__init__(f"the {title} did not start: {said[0]}", hint=said[1])


class Stopping(Exception):
    """Somebody said stop while something was being waited for."""


class Supervisor:
    """Used in a `with` block, which stops everything at its end."""

    def __init__(self, layout: Layout, tell: Callable[[str], None]) -> None:
        self._layout = layout
        self._tell = tell
        self._selector = selectors.DefaultSelector()
        self._running: dict[str, Running] = {}
        self._pauses: dict[str, float] = {}
        self._due: list[tuple[float, Service]] = []
        self._stops_asked = 0
        self._is_told = False
        self._held: dict[str, Service] = {}
        self._upgrader: int | None = None
        self._stops = contextlib.ExitStack()

    def __enter__(self) -> "Supervisor":
        told = self._stops.enter_context(signals.woken_by(*_SIGNALS, then=self._asked_to_stop))
        self._selector.register(told, selectors.EVENT_READ, told)
        signal.signal(LOOK_SIGNAL, self._asked_to_look)
        # Not before that: the signal would end us.
        write_note(self._layout.note(SUPERVISOR), os.getpid())
        return self

    def __exit__(self, *_: object) -> None:
        self._layout.note(SUPERVISOR).unlink(missing_ok=True)
        for running in reversed(list(self._running.values())):
            self._stop(running)
        self._selector.close()
        self._stops.close()

    def start(self, services: Sequence[Service]) -> None:
        """Start services side by side, those that run already left alone, and return when all are ready.

        Raises:
            ServiceFailed: one of them ended, or was not ready in time.
            Stopping: somebody said stop meanwhile.
        """
        coming = {service.name for _, service in self._due}
        for service in services:
            if service.name not in self._running and service.name not in coming:
                self._begin(service)
        self._have_replacer()
        deadline = time.monotonic() + READY_SECONDS
        for service in services:
            while not service.is_ready():
                self._turn(_ASK_SECONDS, is_starting=True)
                if time.monotonic() > deadline:
                    raise ServiceFailed(service.title, ("it does not answer", f"its log is {self._log(service)}"))

    def run(
        self,
        argv: Sequence[str],
        env: dict[str, str],
        *,
        then: Service | None = None,
        when: Callable[[], bool] | None = None,
    ) -> bool:
        """Run a program beside the services and return whether it ended well.

        As soon as `when` holds, the service `then` is started, for a program
        that first makes what the service needs and then waits for it. When
        somebody says stop, the program is stopped first and Stopping raised.
        """
        child = process.spawn(argv, env=env)
        pidfd = os.pidfd_open(child.pid)
        self._selector.register(pidfd, selectors.EVENT_READ, None)
        try:
            while (code := child.poll()) is None:
                if then is not None and when is not None and when():
                    self.start([then])
                    then = None
                self._turn(_ASK_SECONDS if then is not None else None)
            return code == 0
        except BaseException:  # Ctrl-C as well must leave no program behind
            child.stop(5)
            raise
        finally:
            self._selector.unregister(pidfd)
            os.close(pidfd)

    def watch(self, *, until: Callable[[], bool] | None = None) -> None:
        """Keep everything running until `until` holds, looking every two seconds. Raises Stopping."""
        while until is None or not until():
            self._turn(2.0 if until is not None else None)

    def stop(self, name: str) -> None:
        """Stop one service, if it runs."""
        self._due = [(at, service) for at, service in self._due if service.name != name]
        self._held.pop(name, None)
        running = self._running.pop(name, None)
        if running is not None:
            self._stop(running)

    def settle(self, argv: Sequence[str]) -> bool:
        """Run the program that brings the apps to rest. A second Ctrl-C cuts it short."""
        asked = self._stops_asked
        self._due.clear()
        child = process.spawn(argv)
        pidfd = os.pidfd_open(child.pid)
        self._selector.register(pidfd, selectors.EVENT_READ, None)
        try:
            while child.poll() is None and self._stops_asked == asked:
                self._select(None)
        finally:
            self._selector.unregister(pidfd)
            os.close(pidfd)
        return child.stop(5) == 0

    def _turn(self, seconds: float | None, *, is_starting: bool = False) -> None:
        """Sleep until something happens, and see to it."""
        if self._stops_asked:
            raise Stopping
        if self._due:
            left = max(0.0, self._due[0][0] - time.monotonic())
            seconds = left if seconds is None else min(seconds, left)
        for running in self._select(seconds):
            self._ended(running, is_starting=is_starting)
        if self._stops_asked:
            raise Stopping
        if self._is_told:
            self._is_told = False
            self._follow_upgrade()
        while self._due and self._due[0][0] <= time.monotonic():
            self._started(self._due.pop(0)[1])

    def _select(self, seconds: float | None) -> list[Running]:
        ended = []
        for key, _ in self._selector.select(seconds):
            if isinstance(key.data, Running):
                ended.append(key.data)
            elif key.fd == self._upgrader:
                self._is_told = True
            elif isinstance(key.data, socket.socket):
                with contextlib.suppress(BlockingIOError):
                    key.data.recv(64)
        return ended

    def _follow_upgrade(self) -> None:
        """Let each service be run by the Python that an upgrade says; undo one that was killed undecided."""
        words, found = journal.words(self._layout), journal.read(self._layout)
        self._watch_upgrader(found)
        if found is not None and found.is_abandoned:
            self._hold("hive")
            self._tell("An upgrade was cut short: the Hive goes on in the version before, as it was.")
            journal.put_back(self._layout)
            found = journal.read(self._layout)
        programs = self._programs(found)
        is_held = {"hive": found is not None and found.holds_hive, "device": own_choice.is_held(self._layout)}
        for name in (name for name, held in is_held.items() if held):
            self._hold(name)
        for name, service in self._held.copy().items():
            if not is_held.get(name, False):
                del self._held[name]
                self._started(by_program(service, programs))
        for service in [running.service for running in self._running.values()] + [service for _, service in self._due]:
            wanted = by_program(service, programs)
            running = self._running.get(service.name)
            if running is not None and wanted.becomes_other:
                running.service = wanted
            elif wanted.argv != service.argv:
                self.stop(service.name)
                self._pauses.pop(service.name, None)
                self._started(wanted)
        self._have_replacer()
        # On a full disk who upgrades waits in vain, and puts back; the supervisor runs on.
        with contextlib.suppress(FileNotWritten):
            write_private(journal.followed(self._layout), words.encode())

    def _programs(self, found: journal.Journal | None) -> dict[str, str]:
        """Return the Python of each service, as far as it is not this one. What the Device chose is the later one."""
        return (found.programs if found is not None else {}) | own_choice.programs(self._layout)

    def _begin(self, service: Service) -> None:
        """Start a service for the first time, by whichever Python; a Device that is held when its upgrade says so."""
        if service.name == "device" and own_choice.is_held(self._layout):
            end_left(service, self._layout)
            self._held["device"] = service
        else:
            self._started(by_program(service, self._programs(journal.read(self._layout))))

    def _hold(self, name: str) -> None:
        """Stop a service, or what would start it again, until it may run."""
        running = self._running.get(name)
        waiting = next((service for _, service in self._due if service.name == name), self._held.get(name))
        service = running.service if running is not None else waiting
        self.stop(name)
        if service is not None:
            self._held[name] = service

    def _have_replacer(self) -> None:
        """Let somebody go on with an upgrade of the Device that is not done, if a Device is ours to run."""
        found = own_choice.open_upgrade(self._layout)
        here = {*self._running, *self._held, *(service.name for _, service in self._due)}
        if found is not None and "device" in here and REPLACER not in here:
            program = found.program if own_choice.is_there(found.program) else sys.executable
            self._started(replacer(self._layout, program))

    def _watch_upgrader(self, found: journal.Journal | None) -> None:
        """Be woken when the process that upgrades ends, killed or not."""
        if self._upgrader is not None:
            self._selector.unregister(self._upgrader)
            os.close(self._upgrader)
            self._upgrader = None
        if found is not None and found.stage != "kept":
            with contextlib.suppress(ProcessLookupError):
                self._upgrader = os.pidfd_open(found.by.pid)
                self._selector.register(self._upgrader, selectors.EVENT_READ, None)

    def _asked_to_look(self, *_: object) -> None:
        self._is_told = True

    def _started(self, service: Service) -> None:
        self._held.pop(service.name, None)
        running = start(service, self._layout)
        self._running[service.name] = running
        self._selector.register(running.pidfd, selectors.EVENT_READ, running)

    def _ended(self, running: Running, *, is_starting: bool) -> None:
        service = running.service
        self._selector.unregister(running.pidfd)
        code = running.ended()
        del self._running[service.name]
        said = last_words(self._log(service), running.log_from)
        if service.name == REPLACER and own_choice.open_upgrade(self._layout) is None:
            return
        if service.name == "device":
            # One that a full disk leaves uncounted costs the whole trial, and nothing else.
            with contextlib.suppress(FileNotWritten):
                own_choice.note_end(self._layout, service.argv[0])
        if is_starting and service.is_needed and not self._is_in_trial(service):
            raise ServiceFailed(service.title, said)
        if code == REFUSED_CODE:
            self._tell(f"The {service.title} has stopped for good: {said[0]} ({said[1]})")
            # An upgrade that is tried or put back may say otherwise.
            if service.name != REPLACER:
                self._held[service.name] = service
            return
        pause = self._next_pause(running)
        self._tell(f"The {service.title} ended and is started again in {pause:g} s: {said[0]}")
        self._due = sorted([*self._due, (time.monotonic() + pause, service)], key=lambda due: due[0])

    def _is_in_trial(self, service: Service) -> bool:
        """Whether its end is for the upgrade to judge, and no reason to end everything."""
        return service.name in ("device", REPLACER) and own_choice.open_upgrade(self._layout) is not None

    def _next_pause(self, running: Running) -> float:
        name = running.service.name
        was_stable = time.monotonic() - running.since > _STABLE_SECONDS
        pause = _FIRST_PAUSE_SECONDS if was_stable else self._pauses.get(name, _FIRST_PAUSE_SECONDS)
        self._pauses[name] = min(pause * 2, _LONGEST_PAUSE_SECONDS)
        return pause

    def _stop(self, running: Running) -> None:
        self._selector.unregister(running.pidfd)
        running.stop()
        self._layout.note(running.service.name).unlink(missing_ok=True)

    def _asked_to_stop(self) -> None:
        self._stops_asked += 1

    def _log(self, service: Service) -> Path:
        return self._layout.log(service.name)
