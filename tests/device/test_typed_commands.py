"""G8: whatever a Hive says in a command, nothing is ever run but the template, with values that fitted their places."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import anyio
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.adapters import process
from mosaic.adapters.docker.engine import DockerEngine
from mosaic.adapters.process import CommandTimedOut, Finished
from mosaic.core.errors import MosaicError
from mosaic.crypto.action_secrets import seal_action_secrets
from mosaic.device.means import Means
from mosaic.device.obey import obey
from mosaic.device.records import Records
from mosaic.wire.actions import Actions
from mosaic.wire.audit import Page
from mosaic.wire.channel import Ordered
from mosaic.wire.command import (
    AppAction,
    Command,
    CommandBody,
    DiskSpace,
    ReadActions,
    ReadAudit,
    ReadLogs,
    Restart,
    UpdateReport,
    Upgrade,
)
from support.device_world import COMPOSE, NOTES, World, assignment, wants

pytestmark = pytest.mark.long

ACTIONS = """
x-mosaic:
  actions:
    register:
      service: web
      command: [register, --user, "{user}", "{role}", "{quota}", --password-file, /dev/stdin]
      stdin: [password]
      inputs:
        user: {longest: 64}
        role: {kind: choice, choices: {user: --no-admin, administrator: --admin}}
        quota: {kind: integer, least: 1, most: 100}
        password: {kind: secret, longest: 64}
"""
VALUES = {"user": "ada", "role": "user", "quota": "5"}
HOSTILE = [
    *("", " ", "\0", "a\0b", "\n", "a\nb", "a\r\nb", "\u2028", "\x1b[2J"),
    *("$(reboot)", "`reboot`", "; reboot", "a && b", "| sh", "> /etc/passwd", "*", "~", "'", '"', "\\"),
    *("$HOME", "${HOME}", "{user}", "--privileged", "-v/:/x", "--", "-", "-u0", "--user=root", "web --privileged"),
    *("../../etc/passwd", "/etc/passwd", "x" * 100_000, "é" * 65, "\ud800", "a\udcffb", "\uffff", "%s"),
]
TEXTS = st.sampled_from(HOSTILE) | st.text(max_size=100) | st.text(st.characters(exclude_categories=[]), max_size=20)


@dataclass
class Door:
    """Records what would be run, instead of running it."""

    ran: list[tuple[list[str], bytes | None]] = field(default_factory=list)
    ends: Finished | MosaicError = field(default_factory=lambda: Finished((), 0, b"done\n", b"", False))

    async def run(self, argv: process.Argv, *, stdin: bytes | None = None, **_: Any) -> Finished:
        for word in argv:
            # What no program can be given must not come as far as this.
            assert "\0" not in word
            word.encode()
        self.ran.append((list(argv), stdin))
        if isinstance(self.ends, MosaicError):
            raise self.ends
        return self.ends


@dataclass
class Here:
    """A Device on which notes runs, with a real engine's adapter whose processes are only recorded."""

    means: Means
    world: World
    door: Door

    def obey(self, body: CommandBody) -> str:
        return anyio.run(obey, self.means, body)

    def act(self, values: dict[str, str], secrets: dict[str, str], *, action: str = "register") -> str:
        sealed = self.sealed(values, secrets, action=action)
        return self.obey(AppAction(NOTES, action, values, sealed))

    def sealed(self, values: dict[str, str], secrets: dict[str, str], *, action: str = "register") -> str:
        key = self.world.wrapping.public
        return seal_action_secrets(secrets, wrapping_key=key, installation=NOTES, action=action, values=values)

    def compose(self, *words: str) -> list[str]:
        """The template of every compose command."""
        file = self.world.config.projects / NOTES / "compose.json"
        project = f"mosaic-{self.world.device[:8]}-{NOTES}"
        return [
            *("docker", "--host", "unix:///engine.sock", "compose", "--ansi", "never", "--progress", "quiet"),
            *("--env-file", "/dev/null", "--project-name", project, "--file", str(file), *words),
        ]


@pytest.fixture(scope="module")
def at_rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    world = World(tmp_path_factory.mktemp("device"))
    running = world.run(wants(assignment(world.publish(COMPOSE + ACTIONS), "run")))
    assert running.report().phase == "running"
    door = Door()
    with Records(world.config.ledger) as records, pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "run_async", door.run)
        patch.setattr(process, "attempt_async", door.run)
        # Everything else that would start a program.
        patch.setattr(process, "_popen", None)
        yield Here(replace(running.means, records=records, engine=DockerEngine("unix:///engine.sock")), world, door)


@pytest.fixture
def here(at_rest: Here) -> Here:
    at_rest.door.ran.clear()
    at_rest.door.ends = Finished((), 0, b"done\n", b"", False)
    return at_rest


def sealable(text: str) -> str:
    """What a browser or a command line can seal: text that is UTF-8."""
    return text.encode(errors="replace").decode()


def register(user: str, role: str, quota: str) -> list[str]:
    flags = {"user": "--no-admin", "administrator": "--admin"}
    return [
        *("exec", "--no-TTY", "--", "web", "register", "--user", user, flags[role], quota),
        *("--password-file", "/dev/stdin"),
    ]


def test_an_action_is_run_as_its_template_says_with_its_secret_on_standard_input(here: Here) -> None:
    assert here.act(VALUES, {"password": "correct horse"}) == "done\n"

    assert here.door.ran == [(here.compose(*register("ada", "user", "5")), b"correct horse\n")]


def test_logs_are_read_as_their_template_says(here: Here) -> None:
    here.obey(ReadLogs(NOTES, "web", 7))

    assert here.door.ran == [(here.compose("logs", "--no-color", "--tail", "7", "--", "web"), None)]


def test_what_can_be_done_is_told_without_running_anything(here: Here) -> None:
    told = msgspec.json.decode(here.obey(ReadActions(NOTES)), type=Actions)

    assert [(one.name, [each.kind for each in one.inputs]) for one in told.actions] == [
        ("register", ["text", "choice", "integer", "secret"])
    ]
    assert here.door.ran == []


@settings(max_examples=300)
@given(TEXTS, st.sampled_from(["user", "administrator"]) | TEXTS, st.integers(-2, 120).map(str) | TEXTS, TEXTS)
def test_whatever_is_given_to_an_action_only_its_template_is_run(
    at_rest: Here, user: str, role: str, quota: str, password: str
) -> None:
    at_rest.door.ran.clear()
    values = {"user": user, "role": role, "quota": quota}
    try:
        sealed = at_rest.sealed({key: sealable(each) for key, each in values.items()}, {"password": sealable(password)})
        at_rest.obey(AppAction(NOTES, "register", values, sealed))
    except (MosaicError, UnicodeEncodeError):
        assert at_rest.door.ran == []
        return
    expected = at_rest.compose(*register(user, role, quota)), f"{password}\n".encode()
    assert at_rest.door.ran == [expected]
    assert not user.startswith("-") and user.isprintable() and quota.isdigit()


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("name", ["user", "role", "quota", "password"])
def test_each_input_in_turn_is_refused_or_is_exactly_one_word(here: Here, name: str, hostile: str) -> None:
    values = {**VALUES, **({name: hostile} if name in VALUES else {})}
    secrets = {"password": hostile if name == "password" else "correct horse"}
    if hostile != sealable(hostile):
        # No JSON can carry it, and nothing of it may be guessed.
        with pytest.raises(UnicodeEncodeError):
            here.act(values, secrets)
        return
    try:
        here.act(values, secrets)
    except MosaicError:
        assert here.door.ran == []
        return
    (ran,) = here.door.ran
    assert ran == (
        here.compose(*register(values["user"], values["role"], values["quota"])),
        f"{secrets['password']}\n".encode(),
    )


@pytest.mark.parametrize("half", [rb"\ud800", rb"a\udcff", b"\xed\xa0\x80", b"\xff"])
def test_what_no_utf8_has_does_not_come_over_the_wire(half: bytes) -> None:
    told = msgspec.json.encode(Ordered(Command("c", 1, 1, AppAction(NOTES, "register", {"user": "HALF"}))))

    with pytest.raises((msgspec.MsgspecError, UnicodeDecodeError)):
        msgspec.json.decode(told.replace(b"HALF", half), type=Ordered)


def bodies() -> Iterator[tuple[CommandBody, str]]:
    """Every command, with every text in it in turn as the one to be replaced."""
    examples: list[CommandBody] = [
        ReadLogs(NOTES, "web", 7),
        Restart(NOTES),
        UpdateReport(NOTES),
        ReadActions(NOTES),
        AppAction(NOTES, "register", VALUES, "00"),
        ReadAudit(0, "00" * 32),
        # A Device that can be upgraded is attacked in test_upgrading.
        Upgrade("w1", "mosaic", f"sha256:{'00' * 32}"),
    ]
    for body in examples:
        for name in body.__struct_fields__:
            if isinstance(getattr(body, name), str):
                yield body, name


def test_every_command_is_attacked_here() -> None:
    attacked = {type(body) for body, _ in bodies()}

    without_text = {
        each
        for each in get_args(CommandBody)
        if not {str, str | None} & {one.type for one in msgspec.structs.fields(each)}
    }
    assert attacked | without_text == set(get_args(CommandBody))


@pytest.mark.parametrize("hostile", [each for each in HOSTILE if each], ids=range(len(HOSTILE) - 1))
@pytest.mark.parametrize(("body", "name"), list(bodies()), ids=lambda each: getattr(each, "__name__", str(each)[:12]))
def test_no_text_of_any_command_becomes_a_word_that_is_run(
    here: Here, body: CommandBody, name: str, hostile: str
) -> None:
    with pytest.raises((MosaicError, UnicodeEncodeError)):
        here.obey(msgspec.structs.replace(body, **{name: hostile}))

    assert here.door.ran == []


@given(st.integers())
def test_a_number_of_lines_is_bounded(at_rest: Here, lines: int) -> None:
    at_rest.door.ran.clear()

    at_rest.obey(ReadLogs(NOTES, None, lines))

    ((argv, _),) = at_rest.door.ran
    assert argv[:-1] == at_rest.compose("logs", "--no-color", "--tail")
    assert 1 <= int(argv[-1]) <= 2000


@given(st.integers(-(2**63), 2**63))
def test_a_page_of_the_audit_log_is_read_from_whatever_number(at_rest: Here, number: int) -> None:
    page = msgspec.json.decode(at_rest.obey(ReadAudit(number)), type=Page)

    assert [row.entry.kind for row in page.rows] == (["assigned"] if number < 1 else [])
    assert page.newest == 1


def test_an_action_that_the_app_does_not_name_is_refused(here: Here) -> None:
    with pytest.raises(MosaicError) as refused:
        here.act({}, {}, action="sh")

    assert (refused.value.code, "register" in refused.value.hint, here.door.ran) == ("action-unknown", True, [])


def test_secrets_that_were_given_for_other_values_do_not_open(here: Here) -> None:
    sealed = here.sealed({**VALUES, "user": "eve"}, {"password": "correct horse"})

    with pytest.raises(MosaicError) as refused:
        here.obey(AppAction(NOTES, "register", VALUES, sealed))

    assert (refused.value.code, here.door.ran) == ("action-secrets-unopened", [])


@given(st.binary(max_size=200))
def test_whatever_comes_as_sealed_secrets_is_refused(at_rest: Here, raw: bytes) -> None:
    at_rest.door.ran.clear()
    for sealed in (raw.hex(), "0107" + raw.hex(), raw.decode("latin-1")):
        with pytest.raises(MosaicError):
            at_rest.obey(AppAction(NOTES, "register", VALUES, sealed))
    assert at_rest.door.ran == []


def test_what_a_program_repeats_of_a_secret_is_not_passed_on(here: Here) -> None:
    here.door.ends = Finished((), 0, b"set to correct horse\n", b"", False)
    assert here.act(VALUES, {"password": "correct horse"}) == "set to …\n"

    here.door.ends = Finished((), 1, b"", b"correct horse is too weak\n", False)
    with pytest.raises(MosaicError) as failed:
        here.act(VALUES, {"password": "correct horse"})
    assert "is too weak" in failed.value.message and "horse" not in failed.value.message

    here.door.ends = CommandTimedOut(["docker"], deadline_seconds=1, last_lines="correct horse")
    with pytest.raises(MosaicError) as slow:
        here.act(VALUES, {"password": "correct horse"})
    assert slow.value.code == "action-too-slow" and "horse" not in str(slow.value.__cause__) + slow.value.message


@pytest.mark.parametrize("printed", ["{}" * 200 + "\n", "not taken: {}\n", "{}\n" * 30])
def test_nothing_is_left_of_a_secret_where_a_long_answer_is_cut_or_its_lines_are_tidied(
    here: Here, printed: str
) -> None:
    secret = "correct horse battery staple    "
    here.door.ends = Finished((), 1, b"", printed.format(*[secret] * 200).encode(), False)

    with pytest.raises(MosaicError) as failed:
        here.act(VALUES, {"password": secret})

    assert not {"correct", "horse", "battery", "staple"} & set(failed.value.message.split())


def test_an_action_is_not_read_from_a_package_that_somebody_changed(tmp_path: Path) -> None:
    world = World(tmp_path)
    digest = world.publish(COMPOSE + ACTIONS)
    running = world.run(wants(assignment(digest, "run")))
    file = world.config.apps / "notes" / digest.removeprefix("sha256:") / "docker-compose.yml"
    file.write_text(file.read_text().replace("[register, --user", "[sh, -c"))

    with Records(world.config.ledger) as records, pytest.raises(MosaicError) as refused:
        anyio.run(obey, replace(running.means, records=records), ReadActions(NOTES))

    assert refused.value.code == "action-not-now"


def test_nothing_is_done_in_an_app_that_is_stopped(tmp_path: Path) -> None:
    world = World(tmp_path)
    digest = world.publish(COMPOSE + ACTIONS)
    world.run(wants(assignment(digest, "run")))
    running = world.run(wants(assignment(digest, "stop"), revision=2))

    with Records(world.config.ledger) as records, pytest.raises(MosaicError) as refused:
        anyio.run(obey, replace(running.means, records=records), ReadActions(NOTES))

    assert refused.value.code == "action-not-now"


def test_the_disk_is_asked_without_running_anything(here: Here) -> None:
    assert "GiB free" in here.obey(DiskSpace())
    assert here.door.ran == []
