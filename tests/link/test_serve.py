"""A link's container from its first line on, as a process of its own."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mosaic.link import health
from support.link_gateway import gateway_double
from support.link_sites import Site, asked_app, listens
from support.unshared import free_port
from support.visitors import asked
from support.waiting import eventually

TOKEN = "lk_abcdefgh2345_" + "s3cret" * 8
PROGRAM = """
import os, sys
from pathlib import Path
from mosaic.link.serve import serve
serve(dict(os.environ), run_folder=Path(sys.argv[1]), lan_listen=f"127.0.0.1:{sys.argv[2]}")
"""

BEHIND_A_GATEWAY = """
import os, sys
from pathlib import Path
from mosaic.adapters.caddy_link import Place
from mosaic.link import serve
from mosaic.link.parts import Way
from support.link_gateway import GatewayDouble, TunnelDouble
folder, tls, challenges = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
double = GatewayDouble([], place=Place(("127.0.0.1",), ("127.0.0.1/32",), tls, challenges))
serve.ways = lambda settings, around, draw: [Way("tcp", lambda: TunnelDouble(double, "tcp"))]
serve.serve(dict(os.environ), run_folder=folder, storage=folder / "data")
"""

pytestmark = pytest.mark.long


def words(*more: str) -> list[str]:
    return [sys.executable, "-W", "ignore", *more]


def surroundings(**told: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), "HOME": "/nonexistent", **told}


def test_on_the_lan_it_becomes_caddy_and_keeps_no_secret(tmp_path: Path) -> None:
    port = free_port()
    with asked_app() as app:
        told = surroundings(
            LINK="notes.localhost", TOKEN=TOKEN, EXPOSE=f"127.0.0.1:{app.port}", FRACTAL_API="https://g.example"
        )
        running = subprocess.Popen(words("-c", PROGRAM, str(tmp_path), str(port)), env=told)
        try:
            # Its admin socket answers before its servers listen.
            eventually(lambda: listens(("127.0.0.1", port)) or running.poll() is not None)
            assert asked(port, "notes.localhost", "/x")[0] == 200
            assert Path(f"/proc/{running.pid}/cmdline").read_bytes().split(b"\0")[1:3] == [b"run", b"--config"]
            assert b"s3cret" not in Path(f"/proc/{running.pid}/environ").read_bytes()
        finally:
            running.terminate()
            assert running.wait(60) == 0


def test_behind_a_gateway_it_is_ready_leaves_in_order_and_takes_caddy_with_it(tmp_path: Path) -> None:
    token_file = tmp_path / "token"
    token_file.write_text(f"{TOKEN}\n")
    with gateway_double("chat.example.org") as gateway, asked_app() as app:
        told = surroundings(
            LINK="chat.example.org",
            TOKEN_FILE=str(token_file),
            EXPOSE=f"127.0.0.1:{app.port}",
            FRACTAL_API=gateway.url,
            LINK_TLS="internal",
            LINK_EPOCH="3.4",
        )
        place = [str(gateway.place.tls_port), str(gateway.place.challenge_port)]
        log = tmp_path / "log"
        with log.open("wb") as output:
            running = subprocess.Popen(words("-c", BEHIND_A_GATEWAY, str(tmp_path), *place), env=told, stderr=output)
        try:
            eventually(lambda: health.judged(tmp_path, health.boot_seconds())[0], seen=log.read_text)
            assert Site(gateway.place, tmp_path).ask("chat.example.org").status == 200
        finally:
            running.terminate()
            assert running.wait(60) == 0
        assert (gateway.registers[0].epoch, gateway.left) == ("3.4", [f"{gateway.registers[0].session[:8]}-tcp"])
        assert Site(gateway.place, tmp_path).serial("chat.example.org") is None
    assert "s3cret" not in log.read_text()


def ran(told: dict[str, str], *more: str) -> "subprocess.CompletedProcess[str]":
    """Run it to its end."""
    return subprocess.run(words(*more), env=told, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"EXPOSE": "nginx"}, "error: 'nginx' in EXPOSE: the port is missing"),
        ({"EXPOSE": "a:1", "LINK_SNIPPET": "/nowhere"}, "error: /nowhere: it cannot be read"),
        ({"EXPOSE": "a:1", "LINK": "a.example.org", "TOKEN": TOKEN}, "error: LINK_GATEWAY (or FRACTAL_API) is not set"),
    ],
)
def test_what_cannot_be_is_said_in_one_line_and_nothing_is_begun(told: dict[str, str], said: str) -> None:
    done = subprocess.run(
        words("-m", "mosaic.cli.main", "link-run"),
        env=surroundings(**told),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr.splitlines()[0][: len(said)]) == (3, said)
    assert "s3cret" not in done.stderr + done.stdout


def test_an_old_caddy_is_refused(tmp_path: Path) -> None:
    old = tmp_path / "caddy"
    old.write_text("#!/bin/sh\necho 2.6.2\n")
    old.chmod(0o755)
    told = {**surroundings(EXPOSE="a:1"), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        words("-c", PROGRAM, str(tmp_path), "0"), env=told, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    assert "Caddy here is 2.6.2, and 2.7 is needed" in done.stderr


SLOW_GATEWAY = """
import os, sys
from pathlib import Path
from mosaic.adapters import gateway_registration
from mosaic.cli.commands import link_container
from mosaic.link import serve
gateway_registration.DEADLINE_SECONDS = 600
given = serve.serve
serve.serve = lambda environment: given(environment, run_folder=Path(sys.argv[1]), storage=Path(sys.argv[1]) / "data")
link_container.run([])
"""


def _catches_sigterm(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def _children(pid: int) -> list[str]:
    found = []
    for each in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if each.read_text().rpartition(")")[2].split()[1] == str(pid):
                found.append(each.parent.name)
    return found


@pytest.mark.parametrize("moment", ["at its first line", "while Caddy starts", "while its gateway does not answer"])
def test_told_to_stop_while_it_starts_it_ends_at_once_and_with_all_that_it_started(tmp_path: Path, moment: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, contextlib.ExitStack() as held:
        silent.settimeout(60)
        gateway = f"http://127.0.0.1:{silent.getsockname()[1]}"
        told = surroundings(LINK="chat.example.org", TOKEN=TOKEN, EXPOSE="127.0.0.1:1", LINK_GATEWAY=gateway)
        running = subprocess.Popen(words("-c", SLOW_GATEWAY, str(tmp_path)), env=told, stderr=subprocess.PIPE)
        children: list[str] = []
        try:
            # Before that nobody could hear it: the first process of a container has no other handler than its own.
            eventually(lambda: _catches_sigterm(running.pid) or running.poll() is not None)
            if moment == "while Caddy starts":
                eventually(lambda: (tmp_path / "caddy.json").exists())
            elif moment == "while its gateway does not answer":
                held.enter_context(silent.accept()[0])
            children = _children(running.pid)
            running.terminate()
            # Of the gateway it would wait for ten minutes.
            _, said = running.communicate(timeout=120)
        finally:
            running.kill()
        assert (running.returncode, b"Traceback" in said) == (0, False), said
        eventually(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in children))
