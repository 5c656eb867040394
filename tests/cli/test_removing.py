"""`mosaic device remove`: the plan, what is accepted with it, and how its end is told."""

from collections.abc import Callable

import msgspec

from cli import samples
from cli.conftest import FakeHive, problem
from mosaic.wire.removal import LeavingApp, RemovalPlan
from support.ran import Json, Ran

Mosaic = Callable[..., Ran]

ATTIC = samples.device("attic")
PATH = f"/api/devices/{ATTIC.device}/removal"
MOVES = LeavingApp("n1", "notes", "move", "c1", "cellar", 90.0)
STOPS = LeavingApp("n2", "diary", "stop")
LOST = LeavingApp("n3", "draft", "lost", lose_seconds=None)


def plan(*apps: LeavingApp, removed: bool = False, asked_ns: int | None = None, reachable: bool = True) -> RemovalPlan:
    return RemovalPlan(ATTIC.device, "attic", reachable, asked_ns, removed, list(apps), {}, [])


def test_the_plan_is_shown_and_nothing_is_changed(mosaic: Mosaic, logged_in: FakeHive) -> None:
    logged_in.answers |= {"GET /api/devices": [ATTIC], f"GET {PATH}": plan(MOVES, STOPS, LOST, reachable=False)}
    told = mosaic("device", "remove", "attic", "--force", "--dry-run").stdout
    assert "attic is not connected: it can hand nothing over." in told
    assert "notes moves to cellar; what was written in the last 1 min 30 s is lost" in told
    assert "diary is stopped, until `mosaic move` says where it goes" in told
    assert "draft is lost, for nothing of it was ever replicated" in told
    assert told.endswith("Nothing was changed.\n")
    assert not any(asked.startswith("POST") for asked, _ in logged_in.asked)


def test_what_the_plan_says_is_lost_is_what_is_accepted(mosaic: Mosaic, logged_in: FakeHive) -> None:
    sent: list[Json] = []

    def begun(body: Json) -> RemovalPlan:
        sent.append(body)
        return plan(removed=True)

    logged_in.answers |= {
        "GET /api/devices": [ATTIC],
        "GET /api/volumes": [],
        f"GET {PATH}": plan(MOVES, LOST),
        f"POST {PATH}": begun,
    }
    assert mosaic("device", "remove", "attic", "--force", "--yes").code == 0
    assert sent == [{"to": None, "stop": False, "force": True, "lose_seconds": {"n1": 90.0}}]


def test_it_is_followed_until_the_hive_knows_the_device_no_more(mosaic: Mosaic, logged_in: FakeHive) -> None:
    looks = [plan(STOPS), plan(STOPS, asked_ns=1)]

    def look(_: Json) -> object:
        return looks.pop(0) if looks else (404, problem("device-unknown", "there is no attic", "look"))

    logged_in.answers |= {
        "GET /api/devices": [ATTIC],
        "GET /api/volumes": [],
        f"GET {PATH}": look,
        f"POST {PATH}": plan(STOPS, asked_ns=1),
    }
    told = mosaic("device", "remove", "attic", "--stop", "--yes")
    assert (told.code, "attic is no longer a Device of this account." in told.stdout) == (0, True)


def test_an_app_that_cannot_leave_ends_it_with_why_and_what_to_type(mosaic: Mosaic, logged_in: FakeHive) -> None:
    stuck = LeavingApp("n1", "notes", "move", "c1", "cellar", problem="cellar cannot take notes: no room")
    logged_in.answers |= {
        "GET /api/devices": [ATTIC],
        "GET /api/volumes": [],
        f"GET {PATH}": plan(stuck, asked_ns=1),
        f"POST {PATH}": plan(MOVES, asked_ns=1),
    }
    told = mosaic("device", "remove", "attic", "--yes")
    assert told.code == 1
    assert "no room" in told.stderr and "--move-to DEVICE" in told.stderr


def test_meanwhile_the_list_and_its_page_say_that_it_is_being_removed(mosaic: Mosaic, logged_in: FakeHive) -> None:
    leaving = msgspec.structs.replace(ATTIC, leaving=True)
    logged_in.answers["GET /api/devices"] = [leaving, samples.device("cellar", "c1")]
    attic, cellar = mosaic("device", "list").stdout.splitlines()[1:]
    assert ("being removed" in attic, "being removed" in cellar) == (True, False)
    assert "`mosaic device remove attic --dry-run` says how it stands" in mosaic("device", "show", "attic").stdout


def test_a_removal_is_taken_back(mosaic: Mosaic, logged_in: FakeHive) -> None:
    logged_in.answers |= {"GET /api/devices": [ATTIC], f"DELETE {PATH}": (204, None)}
    assert mosaic("device", "remove", "attic", "--keep").stdout.startswith("attic stays.")


def test_nobody_agreed_and_nothing_is_changed(mosaic: Mosaic, logged_in: FakeHive) -> None:
    logged_in.answers |= {"GET /api/devices": [ATTIC], f"GET {PATH}": plan(MOVES)}
    told = mosaic("device", "remove", "attic", "--json")
    assert told.value["error"]["code"] == "removal-not-confirmed"
