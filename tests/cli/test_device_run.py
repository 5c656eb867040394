"""`mosaic device run` joins before it starts anything, and what it was told goes no further."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from mosaic.adapters.docker import own_container
from mosaic.adapters.docker.api import Api, EngineSilent
from mosaic.adapters.docker.own_container import OwnContainer
from mosaic.cli.up import device_alone, install, lock, preflight, run, settings
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.targets import Targets
from mosaic.core.errors import REFUSED_CODE, MosaicError
from mosaic.core.session import SessionSuperseded
from mosaic.device import enrol, identity
from mosaic.device.config import DeviceConfig
from mosaic.device.front_folder import FrontFolder
from mosaic.device.session import TurnedAway
from mosaic.hive.channel import connections
from mosaic.wire import enrol as tokens
from mosaic.wire.enrol import JoinToken
from support.ran import Ran
from support.running_hive import PASSPHRASE, Owner, made_keys, running_hive

pytestmark = pytest.mark.long

WRONG = "zoo zoo zoo zoo zoo wrong"
DOCKER = """#!/bin/sh
printf '%s\\n' "$*" >> {seen}
env >> {seen}
echo 2.20.0
"""


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Owner]:
    with running_hive(tmp_path / "hive") as hive:
        yield hive.set_up()


@pytest.fixture
def children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine with an engine; the file has the argv and the environment of each child that was started."""
    seen, programs = tmp_path / "children", tmp_path / "programs"
    programs.mkdir()
    (programs / "docker").write_text(DOCKER.format(seen=seen))
    (programs / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(preflight, "ENGINE_SOCKET", tmp_path / "engine.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(tmp_path / "engine.sock"))
        server.listen()
        thread = threading.Thread(target=_answer, args=(server,), daemon=True)
        thread.start()
        yield seen
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def _answer(server: socket.socket) -> None:
    said = {"Version": "27.3", "ApiVersion": "1.47", "Name": "cellar.example.net"}
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            connection.recv(4096)
            connection.sendall(f"HTTP/1.0 200 OK\r\n\r\n{json.dumps(said)}".encode())


@pytest.fixture
def mosaic(mosaic: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Run a command line as a process of its own would: at its end the folder is free again."""
    taken: list[int] = []
    take = lock.take

    def note(file: Path) -> int:
        taken.append(take(file))
        return taken[-1]

    def run(*words: str) -> Ran:
        try:
            return mosaic(*words)
        finally:
            while taken:
                os.close(taken.pop())

    monkeypatch.setattr(lock, "take", note)
    return run


@pytest.fixture
def paste(mosaic: Callable[..., Ran], children: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Run a Device as a pasted line does, with the token and what else is named in its environment."""

    def run(token: JoinToken, *words: str, **said: str) -> Ran:
        for name, value in {"JOIN": tokens.write(token), **said}.items():
            monkeypatch.setenv(f"MOSAIC_{name}", value)
        return mosaic("device", "run", *words)

    return run


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the Devices that came as far as starting something."""
    names: list[str] = []

    def start(_layout: Layout, chosen: object) -> None:
        names.append(getattr(chosen, "name", ""))

    monkeypatch.setattr(run, "device", start)
    return names


def test_a_wrong_passphrase_ends_it_with_one_sentence_before_anything_starts_and_the_token_stays_good(
    paste: Callable[..., Ran], owner: Owner, started: list[str], tmp_path: Path
) -> None:
    token = owner.join_token("attic")
    line = tokens.write(token)
    ended = paste(token, PASSPHRASE=WRONG)

    assert ended.code == 1
    assert [each.split(":")[0] for each in ended.stderr.splitlines()] == ["error", "hint"]
    assert "this is not the passphrase of this account" in ended.stderr
    assert "the join token is still good" in ended.stderr
    assert started == []
    assert not (tmp_path / "state" / "device" / "identity.json").exists()
    assert owner.devices() == []
    assert WRONG not in ended.stderr + ended.stdout and line not in ended.stderr + ended.stdout

    assert paste(token, PASSPHRASE=PASSPHRASE).code == 0
    assert started == ["attic"]
    assert identity.load(Layout(tmp_path / "state").identity).root == made_keys().opened.root


def test_neither_token_nor_passphrase_is_in_a_childs_argv_or_environment_or_in_a_file(
    paste: Callable[..., Ran], owner: Owner, children: Path, started: list[str], tmp_path: Path
) -> None:
    token = owner.join_token("attic")
    assert paste(token, PASSPHRASE=PASSPHRASE, NAME="study").code == 0

    seen = children.read_text()
    assert "compose version" in seen
    kept = b"".join(file.read_bytes() for file in (tmp_path / "state").rglob("*") if file.is_file())
    for secret in (tokens.write(token), token.secret, PASSPHRASE):
        assert secret not in seen
        assert secret.encode() not in kept
    assert not any(name.startswith(("MOSAIC_JOIN", "MOSAIC_PASS", "MOSAIC_NAME")) for name in os.environ)


def test_a_device_that_has_joined_starts_again_by_the_same_line(
    paste: Callable[..., Ran], owner: Owner, started: list[str]
) -> None:
    token = owner.join_token("attic")
    for passphrase in (PASSPHRASE, WRONG):
        # A container is started again with the environment that it was made with, whatever became of the passphrase.
        assert paste(token, PASSPHRASE=passphrase).code == 0
        assert "MOSAIC_PASSPHRASE" not in os.environ
    assert len(started) == 2
    assert len(owner.devices()) == 1


def test_without_a_passphrase_it_joins_and_waits_for_its_owner(
    mosaic: Callable[..., Ran], owner: Owner, children: Path, started: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOSAIC_JOIN", tokens.write(owner.join_token(admitted=False)))
    monkeypatch.setenv("MOSAIC_NAME", "study")
    ran = mosaic("device", "run")
    assert ran.code == 0
    assert mosaic("device", "fingerprint").stdout.strip() in ran.stdout + ran.stderr
    assert started == ["study"]
    (device,) = owner.devices()
    assert (device.name, device.admitted) == ("study", False)


def test_a_passphrase_file_that_is_named_and_missing_ends_it_before_the_hive_is_asked(
    paste: Callable[..., Ran], owner: Owner, started: list[str], tmp_path: Path
) -> None:
    ended = paste(owner.join_token("attic"), PASSPHRASE_FILE=str(tmp_path / "missing"))
    assert ended.code == 1
    assert "holds no passphrase: No such file" in ended.stderr
    assert started == []
    assert owner.devices() == []


def test_who_is_asked_at_the_terminal_may_mistype_it_and_an_empty_answer_leaves_it_to_the_owner(
    paste: Callable[..., Ran], owner: Owner, started: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [WRONG, WRONG, WRONG, WRONG, PASSPHRASE.upper(), ""]
    monkeypatch.setattr(click.termui, "hidden_prompt_func", lambda _: answers.pop(0))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)

    ended = paste(owner.join_token("attic"))
    assert (ended.code, len(answers)) == (1, 3)
    assert ended.stderr.count("this is not the passphrase of this account") == 3
    assert WRONG not in ended.stderr

    assert paste(owner.join_token("attic")).code == 0
    assert answers == [""]

    assert paste(owner.join_token("study", admitted=False), "--state", str(tmp_path / "study")).code == 0
    assert [device.has_root_key for device in owner.devices()] == [True, False]


def test_in_a_container_the_refusal_is_what_is_read_even_when_the_engine_does_not_listen(
    paste: Callable[..., Ran], owner: Owner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = str(tmp_path / "state")
    asked: list[str] = []

    def stay_ended(_engine: Api, own: OwnContainer) -> None:
        asked.append(own.id)
        raise EngineSilent("the socket", "timed out")

    monkeypatch.setattr(own_container, "own_container", lambda _: OwnContainer("ship", "image", {state: state}))
    monkeypatch.setattr(own_container, "stay_ended", stay_ended)
    monkeypatch.setenv("MOSAIC_CONTAINER", "1")
    before = signal.getsignal(signal.SIGTERM)
    try:
        ended = paste(owner.join_token("attic"), "--name", "attic", PASSPHRASE=WRONG)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended.code == REFUSED_CODE
    assert "this is not the passphrase of this account" in ended.stderr
    assert asked == ["ship"]


def test_a_new_identity_is_taken_once_however_often_the_same_line_is_started(
    paste: Callable[..., Ran], owner: Owner, started: list[str], tmp_path: Path
) -> None:
    state = tmp_path / "state"

    def devices() -> list[str]:
        return sorted(device.name for device in owner.devices())

    assert paste(owner.join_token("attic"), PASSPHRASE=PASSPHRASE).code == 0
    again = owner.join_token("study")
    assert paste(again, "--new-identity", PASSPHRASE=PASSPHRASE).code == 0
    known = identity.load(Layout(state).identity)
    ended = paste(again, "--new-identity", PASSPHRASE=PASSPHRASE)

    assert (ended.code, devices()) == (0, ["attic", "study"]), ended.stderr
    assert identity.load(Layout(state).identity) == known
    assert started == ["attic", "study", "study"]


@pytest.fixture
def end_with(owner: Owner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[MosaicError], list[int]]:
    """Let a Device's own process end with an error of the Hive's, and return the codes that it ended with."""
    layout = Layout(tmp_path / "state")
    layout.make()
    enrol.enrol(layout.device, owner.join_token("attic"), "attic", passphrase=PASSPHRASE)
    codes: list[int] = []
    monkeypatch.setattr(device_alone, "_end", codes.append)
    monkeypatch.setattr(device_alone, "be_lean", lambda: None)

    def end(error: MosaicError) -> list[int]:
        def serve(_: DeviceConfig, **_means: object) -> None:
            raise error

        monkeypatch.setattr("mosaic.device.serve.serve", serve)
        device_alone.serve(
            layout, layout.storage_socket, name=None, driver=None, parent=None, targets=Targets(None, None, ())
        )
        return codes

    return end


def removed(*, is_over: bool) -> TurnedAway:
    """What the Hive says to a Device that it removed, once nothing of that is left on its machine or before."""
    said = TurnedAway(connections.removed(), proved=True)
    said.is_over = is_over
    return said


def test_a_device_that_was_removed_ends_as_what_is_not_tried_again(
    end_with: Callable[[MosaicError], list[int]], capfd: pytest.CaptureFixture[str]
) -> None:
    assert end_with(removed(is_over=False))[0] == REFUSED_CODE
    assert "this device was removed from its account" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("said", "ends"),
    [(removed(is_over=True), True), (SessionSuperseded(), True), (removed(is_over=False), False)],
    ids=["removed", "superseded", "with apps still to stop"],
)
def test_in_a_container_the_engine_does_not_start_a_device_again_that_is_over(
    end_with: Callable[[MosaicError], list[int]], monkeypatch: pytest.MonkeyPatch, said: MosaicError, *, ends: bool
) -> None:
    told: list[str] = []
    monkeypatch.setattr(own_container, "own_container", lambda _: OwnContainer("ship", "image", {}))
    monkeypatch.setattr(own_container, "stay_ended", lambda _, own: told.append(own.id))
    monkeypatch.setenv("MOSAIC_CONTAINER", "1")

    assert end_with(said)[0] == REFUSED_CODE
    assert told == (["ship"] if ends else [])


def test_systemd_is_told_to_stop_the_unit_and_what_would_start_it_when_its_device_is_over(
    end_with: Callable[[MosaicError], list[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, main_pid, program = tmp_path / "calls", tmp_path / "pid", tmp_path / "bin" / "systemctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {calls}\n[ "$1" != show ] || cat {main_pid}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.setattr(install, "_RUNS_SYSTEMD", tmp_path)

    main_pid.write_text("1\n")
    end_with(removed(is_over=True))
    assert "stop" not in calls.read_text()

    main_pid.write_text(f"{os.getpid()}\n")
    end_with(removed(is_over=True))
    assert calls.read_text().splitlines()[-1] == "stop --no-block mosaic-device.path mosaic-device.service"


@pytest.mark.parametrize("kept", [False, True])
def test_a_pool_of_its_own_is_refused_in_a_container_and_not_passed_over(
    mosaic: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    pool, layout = tmp_path / "pool", Layout(tmp_path / "state")
    pool.mkdir()
    if kept:
        # Its volumes are in there, from when it ran on the machine itself.
        layout.make()
        settings.save(layout.settings, settings.Settings(pool=str(pool)))
    monkeypatch.setenv("MOSAIC_CONTAINER", "1")
    ended = mosaic("device", "run", *([] if kept else ["--pool", str(pool)]))
    assert ended.code == 1
    assert "takes no pool of another place" in ended.stderr
    assert layout.state.exists() == kept


def test_a_folder_stays_locked_when_who_locked_it_becomes_another_program(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from mosaic.adapters import process; from mosaic.cli.up import lock; "
        "lock.pass_on(lock.take(Path(sys.argv[1]))); process.become(['/bin/cat'])"
    )
    file = tmp_path / "lock"
    words = [sys.executable, "-c", program, str(file)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdin is not None and other.stdout is not None
        other.stdin.write(b"x")
        other.stdin.flush()
        assert other.stdout.read(1) == b"x"
        with pytest.raises(lock.StateInUse, match=str(other.pid)):
            lock.take(file)
        other.stdin.close()
    os.close(lock.take(file))


def test_units_that_are_written_again_have_a_front_again_that_ended_with_its_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout(tmp_path / "state")
    layout.make()
    layout.front.mkdir(exist_ok=True)
    FrontFolder(layout.front).end()
    monkeypatch.setattr(preflight, "check", lambda _: None)
    monkeypatch.setattr(install, "_RUNS_SYSTEMD", tmp_path / "none")
    monkeypatch.setattr(install, "UNIT_FOLDER", tmp_path)

    install.install(layout, lambda kept: kept, run.Wanted(False, None, None, None, False))

    assert not FrontFolder(layout.front).is_ended
