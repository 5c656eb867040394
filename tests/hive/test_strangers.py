"""Who does not own a volume gets at nothing of it: another account, its Device, a Device that nobody admitted."""

from collections.abc import Callable
from dataclasses import dataclass

import httpx2
import msgspec
import pytest
from sqlalchemy import update

from mosaic.adapters.sql import accounts, schema, tokens
from mosaic.adapters.sql.accounts import Account
from mosaic.adapters.sql.tokens import Token
from mosaic.core.ids import AccountId, DeviceId
from mosaic.crypto.tokens import hash_token
from mosaic.crypto.volume_keys import volume_id
from mosaic.hive.runtime import Hive
from mosaic.wire.api import Drill
from mosaic.wire.blobs import Pin, ReadLease, Retain
from mosaic.wire.recollection import PATH, Recollection
from support.fake_device import FakeDevice
from support.running_hive import Owner
from support.waiting import eventually

pytestmark = pytest.mark.long

Join = Callable[[str], FakeDevice]
OTHERS = AccountId("ff" * 16)
THEIR_TOKEN = "their own token"


@dataclass(frozen=True)
class Route:
    """What is asked of a volume. `by` is who may: the Devices' session alone, the account alone, or both."""

    method: str
    path: str
    body: bytes = b""
    by: str = "both"


@pytest.fixture
def routes(owner: Owner, joined: Join) -> list[Route]:
    """Every route to a volume that holds something, each with a body that its owner could send."""
    attic = joined("attic")
    owner.install(device="attic")
    eventually(lambda: owner.installation().phase == "settled")
    (installation,) = attic.local
    head = attic.commit(installation)
    local = attic.local[installation]
    assert local.epoch is not None
    encode = msgspec.json.encode
    of = f"/api/volumes/{volume_id(local.volumes['data'].seed)}"
    signed = bytes.fromhex(attic.blobs().ask("GET", f"{of}/heads/newest").json()["signed"])
    return [
        Route("GET", f"{of}/objects"),
        Route("GET", f"{of}/objects/h-{head}"),
        Route("PUT", f"{of}/objects/p-{'0' * 32}", b"foreign", by="device"),
        Route("DELETE", f"{of}/objects/h-{head}", by="device"),
        Route("GET", f"{of}/heads"),
        Route("GET", f"{of}/heads/newest"),
        Route("GET", f"{of}/heads/{head}"),
        Route("POST", f"{of}/heads", signed, by="device"),
        Route("POST", f"{of}/retained", encode(Retain(str(local.epoch), [head])), by="device"),
        Route("POST", f"{of}/read-leases", encode(ReadLease("ab" * 16, head))),
        Route("PUT", f"{of}/heads/{head}/pin", encode(Pin("mine"))),
        Route("GET", f"{of}/envelope", by="account"),
        Route("GET", f"{of}/drills", by="account"),
        Route("POST", f"{of}/drills", encode(Drill(head, 1, 1, 1.0, 0)), by="account"),
    ]


def ask(owner: Owner, route: Route, token: str) -> tuple[int, str]:
    with httpx2.Client(base_url=owner.hive.url, trust_env=False) as client:
        is_raw = route.path.endswith("/heads") or "/objects/" in route.path
        kind = "octet-stream" if is_raw else "json"
        headers = {"Authorization": f"Bearer {token}", "Content-Type": f"application/{kind}"}
        answer = client.request(route.method, route.path, content=route.body, headers=headers)
    return answer.status_code, answer.json()["code"] if answer.status_code >= 400 else ""


def told(owner: Owner, routes: list[Route], token: str) -> dict[str, tuple[int, str]]:
    return {f"{route.method} {route.path.split('/', 4)[-1]}": ask(owner, route, token) for route in routes}


def test_the_owner_and_the_holder_reach_every_route_that_strangers_are_kept_from(
    owner: Owner, joined: Join, routes: list[Route]
) -> None:
    device = joined("cellar").welcomes[-1].token
    reading = [route for route in routes if route.method == "GET"]
    both = [route for route in reading if route.by == "both"]
    for token, wanted in ((owner.logged_in.token, reading), (device, both)):
        codes = {code for _, code in told(owner, wanted, token).values()}
        assert codes <= {"", "object-missing"}


def test_another_account_finds_no_volume(owner: Owner, routes: list[Route]) -> None:
    _add_another_account(owner)
    wanted = [route for route in routes if route.by != "device"]
    assert set(told(owner, wanted, THEIR_TOKEN).values()) == {(404, "volume-unknown")}
    closed = [route for route in routes if route.by == "device"]
    assert {status for status, _ in told(owner, closed, THEIR_TOKEN).values()} == {401}


def test_an_admitted_device_of_another_account_finds_no_volume(owner: Owner, joined: Join, routes: list[Route]) -> None:
    cellar = joined("cellar")
    _add_another_account(owner)
    _give(owner, cellar, OTHERS)
    wanted = [route for route in routes if route.by != "account"]
    assert set(told(owner, wanted, cellar.welcomes[-1].token).values()) == {(404, "volume-unknown")}


def test_a_device_that_nobody_admitted_reaches_nothing(owner: Owner, routes: list[Route]) -> None:
    waiting = FakeDevice("waiting")
    waiting.join(owner.join_token(admitted=False))
    waiting.connect()
    try:
        wanted = [route for route in routes if route.by != "account"]
        wanted += [
            Route("POST", PATH, msgspec.json.encode(Recollection([]))),
            Route("GET", f"/api/device/bundles/{owner.installation().app_digest}"),
        ]
        found = told(owner, wanted, waiting.welcomes[-1].token)
    finally:
        waiting.disconnect()
    assert set(found.values()) == {(403, "device-not-admitted")}


def test_what_a_device_remembers_is_not_read_before_it_is_known_whose_it_is(owner: Owner) -> None:
    nonsense = Route("POST", PATH, b'{"installations": "not a list"')
    assert ask(owner, nonsense, "nobody's")[0] == 401


def test_what_a_device_remembers_wrongly_is_refused_in_one_sentence(owner: Owner, joined: Join) -> None:
    token = joined("attic").welcomes[-1].token
    assert ask(owner, Route("POST", PATH, b'{"installations": 7}'), token) == (422, "recollection-malformed")


def _add_another_account(owner: Owner) -> None:
    async def add(hive: Hive) -> None:
        now_ns = hive.clock.wall_ns()
        token = Token(hash_token(THEIR_TOKEN), OTHERS, False, "", now_ns + 10**15)
        await hive.write(lambda tx: accounts.add(tx, Account(OTHERS, "other", "", None, None), now_ns=now_ns))
        await hive.write(lambda tx: tokens.add(tx, token, now_ns=now_ns))

    owner.hive.ask(add)


def _give(owner: Owner, device: FakeDevice, account: AccountId) -> None:
    """Make it a Device of another account: nobody can join one to an account that has no keys."""
    row = update(schema.devices).where(schema.devices.c.id == DeviceId(device.id)).values(account=account)

    async def give(hive: Hive) -> None:
        await hive.write(lambda tx: tx.execute(row))

    owner.hive.ask(give)
