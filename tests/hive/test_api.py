"""The API as a whole: its description holds, its refusals are problems, its events go on where one stopped."""

import contextlib
import random
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import content_type_conformance
from uvicorn.protocols.websockets import websockets_sansio_impl
from websockets.sync import connection

from mosaic.core.ids import AccountId
from mosaic.hive.console import feed
from mosaic.hive.runtime import Hive
from mosaic.hive.stories import KINDS
from mosaic.wire import api as wire_api
from mosaic.wire import blobs as wire_blobs
from mosaic.wire import enrol as wire_enrol
from mosaic.wire import packages as wire_packages
from mosaic.wire.api import Event
from mosaic.wire.problem import Problem
from support.fake_device import FakeDevice
from support.manual_clock import ManualClock
from support.plain_http import TRUSTS_NOBODY
from support.running_hive import Owner, running_hive
from support.waiting import eventually

pytestmark = pytest.mark.long

_CONTRACTS = (wire_api, wire_blobs, wire_enrol, wire_packages)

Join = Callable[[str], FakeDevice]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Owner]:
    """A Hive whose owner has a Device and an app, for all requests of this module."""
    with pytest.MonkeyPatch.context() as patched, running_hive(tmp_path_factory.mktemp("served")) as hive:
        # The pings of both ends take numbers from the generator that requests are made up from, in the same process.
        patched.setattr(websockets_sansio_impl, "random", random.Random())
        patched.setattr(connection, "random", random.Random())
        owner = hive.set_up()
        attic = FakeDevice("attic")
        attic.join(owner.join_token())
        attic.connect()
        owner.install()
        eventually(lambda: owner.installation().phase == "settled")
        yield owner
        attic.disconnect()


def test_no_request_of_the_described_shape_breaks_the_hive(served: Owner) -> None:
    described = schemathesis.openapi.from_url(f"{served.hive.url}/schema/openapi.json")
    # The stream never ends, and the logout would end the rest.
    asked = described.exclude(path="/api/events").exclude(path="/api/logout")
    found = list(asked.get_all_operations())
    operations = [one.ok() for one in found if isinstance(one, Ok)]
    assert len(operations) == len(found), "a part of the description cannot be read"
    assert len(operations) > 30
    for operation in operations:
        _try_out(operation, served)


def _try_out(operation: APIOperation[Any, Any, Any, Any], served: Owner) -> None:
    as_owner = {"Authorization": f"Bearer {served.logged_in.token}"}

    @given(case=operation.as_strategy())
    @settings(max_examples=6, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def tried(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(headers=as_owner, checks=[not_a_server_error, content_type_conformance])

    tried()


def test_the_description_is_openapi_3_1_and_the_contract_lists_just_what_is_served(served: Owner) -> None:
    described = httpx2.get(f"{served.hive.url}/schema/openapi.json", trust_env=False, verify=TRUSTS_NOBODY).json()
    assert described["openapi"].startswith("3.1")
    operations = {(verb.upper(), _shape(path)) for path, verbs in described["paths"].items() for verb in verbs}
    tables = "\n".join(module.__doc__ or "" for module in _CONTRACTS)
    row = re.compile(r"^\| ([A-Z]+) (/api/(?:\{[^}]*\}|[^\s|{])+)", re.MULTILINE)
    assert {(verb, _shape(path)) for verb, path in row.findall(tables)} == operations


def _shape(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path.split("?")[0]).rstrip(":")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("POST", "/api/login", b'{"name": 1, "password": "x"}', 400, "name"),
        ("POST", "/api/login", b"not json", 400, ""),
        ("POST", "/api/installations/notes/move", b'{"to": ["x"]}', 400, "to"),
        ("GET", "/api/nothing", b"", 404, ""),
        ("PATCH", "/api/devices", b"", 405, ""),
        ("POST", "/api/login", b'{"name": "' + b"x" * 2**20 + b'"}', 413, ""),
    ],
)
def test_every_refusal_is_a_problem_of_one_sentence(
    served: Owner, method: str, path: str, body: bytes, status: int, said: str
) -> None:
    headers = {"Authorization": f"Bearer {served.logged_in.token}", "Content-Type": "application/json"}
    answer = httpx2.request(
        method, served.hive.url + path, content=body, headers=headers, trust_env=False, verify=TRUSTS_NOBODY
    )
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = msgspec.json.decode(answer.content, type=Problem)
    assert (problem.status, bool(problem.hint), said in problem.detail) == (status, True, True)
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/hive", 200),
        ("GET", "/api/devices", 401),
        ("GET", "/api/nothing", 404),
        ("PATCH", "/api/devices", 405),
        ("POST", "/api/login", 400),
        ("GET", "/schema/nothing", 404),
        ("GET", "/login", 200),
        ("GET", "/", 303),
        ("GET", "/nothing", 404),
        ("GET", "/static/nothing.js", 404),
        ("GET", "/apps/a/b/c", 404),
        ("PATCH", "/login", 405),
    ],
)
def test_every_answer_and_every_refusal_forbids_frames_sniffing_and_scripts_from_elsewhere(
    served: Owner, method: str, path: str, status: int
) -> None:
    answer = httpx2.request(method, served.hive.url + path, trust_env=False, verify=TRUSTS_NOBODY)
    policy = answer.headers["Content-Security-Policy"]
    assert answer.status_code == status
    assert "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/apps/a/b/c", 404),
        ("GET", "/static/nothing.js", 404),
        ("GET", "/apifaces", 404),
        ("PATCH", "/login", 405),
        ("GET", "/live/nothing", 404),
    ],
)
def test_what_is_no_page_is_answered_with_a_page(served: Owner, method: str, path: str, status: int) -> None:
    answer = httpx2.request(method, served.hive.url + path, trust_env=False, verify=TRUSTS_NOBODY)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert '<main id="main"' in answer.text


def test_a_fault_of_the_hive_is_a_page_to_people_and_a_problem_to_programs(
    served: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks(_hive: object) -> None:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr("mosaic.hive.views.setup_state", breaks)
    for path, kind in (("/login", "text/html"), ("/api/setup", "application/problem+json")):
        answer = httpx2.get(served.hive.url + path, trust_env=False, verify=TRUSTS_NOBODY)
        assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (500, kind)
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert "request_broke" in answer.text
        assert "secret" not in answer.text


@contextlib.contextmanager
def stream(owner: Owner, last: int | None = None) -> Iterator[Iterator[str]]:
    """The lines of the event stream."""
    headers = {"Authorization": f"Bearer {owner.logged_in.token}"}
    if last is not None:
        headers["Last-Event-ID"] = str(last)
    url = f"{owner.hive.url}/api/events"
    with (
        httpx2.Client(trust_env=False, verify=TRUSTS_NOBODY, timeout=60) as client,
        client.stream("GET", url, headers=headers) as answer,
    ):
        yield answer.iter_lines()


def event_of(lines: Iterator[str]) -> Event:
    return next(msgspec.json.decode(line[6:], type=Event) for line in lines if line.startswith("data: "))


def test_events_come_live_and_go_on_after_the_last_one_seen(owner: Owner) -> None:
    with stream(owner) as lines:
        assert next(lines) == "retry: 2000"
        attic = FakeDevice("attic")
        attic.join(owner.join_token())
        first = event_of(lines)
        assert (first.kind, first.subject, first.text) == ("device-joined", attic.id, "attic has joined.")
    FakeDevice("cellar").join(owner.join_token())
    with stream(owner, first.id) as lines:
        assert event_of(lines).text == "cellar has joined."


def test_a_stream_ends_with_the_session_that_asked_for_it(owner: Owner, clock: ManualClock) -> None:
    with stream(owner) as lines:
        assert next(lines) == "retry: 2000"
        token = owner.join_token()
        with owner.client() as client:
            client.order("POST", "/api/logout", None)
        clock.advance(2)
        FakeDevice("attic").join(token)
        assert not [line for line in lines if line.startswith("data: ")]


def test_a_stream_says_that_it_lives_however_much_happens_to_others(owner: Owner, clock: ManualClock) -> None:
    async def unrelated(hive: Hive) -> None:
        await hive.write(lambda _: None)

    said: list[str] = []
    with stream(owner) as lines:
        reader = threading.Thread(
            target=lambda: said.append(next(line for line in lines if line.startswith((":", "data"))))
        )
        reader.start()
        while reader.is_alive():
            clock.advance(30)
            owner.hive.ask(unrelated)
            reader.join(0.1)
    assert said == [": still here"]


def test_recent_events_are_the_newest_first_and_hide_what_only_wakes_pages(owner: Owner) -> None:
    attic = FakeDevice("attic")
    attic.join(owner.join_token())
    attic.connect()
    eventually(lambda: any(event.kind == "device-reported" for event in owner.happened()))
    lately = owner.hive.ask(lambda hive: feed.recent(hive, AccountId(owner.logged_in.account), limit=2))
    attic.disconnect()
    assert [event.kind for event in lately] == ["device-connected", "device-joined"]


def test_every_event_has_a_documented_kind(owner: Owner, joined: Join) -> None:
    joined("attic"), joined("cellar")
    owner.install(device="attic")
    eventually(lambda: owner.installation().phase == "settled")
    owner.move("cellar")
    eventually(lambda: owner.installation().phase == "settled" and owner.installation().target is None)
    owner.uninstall()
    happened = owner.happened()
    assert {event.kind for event in happened} <= KINDS
    assert {"installed", "settled", "holder-changed", "move-preparing", "uninstalled"} <= {
        each.kind for each in happened
    }


def test_an_open_stream_does_not_keep_the_hive_from_stopping(tmp_path: Path) -> None:
    with running_hive(tmp_path) as hive:
        owner = hive.set_up()
        with stream(owner) as lines:
            assert next(lines) == "retry: 2000"
            hive.stop()
            with pytest.raises(StopIteration):
                while True:
                    next(lines)
