"""A port that somebody listens on is not free, and only one process at a time chooses."""

import secrets
import signal
import socket
import subprocess
import sys
import threading

from mosaic.adapters.free_port import is_free, turn

HOLDER = """
import signal, sys
from mosaic.adapters.free_port import turn
with turn(sys.argv[1]):
    print("held", flush=True)
    signal.pause()
"""


def test_a_port_that_is_shared_by_whoever_asks_is_not_free() -> None:
    with socket.socket() as shared:
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        shared.bind(("127.0.0.1", 0))
        shared.listen()
        port = shared.getsockname()[1]
        assert not is_free("tcp", port)
    assert is_free("tcp", port)


def test_turns_come_one_after_the_other() -> None:
    name, inside, met = f"mosaic-test-{secrets.token_hex(8)}", threading.Lock(), []

    def choose() -> None:
        with turn(name):
            met.append(inside.acquire(blocking=False))
            inside.release()

    threads = [threading.Thread(target=choose) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert met == [True] * 4


def test_the_turn_of_a_process_that_was_killed_is_free() -> None:
    name = f"mosaic-test-{secrets.token_hex(8)}"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, name], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    with holder.stdout:
        assert holder.stdout.readline() == b"held\n"
    holder.send_signal(signal.SIGKILL)
    holder.wait(60)
    with turn(name), socket.socket(socket.AF_UNIX) as other:
        assert other.connect_ex(f"\0{name}") != 0
