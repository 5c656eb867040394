"""HAProxy's process: started, taken over, killed, replaced. With the real program."""

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mosaic.adapters.haproxy.program import HaproxyTooOld
from mosaic.adapters.haproxy.running import HaproxyProcess
from mosaic.adapters.haproxy.runtime import HaproxyRefused
from mosaic.adapters.process import ProgramMissing
from mosaic.core.link_routes import Route
from support.haproxies import OneHaproxy, haproxy
from support.router_world import LINK
from support.waiting import eventually

pytestmark = pytest.mark.acme

MANY = 10_000


@pytest.fixture
def one() -> Iterator[OneHaproxy]:
    """One that runs."""
    with haproxy() as made:
        yield made


def kill(pid: int) -> None:
    """Kill -9 it, and wait until it is gone."""
    with contextlib.closing(os.fdopen(os.pidfd_open(pid))) as pidfd:
        signal.pidfd_send_signal(pidfd.fileno(), signal.SIGKILL)
        eventually(lambda: not _runs(pid))


def test_killed_and_started_again_it_has_the_routes_that_it_had(one: OneHaproxy) -> None:
    routes = {f"n{number}.example": Route(LINK, f"10.100.{number // 250}.{number % 250}") for number in range(MANY)}
    one.router.put(routes)
    one.router.remove(["n1.example", "n2.example"])
    one.router.put({"n3.example": Route(LINK, "10.100.255.1")})
    had = one.router.addresses()
    assert len(had) == MANY - 2
    killed = one.pid()
    kill(killed)
    assert not one.process.is_alive()
    one.start()
    assert one.pid() != killed
    assert one.router.addresses() == had


def test_who_comes_later_takes_over_the_one_that_runs(one: OneHaproxy) -> None:
    one.router.put({"a.example": Route(LINK, "10.100.1.0")})
    before = one.pid()
    later = HaproxyProcess(one.folder)
    later.start(one.settings)
    assert (later.is_alive(), later.pid) == (True, before)
    later.stop()
    assert not one.process.is_alive()


def test_other_settings_replace_it_and_keep_its_routes(one: OneHaproxy) -> None:
    one.router.put({"a.example": Route(LINK, "10.100.1.0")})
    before = one.pid()
    later = HaproxyProcess(one.folder)
    later.start(replace(one.settings, per_source=7))
    assert one.pid() != before
    assert one.router.addresses() == {"a.example": "10.100.1.0"}
    eventually(lambda: not _runs(before))
    later.stop()


def test_settings_that_it_refuses_leave_the_one_that_runs(one: OneHaproxy) -> None:
    before = one.pid()
    with pytest.raises(HaproxyRefused, match="512"):
        one.process.start(replace(one.settings, tls=(("127.0.0.512", 443),)))
    assert one.pid() == before


def test_a_port_that_another_has_is_said(one: OneHaproxy, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = replace(one.settings, tls=(taken.getsockname(),), plain=())
        other = HaproxyProcess(tmp_path)
        with pytest.raises(HaproxyRefused, match="Address already in use"):
            other.start(settings)
        assert not other.is_alive()


def test_one_that_hangs_is_ended_and_another_started(one: OneHaproxy, monkeypatch: pytest.MonkeyPatch) -> None:
    hung = one.pid()
    os.kill(hung, signal.SIGSTOP)
    later = HaproxyProcess(one.folder)
    with monkeypatch.context() as patched:
        patched.setattr("mosaic.adapters.haproxy.runtime.DEADLINE_SECONDS", 0.5)
        assert not later.is_alive()
    later.stop(grace_seconds=0.1)
    assert not _runs(hung)
    one.start()
    assert one.process.is_alive()


def test_stopping_what_does_not_run_is_no_error(tmp_path: Path) -> None:
    nothing = HaproxyProcess(tmp_path)
    nothing.stop()
    assert (nothing.is_alive(), nothing.pid) == (False, None)


def test_it_sees_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOSAIC_SECRET", "tell nobody")
    with haproxy() as one:
        environment = Path(f"/proc/{one.pid()}/environ").read_bytes().split(b"\0")
        assert not [entry for entry in environment if entry and not entry.startswith((b"PATH=", b"HAPROXY_"))]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_started_as_root_it_is_nobody_in_an_empty_folder(one: OneHaproxy) -> None:
    status = Path(f"/proc/{one.pid()}/status").read_text()
    users = next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1:]
    assert "0" not in users
    assert next(line for line in status.splitlines() if line.startswith("CapEff:")).split()[1] == "0" * 16
    assert not list(Path(f"/proc/{one.pid()}/root").iterdir())
    assert one.folder.joinpath("admin.sock").stat().st_mode & 0o777 == 0o600


def test_without_the_program_it_is_said_where_it_comes_from(one: OneHaproxy, tmp_path: Path) -> None:
    with pytest.raises(ProgramMissing, match="no-such-haproxy"):
        HaproxyProcess(tmp_path, binary="no-such-haproxy").start(one.settings)


@pytest.mark.parametrize("said", ["HA-Proxy version 2.2.9-2+deb11u6 2023/12/12", "HAProxy version 1.8.30", "what?"])
def test_an_older_one_is_refused(one: OneHaproxy, tmp_path: Path, said: str) -> None:
    older = tmp_path / "older"
    older.write_text(f"#!/bin/sh\necho '{said}'\n")
    older.chmod(0o755)
    with pytest.raises(HaproxyTooOld, match=r"2\.6 is needed"):
        HaproxyProcess(tmp_path, binary=str(older)).start(one.settings)


def _runs(pid: int) -> bool:
    """Whether it runs, and is no ended child of ours that waits to be noticed."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
