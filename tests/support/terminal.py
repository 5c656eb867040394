"""A program in a terminal: what it shows, and what is typed."""

import os
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress


class Terminal:
    """What is on the screen so far is `shown`, control characters and all."""

    def __init__(self, master: int) -> None:
        self._master = master
        self._shown = bytearray()

    @property
    def shown(self) -> str:
        """Everything that was shown so far."""
        return bytes(self._shown).decode(errors="replace")

    def enter(self, line: str) -> None:
        """Type a line and press Enter."""
        os.write(self._master, f"{line}\r".encode())

    def look(self) -> None:
        """Keep what is shown until the program has ended."""
        # Linux says EIO where the other end was closed.
        with suppress(OSError):
            while piece := os.read(self._master, 65536):
                self._shown += piece


@contextmanager
def in_a_terminal(words: Sequence[str], *, env: Mapping[str, str]) -> Iterator[Terminal]:
    """Run a program in a terminal of its own; it is ended with the block, and what it started is not."""
    master, slave = os.openpty()
    program = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True)
    os.close(slave)
    terminal = Terminal(master)
    looking = threading.Thread(target=terminal.look)
    looking.start()
    try:
        yield terminal
    finally:
        program.kill()
        program.wait(60)
        looking.join(60)
        os.close(master)
