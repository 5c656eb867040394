"""A socket that nobody answers at, or answers wrongly at, is an error in time."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mosaic.adapters.wireguard import uapi
from mosaic.adapters.wireguard.door import InterfaceRefused, InterfaceSilent, TunnelPortTaken
from mosaic.adapters.wireguard.uapi import Uapi
from mosaic.adapters.wireguard.uapi_text import UapiNotUnderstood


@pytest.fixture(autouse=True)
def _own_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uapi, "SOCKETS", tmp_path)


@contextmanager
def answering(*parts: bytes, hang: bool = False) -> Iterator[Uapi]:
    """Yield a Uapi whose other end says these parts to whoever comes, and ends; or says no more."""
    done = threading.Event()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(uapi.socket_of("mosaic0")))
        listener.listen()

        def answer() -> None:
            line, _ = listener.accept()
            with line:
                line.recv(100_000)
                for part in parts:
                    line.sendall(part)
                if hang:
                    done.wait(60)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        try:
            yield Uapi("mosaic0", deadline_seconds=0.3 if hang else 60)
        finally:
            done.set()
            thread.join(60)


def test_an_answer_may_come_in_pieces() -> None:
    with answering(b"listen_port=5", b"1820\nerrno=0\n", b"\n") as door:
        assert door.look().listen_port == 51820


def test_an_error_number_becomes_an_error_with_its_words() -> None:
    with answering(b"errno=-22\n\n") as door, pytest.raises(InterfaceRefused, match="Invalid argument"):
        door.tell(listen_port=1)


def test_a_port_that_another_program_has_is_named() -> None:
    with answering(b"errno=-98\n\n") as door, pytest.raises(TunnelPortTaken, match="51820"):
        door.tell(listen_port=51820)


@pytest.mark.parametrize("parts", [(), (b"listen_port=51820\n",)])
def test_an_answer_without_an_end_is_silence(parts: tuple[bytes, ...]) -> None:
    with answering(*parts) as door, pytest.raises(InterfaceSilent, match="no end"):
        door.look()


def test_who_says_nothing_is_not_waited_for_longer_than_the_deadline() -> None:
    with answering(b"listen_port=51820\n", hang=True) as door, pytest.raises(InterfaceSilent):
        door.look()


def test_no_socket_is_silence() -> None:
    with pytest.raises(InterfaceSilent, match="No such file"):
        Uapi("mosaic0").look()


def test_another_protocol_is_not_understood() -> None:
    with answering(b"HTTP/1.1 400 Bad Request\r\n\n\n") as door, pytest.raises(UapiNotUnderstood):
        door.look()
