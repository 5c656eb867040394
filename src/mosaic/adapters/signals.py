"""Waking up when the system says stop, whichever thread it says it to."""

import contextlib
import signal
import socket
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def woken_by(*numbers: signal.Signals, then: Callable[[], None] = lambda: None) -> Iterator[socket.socket]:
    """Have a socket, not blocking, that a byte comes from with each of these signals, after which `then` is called.

    Not an event that a handler sets: handlers run in the main thread alone, and one that waits for a lock does not
    wake up when the system gives the signal to another thread, or just before the wait begins. Call it in the main
    thread.
    """
    told, tells = socket.socketpair()
    with told, tells:
        for end in (told, tells):
            end.setblocking(False)
        signal.set_wakeup_fd(tells.fileno(), warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, lambda *_: then())
        try:
            yield told
        finally:
            signal.set_wakeup_fd(-1)


@contextlib.contextmanager
def noted(*numbers: signal.Signals) -> Iterator[Callable[[], bool]]:
    """Have these signals noted instead of ending this process; yields whether one came. Call it in the main thread."""
    came = False

    def note(*_: object) -> None:
        nonlocal came
        came = True

    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield lambda: came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
