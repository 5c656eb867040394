"""Counting changes of the daemon's state, so that a reader can wait for the next one."""

import secrets
import threading


class Reports:
    """A version that grows with every change. `run` names this run of the daemon."""

    def __init__(self) -> None:
        self.run = secrets.token_hex(8)
        self._version = 0
        self._changed = threading.Condition()

    @property
    def version(self) -> int:
        """The newest version."""
        with self._changed:
            return self._version

    def changed(self) -> None:
        """Say that something is different now."""
        with self._changed:
            self._version += 1
            self._changed.notify_all()

    def wait(self, after: int, seconds: float) -> int:
        """Return the newest version, at once or as soon as it is higher than `after`, at most `seconds` later."""
        with self._changed:
            self._changed.wait_for(lambda: self._version > after, max(0.0, seconds))
            return self._version
