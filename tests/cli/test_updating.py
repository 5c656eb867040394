"""`mosaic update` and `mosaic rollback`: what they ask, how they end, what they say."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from cli.conftest import FakeHive, problem
from cli.samples import DEVICE, installation, report
from mosaic.crypto import approvals
from mosaic.wire.api import Account, GoingBack, Installation, Logs
from mosaic.wire.storage import Failure
from mosaic.wire.updating import UpdateState
from mosaic.wire.versions import Generation, ServiceChange, UpdatePlan, Updating
from support.ran import Ran
from support.running_hive import PASSPHRASE, made_keys

Mosaic = Callable[..., Ran]
NEW = "sha256:" + "1" * 64
WISH = Updating("w", NEW, "2.0", False, 1, 30)
DONE = replace(WISH, ended_ns=2, outcome="done")
FAILED = replace(
    WISH, ended_ns=2, outcome="failed", failure=Failure("web-unwell", "web exited with 1.", "look at it"), kept="1.1-9"
)
PLAN = UpdatePlan(
    app_digest_before="sha256:" + "0" * 64,
    app_digest_after=NEW,
    label_before="1.0",
    label_after="2.0",
    services=[
        ServiceChange("db", None, "db:1"),
        ServiceChange("web", "web:1", "web:2", ["NEW"], ["OLD"], ["TOKEN"]),
        ServiceChange("worker", "web:1", "web:1", settings=["command", "healthcheck"]),
    ],
    volumes_added=["cache"],
    volumes_removed=[],
    ports_added=[],
    ports_removed=["web 8080/tcp"],
    asks=["capability:SYS_NICE"],
    fetch_bytes=12_000_000,
    failed=1,
)
RAN = [
    Generation(2, NEW, "2.0", 10**18, None, None),
    Generation(1, "sha256:" + "0" * 64, "1.0", 9 * 10**17, "ab" * 32, 95 * 10**16),
]
PATH = "/api/installations/notes"


def seen(wish: Updating | None = None, *, app: Installation | None = None) -> Installation:
    return replace(app or installation(reports={DEVICE: report()}), updating=wish, label="2.0")


def answering(hive: FakeHive, *looks: Installation) -> None:
    """Answer that a wish was taken, then each look, the last one for ever."""
    left = list(looks)
    hive.answers[f"POST {PATH}/update"] = seen(WISH)
    hive.answers["GET /api/installations/abc"] = lambda _: left.pop(0) if len(left) > 1 else left[0]


def test_an_update_is_watched_until_it_counts(mosaic: Mosaic, logged_in: FakeHive) -> None:
    trying = replace(WISH, state=UpdateState("w", "trying"))
    answering(logged_in, seen(WISH), seen(trying), seen(DONE))
    ran = mosaic("update", "notes", "--gate", "5")
    assert ran.code == 0, ran.stderr
    assert "notes runs 2.0." in ran.stdout
    asked = logged_in.asked[0][1]
    assert (asked["digest"], asked["gate_seconds"], asked["again"]) == (None, 5, False)


def test_an_update_that_went_back_has_failed_and_says_why_and_where_what_it_wrote_is(
    mosaic: Mosaic, logged_in: FakeHive
) -> None:
    answering(logged_in, seen(FAILED))
    ran = mosaic("update", "notes")
    assert ran.code == 1
    assert ran.stderr.splitlines() == [
        "error: notes: it was not updated and runs as before: web exited with 1. What it wrote is kept as 1.1-9",
        "hint: look at it",
    ]
    ran = mosaic("update", "notes", "--json")
    assert json.loads(ran.stdout)["error"]["code"] == "work-failed"


def test_a_stopped_app_is_updated_when_it_is_started(mosaic: Mosaic, logged_in: FakeHive) -> None:
    fetched = replace(WISH, state=UpdateState("w", "fetched"))
    answering(logged_in, seen(fetched, app=installation(wanted="stop", reports={DEVICE: report("stopped")})))
    ran = mosaic("update", "notes")
    assert (ran.code, "mosaic start notes" in ran.stdout) == (0, True)


def test_an_update_need_not_be_watched(mosaic: Mosaic, logged_in: FakeHive) -> None:
    logged_in.answers[f"POST {PATH}/update"] = seen(WISH)
    ran = mosaic("update", "notes", "--no-wait", "--to", NEW, "--again", "--json")
    assert json.loads(ran.stdout)["updating"]["id"] == "w"
    asked = logged_in.asked[0][1]
    assert (asked["digest"], asked["again"]) == (NEW, True)


def test_a_dry_run_is_a_table_of_what_differs(mosaic: Mosaic, logged_in: FakeHive) -> None:
    logged_in.answers[f"POST {PATH}/update-plan"] = PLAN
    ran = mosaic("update", "notes", "--dry-run")
    assert ran.stdout.splitlines() == [
        "notes: 1.0 → 2.0",
        "",
        "WHAT                NOW        THEN",
        "service db          –          db:1",
        "service web         web:1      web:2",
        "service web: NEW    –          set",
        "service web: OLD    set        –",
        "service web: TOKEN  set        set to something else",
        "service worker      web:1      the same image, another command, healthcheck",
        "volume cache        –          new, empty",
        "port web 8080/tcp   published  –",
        "",
        "At most 12.0 MB are fetched for it.",
        "It needs what notes is not granted: mosaic policy notes --grant capability:SYS_NICE",
        "It failed here once before, and was taken back: mosaic update notes --report",
        "Nothing was changed.",
    ]
    assert json.loads(mosaic("update", "notes", "--dry-run", "--json").stdout)["label_after"] == "2.0"


def test_what_a_catalog_calls_things_moves_no_cursor(mosaic: Mosaic, logged_in: FakeHive) -> None:
    logged_in.answers[f"POST {PATH}/update-plan"] = replace(
        PLAN, label_after="2\x1b[2J", services=[ServiceChange("web", "web:1\x1b[2J", "web:2")]
    )
    ran = mosaic("update", "notes", "--dry-run")
    assert ran.code == 0 and "\x1b" not in ran.stdout


def test_what_nobody_vouches_for_is_approved_with_the_passphrase(
    mosaic: Mosaic, logged_in: FakeHive, tmp_path: Path
) -> None:
    made = made_keys()
    missing = (409, problem("approval-missing", "nobody vouches for it", "approve it"))
    answers: list[object] = [missing, seen(DONE)]
    logged_in.answers[f"POST {PATH}/update"] = lambda _: answers.pop(0)
    logged_in.answers[f"POST {PATH}/update-plan"] = PLAN
    logged_in.answers[f"GET {PATH}"] = seen()
    logged_in.answers["GET /api/account"] = Account("account", "owner", made.new.keys)
    words = tmp_path / "words"
    words.write_text(PASSPHRASE)
    ran = mosaic("update", "notes", "--no-wait", "--passphrase-file", str(words))
    assert ran.code == 0, ran.stderr
    signed = logged_in.asked[-1][1]
    assert signed["digest"] == signed["approval"]["digest"] == NEW
    owner_key = made.new.keys.owner_key
    signature = signed["approval"]["signature"]
    assert approvals.is_approved(signature, owner_key=owner_key, account="account", app="notes", digest=NEW)
    assert PASSPHRASE not in json.dumps(logged_in.asked)


def test_following_and_calling_off_and_the_report(mosaic: Mosaic, logged_in: FakeHive) -> None:
    logged_in.answers[f"PUT {PATH}/follows"] = seen()
    assert "takes newer versions by itself" in mosaic("update", "notes", "--follow").stdout
    assert "takes no newer version by itself" in mosaic("update", "notes", "--no-follow").stdout
    assert [asked["follows"] for _, asked in logged_in.asked] == [True, False]
    logged_in.answers[f"POST {PATH}/cancel-update"] = seen()
    assert "No update is under way" in mosaic("update", "notes", "--cancel").stdout
    logged_in.answers[f"GET {PATH}/update-report"] = Logs("web: cannot open database\n")
    assert mosaic("update", "notes", "--report").stdout == "web: cannot open database\n"
    assert mosaic("update", "notes", "--cancel", "--dry-run").code == 2


def test_rolling_back_is_watched_and_names_what_it_goes_back_to(mosaic: Mosaic, logged_in: FakeHive) -> None:
    going = GoingBack("g", "v", "ab" * 32, None, 1, NEW, 1)
    logged_in.answers[f"GET {PATH}/generations"] = RAN
    logged_in.answers[f"POST {PATH}/rollback"] = replace(seen(), going_back=going)
    logged_in.answers["GET /api/installations/abc"] = replace(
        seen(), label="1.0", going_back=replace(going, ended_ns=2, saved="cd" * 32)
    )
    ran = mosaic("rollback", "notes", "--yes")
    assert ran.code == 0, ran.stderr
    assert "notes runs 1.0." in ran.stdout
    assert (
        f"What was there before is snapshot {'cd' * 6}.\nTo go back to that: mosaic rollback notes --to 2" in ran.stdout
    )
    assert logged_in.asked[1] == (f"POST {PATH}/rollback", {"to": None, "keep_data": False})


def test_rolling_back_with_the_data_kept_is_watched_like_an_update(mosaic: Mosaic, logged_in: FakeHive) -> None:
    answering(logged_in, seen(FAILED))
    logged_in.answers[f"GET {PATH}/generations"] = RAN
    logged_in.answers[f"POST {PATH}/rollback"] = seen(WISH)
    ran = mosaic("rollback", "notes", "--to", "1", "--keep-data")
    assert (ran.code, "web exited with 1" in ran.stderr) == (1, True)
    assert logged_in.asked[1][1] == {"to": 1, "keep_data": True}


def test_the_list_of_generations_says_which_is_the_present_one(mosaic: Mosaic, logged_in: FakeHive) -> None:
    logged_in.answers[f"GET {PATH}/generations"] = RAN
    ran = mosaic("rollback", "notes", "--list")
    present, former = ran.stdout.splitlines()[1:]
    assert present.startswith("2  2.0") and present.endswith("the present")
    assert former.startswith("1  1.0") and "snapshot abababababab" in former
    assert len(json.loads(mosaic("rollback", "notes", "--list", "--json").stdout)) == 2


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (replace(WISH, state=UpdateState("w", "trying")), "to 2.0: trying"),
        (WISH, "to 2.0: waits for its device"),
        (FAILED, "web exited with 1"),
        (DONE, "to 2.0, "),
    ],
)
def test_show_says_the_version_a_newer_one_and_how_the_last_update_went(
    mosaic: Mosaic, logged_in: FakeHive, wish: Updating, said: str
) -> None:
    logged_in.answers[f"GET {PATH}"] = replace(seen(wish), newest="2.1", follows=True)
    logged_in.answers["GET /api/devices"] = []
    told = mosaic("show", "notes").stdout
    assert "version:   2.0" in told and "2.1: mosaic update notes" in told
    assert said in told
