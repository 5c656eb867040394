"""Actions of an app and the audit logs, the whole way: command line, Hive, and a Device on a simulated engine."""

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mosaic.adapters.clock import SystemClock
from mosaic.adapters.process import Finished
from mosaic.adapters.sql import events
from mosaic.adapters.sql.events import Happened
from mosaic.cli import credentials, known_devices
from mosaic.core.ids import AccountId
from mosaic.crypto import x25519
from mosaic.device.enrol import enrol
from support.fake_device import FakeDevice
from support.ran import Ran
from support.running_device import Running, running_device
from support.running_hive import COMPOSE, PASSPHRASE, Owner, RunningHive, running_hive, write_app
from support.waiting import eventually

pytestmark = pytest.mark.long

ACTIONS = """
  actions:
    register:
      title: Register a user
      service: web
      command: [register, --user, "{user}", "{role}"]
      stdin: [password]
      inputs:
        user: {pattern: "[a-z]+"}
        role: {kind: choice, choices: {user: --no-admin, administrator: --admin}}
        password: {kind: secret, shortest: 8}
"""
WITH_ACTIONS = COMPOSE.replace("services:", ACTIONS.strip("\n") + "\nservices:", 1)
SECRET = "correct horse"
Mosaic = Callable[..., Ran]


@dataclass
class World:
    """A Hive whose Device attic runs notes."""

    folder: Path
    hive: RunningHive
    owner: Owner
    attic: Running
    mosaic: Mosaic

    @property
    def database(self) -> Path:
        return self.hive.config.state / "hive.db"

    @property
    def ledger(self) -> Path:
        return self.folder / "attic" / "device.ledger"

    def in_hive(self, statement: str) -> None:
        write(self.database, statement)

    def on_device(self, statement: str) -> None:
        write(self.ledger, statement)

    def order(self, times: int = 1) -> None:
        """Order something of attic."""
        for _ in range(times):
            assert self.mosaic("logs", "notes").code == 0

    def logged_at(self, which: int) -> int:
        """Return the number of the row in attic's log in which that answer of its was written down."""
        rows = self.mosaic("audit", "list", "--device", "attic", "--json").value
        done = [row["n"] for row in rows if (row["entry"]["kind"], row["entry"]["outcome"]) == ("read-logs", "done")]
        return int(done[which])

    def found(self) -> str:
        """Verify, and return what is said against a log; empty when nothing is."""
        ran = self.mosaic("audit", "verify", "--json")
        return "" if ran.code == 0 else str(ran.value["error"]["message"])

    def login(self) -> None:
        """Log this machine's command line in."""
        logged_in = self.owner.logged_in
        with self.owner.client() as client:
            key = client.identity().key
        credentials.save(
            credentials.Credentials(self.hive.url, logged_in.token, logged_in.account, logged_in.name, key)
        )


def write(file: Path, statement: str) -> None:
    with sqlite3.connect(file, timeout=30) as connection:
        assert connection.execute(statement).rowcount > 0
    connection.close()


@pytest.fixture
def world(tmp_path: Path, mosaic: Mosaic) -> Iterator[World]:
    (tmp_path / "hive").mkdir()
    with running_hive(tmp_path / "hive", clock=SystemClock()) as hive:
        write_app(tmp_path / "hive" / "catalog", compose=WITH_ACTIONS)
        owner = hive.set_up()
        identity = enrol(tmp_path / "attic", owner.join_token("attic"), "attic", passphrase=PASSPHRASE)
        with running_device(tmp_path / "attic", identity) as attic:
            eventually(lambda: owner.devices()[0].connected)
            owner.install()
            eventually(lambda: (r := owner.installation().reports.get(identity.device)) and r.phase == "running")
            made = World(tmp_path, hive, owner, attic, mosaic)
            made.login()
            known_devices.remember(identity.account, identity.keys)
            yield made


def test_actions_are_listed_with_what_they_ask_for(world: World) -> None:
    told = world.mosaic("actions", "notes").stdout

    assert "register" in told
    assert "Register a user" in told
    assert "user, role (user|administrator), password (secret)" in told


def test_an_action_is_run_and_its_secret_is_nowhere_but_on_standard_input(world: World, tmp_path: Path) -> None:
    """G6, G8."""
    world.attic.engine.action_ends = Finished((), 0, b"Success!\n", b"", False)
    (tmp_path / "password").write_text(SECRET + "\n")

    ran = world.mosaic(
        *("actions", "notes", "register", "--set", "user=ada", "--set", "role=administrator"),
        *("--secret-file", str(tmp_path / "password")),
    )

    assert (ran.code, ran.stdout) == (0, "Success!\n")
    ((argv, stdin),) = world.attic.engine.acted
    assert argv[-6:] == ["--", "web", "register", "--user", "ada", "--admin"]
    assert stdin == f"{SECRET}\n".encode()
    (tmp_path / "password").unlink()
    kept = [file for file in tmp_path.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]
    assert kept == []


def register(world: World, *words: str, secret: Path) -> Ran:
    """Run the action that has a secret input."""
    given = ("actions", "notes", "register", "--set", "user=ada", "--set", "role=user", "--secret-file", str(secret))
    return world.mosaic(*given, "--json", *words)


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text(SECRET + "\n")
    return file


def forget_devices(config_folder: Path) -> None:
    shutil.rmtree(config_folder / "mosaic" / "known")


def test_a_device_is_recognised_by_the_root_key_before_the_first_secret_for_it_and_known_afterwards(
    world: World, config_folder: Path, secret_file: Path, words_file: str
) -> None:
    world.attic.engine.action_ends = Finished((), 0, b"Success!\n", b"", False)
    forget_devices(config_folder)

    unasked = register(world, secret=secret_file)
    first = register(world, "--passphrase-file", words_file, secret=secret_file)
    second = register(world, secret=secret_file)

    assert (unasked.code, unasked.value["error"]["code"]) == (1, "no-terminal")
    assert (first.code, second.code, len(world.attic.engine.acted)) == (0, 0, 2)


@pytest.mark.parametrize("is_known", [True, False], ids=["known here", "seen for the first time"])
@pytest.mark.parametrize(
    ("lie", "code"),
    [
        ("wrapping_key = '{theirs}'", "device-forged"),
        ("wrapping_key = '{theirs}', key_proof = NULL", "device-unproved"),
    ],
    ids=["its key", "its key, and no proof"],
)
def test_a_hive_that_names_another_key_for_the_secrets_of_an_action_gets_none(
    world: World, config_folder: Path, secret_file: Path, words_file: str, lie: str, code: str, *, is_known: bool
) -> None:
    """G6: what a Hive could read is never made."""
    if not is_known:
        forget_devices(config_folder)
    world.in_hive(f"UPDATE devices SET {lie.format(theirs=x25519.generate().public)}")

    ran = register(world, "--passphrase-file", words_file, secret=secret_file)

    assert (ran.code, ran.value["error"]["code"]) == (1, "device-forged" if is_known else code)
    assert "app-action" not in [row["entry"]["kind"] for row in world.mosaic("audit", "list", "--json").value]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["register", "--set", "user=ada; reboot", "--set", "role=user"], "action-refused"),
        (["register", "--set", "user=--privileged", "--set", "role=user"], "action-refused"),
        (["register", "--set", "user=ada"], "action-refused"),
        (["register", "--set", "user=ada", "--set", "password=seen by all"], "setting-unusable"),
        (["register", "--set", "user"], "setting-unusable"),
        (["reboot"], "no-such-action"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_hint_and_nothing_is_run(
    world: World, tmp_path: Path, words: list[str], code: str
) -> None:
    (tmp_path / "password").write_text(SECRET)

    ran = world.mosaic("actions", "notes", *words, "--secret-file", str(tmp_path / "password"), "--json")

    assert (ran.code, ran.value["error"]["code"], bool(ran.value["error"]["hint"])) == (1, code, True)
    assert world.attic.engine.acted == []


def test_a_secret_needs_a_terminal_or_a_file(world: World) -> None:
    ran = world.mosaic("actions", "notes", "register", "--set", "user=ada", "--set", "role=user", "--json")

    assert (ran.code, ran.value["error"]["code"]) == (1, "no-terminal")


def test_a_device_that_knows_no_actions_is_named_and_stays_connected(world: World) -> None:
    old = FakeDevice("old")
    old.join(world.owner.join_token("old"))
    old.connect()

    ran = world.mosaic("audit", "list", "--device", "old", "--json")

    assert (ran.code, ran.value["error"]["code"]) == (1, "device-too-old")
    assert old.commands == []
    assert "old" in world.mosaic("audit", "verify", "--json").value["not_compared"]
    old.disconnect()


def test_who_ordered_what_and_what_came_of_it_is_listed_on_both_sides(world: World) -> None:
    world.order()

    ours = world.mosaic("audit", "list", "--json").value
    theirs = world.mosaic("audit", "list", "--device", "attic", "--json").value

    told = [(row["entry"]["by"], row["entry"]["kind"], row["entry"]["outcome"]) for row in ours]
    assert ("owner", "installed", "") in told
    assert ("scheduler", "holder-changed", "") in told
    assert told[-2:] == [("owner", "read-logs", "ordered"), ("owner", "read-logs", "done")]
    assert [row["entry"]["outcome"] for row in theirs if row["entry"]["kind"] == "read-logs"] == ["begun", "done"]
    assigned = [row["entry"]["said"]["goal"] for row in theirs if row["entry"]["kind"] == "assigned"]
    assert assigned[0] == "run"


def test_logs_that_nobody_touched_fit_however_often_they_are_compared(world: World) -> None:
    world.order(2)

    assert [world.found() for _ in range(3)] == ["", "", ""]
    assert "It fits the logs of attic." in world.mosaic("audit", "verify").stdout


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        ("UPDATE audit SET entry = replace(entry, 'read-logs', 'doctor') WHERE n = {at}", "row {at} was changed"),
        ("DELETE FROM audit WHERE n = {at}", "row {at} was removed"),
        ("UPDATE audit SET n = CASE n WHEN {at} THEN -1 ELSE n END WHERE n = {at}", "removed"),
        ("DELETE FROM audit WHERE n < {at}", "were removed, and no row says that they were let go"),
        ("DELETE FROM audit WHERE n >= {at}", "attic knows row"),
    ],
)
def test_who_writes_in_the_hives_log_is_found_and_the_row_named(world: World, attack: str, said: str) -> None:
    world.order(4)
    rows = world.mosaic("audit", "list", "--json").value
    at = next(row["n"] for row in rows if row["entry"]["kind"] == "read-logs" and row["n"] > rows[-1]["n"] - 6)

    world.in_hive(attack.format(at=at))

    assert said.format(at=at) in world.found()


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        (
            "UPDATE entries SET value = replace(value, 'read-logs', 'doctor') WHERE {it} = '{key}'",
            "row {at} was changed",
        ),
        ("DELETE FROM entries WHERE {it} = '{key}'", "row {at} was removed"),
        ("DELETE FROM entries WHERE {it} < '{key}'", "were removed, and no row says that they were let go"),
        ("DELETE FROM entries WHERE bucket LIKE 'audit%'", "the log of attic"),
    ],
)
def test_who_writes_in_a_devices_log_is_found_and_the_row_named(world: World, attack: str, said: str) -> None:
    world.order(4)

    at = world.logged_at(2)

    world.on_device(attack.format(it="bucket = 'audit' AND key", key=f"{at:019d}"))

    assert said.format(at=at) in world.found()


def test_a_devices_log_that_was_cut_is_found_though_it_went_on(world: World) -> None:
    world.order(4)
    at = world.logged_at(1)
    with sqlite3.connect(world.ledger) as ledger:
        kept = f"SELECT value FROM entries WHERE bucket = 'audit' AND key = '{at:019d}'"
        (text,) = ledger.execute(kept).fetchone()
    ledger.close()
    row = json.loads(text)
    head = json.dumps({"n": row["n"], "hash": row["hash"], "first": 1})

    world.on_device(f"DELETE FROM entries WHERE bucket = 'audit' AND key > '{at:019d}'")
    world.on_device(f"UPDATE entries SET value = '{head}' WHERE bucket = 'audit-head'")

    assert f"the Hive knows row {at + 2} of the log of attic, which is not there" in world.found()


def test_a_hive_that_came_back_from_an_older_copy_is_not_accused(world: World) -> None:
    world.order(2)
    newest = world.mosaic("audit", "list", "--json").value[-1]["n"]
    world.order(2)
    world.in_hive(f"DELETE FROM audit WHERE n > {newest}")
    account = AccountId(world.owner.logged_in.account)
    recovered = Happened(account, "hive-recovered", account, "The roll call is over.")
    world.hive.ask(lambda hive: hive.write(lambda tx: events.add(tx, recovered, now_ns=1, by="hive")))
    world.order(2)

    assert world.found() == ""
    assert f"what it wrote before from row {newest + 1} on is lost" in world.mosaic("audit", "verify").stdout
