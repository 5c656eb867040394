"""A program of its own, run by path: it makes sure that what was frozen is thawed again.

It is told what to write where (arguments in pairs: file, text), says that it
is ready, and waits for one byte: from then on it thaws after 2 seconds,
whatever happens, and before that as soon as its input ends, which it does
when whoever froze them is done, or dies. It needs nothing but the standard
library's core, so that it starts quickly, and ends with 0 when it was in time
and 3 when it had to thaw by itself.
"""

import os
import select
import signal
import sys
import time

THAWED_BY_ITSELF = 3
LONGEST_SECONDS = 2.0
_LONGEST_WAIT_FOR_THE_BEGINNING = 30.0


def main(words: list[str]) -> int:
    """Wait, thaw, and say by the result whether that was in time."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    pairs = list(zip(words[::2], words[1::2], strict=True))
    os.write(1, b"ready\n")
    begun = _is_told(_LONGEST_WAIT_FOR_THE_BEGINNING)
    ended = not begun or _ends_within(LONGEST_SECONDS)
    for path, text in pairs:
        _write(path, text)
    return 0 if ended else THAWED_BY_ITSELF


def _is_told(seconds: float) -> bool:
    readable, _, _ = select.select([0], [], [], seconds)
    return bool(readable) and bool(os.read(0, 1))


def _ends_within(seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        readable, _, _ = select.select([0], [], [], left)
        if readable and not os.read(0, 64):
            return True
    return False


def _write(path: str, text: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY)
    except OSError:
        return  # the container has ended
    try:
        os.write(descriptor, text.encode())
    except OSError:
        pass
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
