"""Commands against a Hive that answers from a table: what they ask, and what they print."""

import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from cli.conftest import FakeHive, problem
from cli.samples import ATTIC, DEVICE, device, installation, report
from mosaic.cli import credentials, follow
from mosaic.crypto import passphrase, unwrap
from mosaic.crypto.account import Made
from mosaic.wire.account import AccountKeys
from mosaic.wire.api import Account, LoggedIn, TrashEntry
from mosaic.wire.report import InstallationReport
from mosaic.wire.storage import Failure
from support.ran import Ran
from support.running_hive import PASSPHRASE

pytestmark = pytest.mark.long

Mosaic = Callable[..., Ran]


def looks(*seen: object) -> Callable[[object], object]:
    """Answer each look with the next thing, and the last one for ever."""
    left: Iterator[object] = iter(seen)
    last = [seen[-1]]

    def answer(_: object) -> object:
        last[0] = next(left, last[0])
        return last[0]

    return answer


def test_login_keeps_the_token_in_a_private_file_and_pins_the_hive(
    mosaic: Mosaic, hive: FakeHive, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text("hunter2\n")
    hive.answers["POST /api/login"] = LoggedIn("the-token", "account", "owner")
    ran = mosaic("login", hive.url, "--name", "owner", "--password-file", str(password), "--json")
    assert ran.code == 0, ran.stderr
    assert stat.S_IMODE(credentials.path().stat().st_mode) == 0o600
    assert credentials.load().token == "the-token"
    assert "the-token" not in ran.stdout
    assert hive.asked[0][1]["password"] == "hunter2"


def test_login_sends_no_password_to_a_hive_with_another_fingerprint(
    mosaic: Mosaic, hive: FakeHive, tmp_path: Path
) -> None:
    ran = mosaic("login", hive.url, "--name", "owner", "--fingerprint", "00" * 32)
    assert ran.code == 1
    assert hive.asked == []


def test_nothing_is_sent_to_a_hive_that_cannot_prove_its_key(mosaic: Mosaic, logged_in: FakeHive) -> None:
    logged_in.seed = b"x" * 32
    ran = mosaic("apps")
    assert ran.code == 1
    assert "cannot prove" in ran.stderr
    assert logged_in.asked == []


def test_a_password_is_never_taken_over_plain_http_beyond_this_machine(mosaic: Mosaic) -> None:
    ran = mosaic("login", "http://hive.example", "--name", "owner")
    assert ran.code == 1
    assert "not encrypted" in ran.stderr


def test_install_waits_until_the_app_is_healthy(mosaic: Mosaic, logged_in: FakeHive) -> None:
    logged_in.answers["POST /api/installations"] = installation(phase="arriving")
    logged_in.answers["GET /api/installations/abc"] = looks(
        installation(phase="arriving"),
        installation(reports={DEVICE: report("starting", healthy=False)}),
        installation(reports={DEVICE: report()}),
    )
    ran = mosaic("install", "notes", "--set", "COLOUR=blue")
    assert ran.code == 0, ran.stderr
    assert "http://127.0.0.1:8080" in ran.stdout
    assert "http://notes.localhost:8000" in ran.stdout
    assert ran.stderr == ""
    assert logged_in.asked[0][1]["config"] == {"COLOUR": "blue"}


def test_install_says_why_the_device_could_not(
    mosaic: Mosaic, logged_in: FakeHive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "_STUCK_SECONDS", 0.0)
    failure = Failure("image-missing", "the image mosaic/notes-web:1 is not here", "build it with `script/images`")
    logged_in.answers["POST /api/installations"] = installation(phase="arriving")
    logged_in.answers["GET /api/installations/abc"] = installation(
        reports={DEVICE: report("failed", healthy=False, problem=failure)}
    )
    ran = mosaic("install", "notes")
    assert ran.code == 1
    assert ran.stderr.splitlines() == [
        "error: notes: the image mosaic/notes-web:1 is not here",
        "hint: build it with `script/images`",
    ]


def test_a_dry_run_says_that_nothing_was_changed(mosaic: Mosaic, logged_in: FakeHive) -> None:
    logged_in.answers["POST /api/installations"] = installation()
    ran = mosaic("install", "notes", "--dry-run")
    assert "Nothing was changed" in ran.stdout
    assert logged_in.asked[0][1]["dry_run"] is True


def test_move_is_done_when_the_app_is_healthy_on_the_other_device(mosaic: Mosaic, logged_in: FakeHive) -> None:
    logged_in.answers["GET /api/devices"] = [device(), device("attic", ATTIC)]
    logged_in.answers["POST /api/installations/notes/move"] = installation(phase="preparing", target=ATTIC)
    logged_in.answers["GET /api/installations/abc"] = looks(
        installation(phase="draining", target=ATTIC, reports={DEVICE: report()}),
        installation(phase="confirming", device=ATTIC),
        installation(device=ATTIC, reports={ATTIC: report()}),
    )
    ran = mosaic("move", "notes", "--to", "attic", "--json")
    assert ran.code == 0, ran.stderr
    assert ran.value["device"] == ATTIC
    assert logged_in.asked[1][1] == {"to": ATTIC, "force": False, "lose_seconds": None}


def test_a_move_that_came_back_has_failed(mosaic: Mosaic, logged_in: FakeHive) -> None:
    logged_in.answers["GET /api/devices"] = [device(), device("attic", ATTIC)]
    logged_in.answers["POST /api/installations/notes/move"] = installation(phase="preparing", target=ATTIC)
    logged_in.answers["GET /api/installations/abc"] = installation(
        reports={DEVICE: report()}, problem="attic has no room for it"
    )
    ran = mosaic("move", "notes", "--to", "attic")
    assert ran.code == 1
    assert "attic has no room for it" in ran.stderr


def test_a_forced_move_needs_the_loss_to_be_accepted(mosaic: Mosaic, logged_in: FakeHive) -> None:
    logged_in.answers["GET /api/devices"] = [device("attic", ATTIC)]
    forecast = {"holder_connected": False, "newest_replicated_ns": 1, "lose_seconds": 42.0, "problems": []}
    logged_in.answers["GET /api/installations/notes/move-forecast"] = forecast
    logged_in.answers["POST /api/installations/notes/move"] = installation(phase="arriving", device=ATTIC)
    refused = mosaic("move", "notes", "--to", "attic", "--force", "--no-wait")
    assert refused.code == 1
    assert "42 s" in refused.stderr
    assert not any(request.startswith("POST") for request, _ in logged_in.asked)
    accepted = mosaic("move", "notes", "--to", "attic", "--force", "--yes", "--no-wait")
    assert accepted.code == 0
    assert logged_in.asked[-1][1] == {"to": ATTIC, "force": True, "lose_seconds": 42.0}


def trashed(*, saved: bool = False, report: InstallationReport | None = None) -> TrashEntry:
    return TrashEntry("abc", "notes", "notes", 0, 30 * 86400 * 10**9, 0, saved, report)


@pytest.fixture
def leaving(logged_in: FakeHive) -> FakeHive:
    """A Hive that can uninstall notes, which a connected Device runs."""
    logged_in.answers["GET /api/installations/notes"] = installation()
    logged_in.answers["DELETE /api/installations/abc"] = trashed()
    logged_in.answers["GET /api/devices"] = [device()]
    return logged_in


def test_uninstall_waits_until_the_device_has_stopped_it_and_handed_over_its_data(
    mosaic: Mosaic, leaving: FakeHive
) -> None:
    seen = [[trashed(report=report("stopping", healthy=False))], [trashed()], [trashed(saved=True)]]
    leaving.answers["GET /api/trash"] = looks(*seen)
    ran = mosaic("uninstall", "notes", "--yes", "--json")
    assert ran.code == 0, ran.stderr
    assert ran.value["saved"] is True
    assert [request for request, _ in leaving.asked].count("GET /api/trash") == 3


def test_uninstall_does_not_wait_for_a_device_that_is_away(mosaic: Mosaic, leaving: FakeHive) -> None:
    leaving.answers["GET /api/devices"] = [msgspec.structs.replace(device(), connected=False)]
    ran = mosaic("uninstall", "notes", "--yes")
    assert ran.code == 0, ran.stderr
    assert "cellar is not connected: it stops notes as soon as it is back" in ran.stdout


def test_uninstall_says_why_the_device_cannot_stop_it(
    mosaic: Mosaic, leaving: FakeHive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "_STUCK_SECONDS", 0.0)
    failure = Failure("engine-silent", "the engine does not answer", "start it")
    leaving.answers["GET /api/trash"] = [trashed(report=report("failed", healthy=False, problem=failure))]
    ran = mosaic("uninstall", "notes", "--yes")
    assert ran.stderr.splitlines() == ["error: notes: the engine does not answer", "hint: start it"]


def test_ctrl_c_leaves_the_work_going_and_names_where_to_look(mosaic: Mosaic, leaving: FakeHive) -> None:
    leaving.answers["GET /api/trash"] = [trashed()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(follow.Looks, "__next__", _interrupt)
        ran = mosaic("uninstall", "notes", "--yes")
    assert ran.stderr.splitlines() == [
        "error: stopped watching notes; the work goes on without this command",
        "hint: `mosaic trash list` says how it stands",
    ]


def _interrupt(_: object) -> object:
    raise KeyboardInterrupt


def test_uninstall_asks_first_and_names_the_way_back(mosaic: Mosaic, leaving: FakeHive) -> None:
    leaving.answers["GET /api/trash"] = [trashed(saved=True)]
    unasked = mosaic("uninstall", "notes")
    assert unasked.code == 1
    assert "nobody confirmed" in unasked.stderr
    done = mosaic("uninstall", "notes", "--yes")
    assert done.code == 0, done.stderr
    assert "mosaic trash restore notes" in done.stdout


def test_the_trash_restores_by_name(mosaic: Mosaic, logged_in: FakeHive) -> None:
    logged_in.answers["GET /api/trash"] = [TrashEntry("abc", "notes", "notes", 0, 0, 0)]
    logged_in.answers["POST /api/trash/abc/restore"] = installation(phase="arriving")
    logged_in.answers["GET /api/installations/abc"] = installation(reports={DEVICE: report()})
    assert mosaic("trash", "restore", "notes").code == 0
    assert mosaic("trash", "restore", "other").code == 1


def test_the_trash_restores_by_force_only_after_the_loss_was_shown_and_accepted(
    mosaic: Mosaic, logged_in: FakeHive
) -> None:
    logged_in.answers["GET /api/trash"] = [TrashEntry("abc", "notes", "notes", 0, 0, 0, lose_seconds=42.0)]
    logged_in.answers["POST /api/trash/abc/restore"] = installation(phase="arriving")
    refused = mosaic("trash", "restore", "notes", "--device", "attic", "--force", "--no-wait")
    assert (refused.code, "the last 42 s is lost" in refused.stderr) == (1, True)
    assert not any(request.startswith("POST") for request, _ in logged_in.asked)
    assert mosaic("trash", "restore", "notes", "--device", "attic", "--force", "--yes", "--no-wait").code == 0
    assert logged_in.asked[-1][1] == {"device": "attic", "name": None, "force": True, "lose_seconds": 42.0}


def test_passphrase_set_shows_six_words_once_and_sends_none_of_them(mosaic: Mosaic, logged_in: FakeHive) -> None:
    """G6: what leaves this machine opens nothing without the passphrase."""
    logged_in.answers["GET /api/account"] = Account("account", "owner", None)
    logged_in.answers["PUT /api/account/keys"] = Account("account", "owner", None)
    ran = mosaic("passphrase", "set", "--json")
    assert ran.code == 0, ran.stderr
    shown = ran.value
    assert isinstance(shown, dict)
    sent = json.dumps(logged_in.asked[-1][1])
    assert shown["passphrase"] not in sent
    assert shown["recovery_code"] not in sent
    keys = logged_in.asked[-1][1]["new"]["keys"]
    import msgspec

    unwrap.unlock(msgspec.convert(keys, AccountKeys), shown["passphrase"])


def test_a_wrong_passphrase_changes_nothing(mosaic: Mosaic, with_keys: FakeHive, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("not the passphrase at all")
    ran = mosaic("passphrase", "rotate", "--passphrase-file", str(wrong))
    assert ran.code == 1
    assert "not the passphrase" in ran.stderr
    assert [request for request, _ in with_keys.asked] == ["GET /api/account"]


def test_rotate_proves_the_old_passphrase(mosaic: Mosaic, with_keys: FakeHive, made: Made, words_file: str) -> None:
    with_keys.answers["PUT /api/account/keys"] = Account("account", "owner", None)
    ran = mosaic("passphrase", "rotate", "--passphrase-file", words_file, "--json")
    assert ran.code == 0, ran.stderr
    sent = with_keys.asked[-1][1]
    auth_key = passphrase.derive(PASSPHRASE, made.new.keys.kdf).auth_key.reveal().hex()
    assert sent["previous_auth_key"] == auth_key
    assert sent["new"]["keys"]["version"] == 2


def test_logout_forgets_even_when_the_hive_refuses(mosaic: Mosaic, logged_in: FakeHive) -> None:
    logged_in.answers["POST /api/logout"] = (401, problem("not-signed-in", "who are you", "log in"))
    assert mosaic("logout").code == 0
    assert not credentials.path().exists()
