"""The blob endpoint: immutable objects, written by the holder, read by every admitted Device of the account."""

from collections.abc import Callable, Iterator
from functools import partial
from http.client import HTTPConnection
from urllib.parse import urlsplit

import httpx2
import pytest

from mosaic.core.ids import VolumeId
from mosaic.crypto.volume_keys import volume_id
from mosaic.hive.uploading import LEAST_BYTES, Uploads
from mosaic.wire.blobs import MAX_OBJECT_BYTES
from support.fake_device import FakeDevice
from support.plain_http import TRUSTS_NOBODY
from support.running_hive import Owner, running_hive
from support.waiting import eventually

Join = Callable[[str], FakeDevice]


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Owner]:
    """The owner of one Hive for all tests here: they differ in the names of their objects."""
    with running_hive(tmp_path_factory.mktemp("blobs")) as hive:
        yield hive.set_up()


@pytest.fixture(scope="module")
def attic(owner: Owner) -> Iterator[FakeDevice]:
    """A Device that the app has settled on."""
    device = FakeDevice("attic")
    device.join(owner.join_token())
    device.connect()
    owner.install(device="attic")
    eventually(lambda: owner.installation().phase == "settled")
    yield device
    device.disconnect()


def volume(device: FakeDevice) -> VolumeId:
    return volume_id(next(iter(device.local.values())).volumes["data"].seed)


@pytest.fixture
def http(attic: FakeDevice, owner: Owner) -> Iterator[httpx2.Client]:
    """The endpoint of the app's volume, with the holder's token."""
    token = attic.welcomes[-1].token
    base = f"{owner.hive.url}/api/volumes/{volume(attic)}"
    bearer = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=base, headers=bearer, trust_env=False, verify=TRUSTS_NOBODY) as client:
        yield client


def test_an_object_is_written_once_and_read_whole_or_in_part(http: httpx2.Client) -> None:
    content = bytes(range(256)) * 300
    assert http.put("/objects/pack-1", content=content).status_code == 201
    assert http.put("/objects/pack-1", content=content).status_code == 200
    other = http.put("/objects/pack-1", content=b"other")
    assert (other.status_code, other.json()["code"]) == (409, "object-exists")
    assert http.get("/objects/pack-1").content == content
    part = http.get("/objects/pack-1", headers={"Range": "bytes=256-511"})
    assert (part.status_code, part.content) == (206, bytes(range(256)))


@pytest.mark.parametrize("wanted", ["bytes=99-200", "bytes=5-2", "bytes=-5", "lines=1-2", f"bytes=0-{2**62}"])
def test_a_range_that_is_not_there_is_refused(http: httpx2.Client, wanted: str) -> None:
    http.put("/objects/small", content=b"x" * 100)
    answer = http.get("/objects/small", headers={"Range": wanted})
    assert (answer.status_code, answer.json()["code"]) == (416, "range-unsatisfiable")


def test_names_are_listed_in_order_page_by_page(http: httpx2.Client) -> None:
    for name in ("b-3", "b-1", "a-1", "b-2"):
        http.put(f"/objects/{name}", content=b"x")
    first = http.get("/objects", params={"prefix": "b-", "limit": 2}).json()
    assert ([each["name"] for each in first["objects"]], first["next"]) == (["b-1", "b-2"], "b-2")
    rest = http.get("/objects", params={"prefix": "b-", "after": "b-2"}).json()
    assert ([each["name"] for each in rest["objects"]], rest["next"]) == (["b-3"], None)


@pytest.mark.parametrize("name", ["..", ".hidden", "UPPER", "a" * 161, "with%20space", "%2e%2e%2fhead"])
def test_a_name_that_cannot_be_one_is_refused(http: httpx2.Client, name: str) -> None:
    assert http.put(f"/objects/{name}", content=b"x").status_code in (404, 405, 422)


def test_an_object_that_is_too_large_is_refused_before_it_is_read(http: httpx2.Client) -> None:
    address = urlsplit(str(http.base_url))
    connection = HTTPConnection(address.netloc, timeout=60)
    connection.putrequest("PUT", f"{address.path}objects/huge")
    for name, value in (*http.headers.items(), ("Content-Length", str(MAX_OBJECT_BYTES + 1))):
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_another_device_reads_and_does_not_write(owner: Owner, attic: FakeDevice, joined: Join) -> None:
    cellar = joined("cellar")
    attic.blobs().store(volume(attic)).put("pack-9", b"ciphertext")
    assert cellar.blobs().store(volume(attic)).get("pack-9") == b"ciphertext"
    url = f"{owner.hive.url}/api/volumes/{volume(attic)}/objects/mine"
    bearer = {"Authorization": f"Bearer {cellar.welcomes[-1].token}"}
    refused = httpx2.put(url, content=b"x", headers=bearer, trust_env=False)
    assert (refused.status_code, refused.json()["code"]) == (409, "fenced")
    nobody = httpx2.put(url, content=b"x", trust_env=False)
    assert (nobody.status_code, nobody.json()["code"]) == (401, "session-token-unknown")
    unknown = url.replace(volume(attic), "00" * 32)
    assert httpx2.get(unknown, headers=bearer, trust_env=False).json()["code"] == "volume-unknown"


def test_uploads_that_stall_make_room_for_others(owner: Owner, attic: FakeDevice, http: httpx2.Client) -> None:
    assert owner.hive.hive is not None
    usual = owner.hive.hive.uploads
    owner.hive.hive.uploads = Uploads(budget_bytes=2 * LEAST_BYTES, silence_seconds=0.3)
    address = urlsplit(str(http.base_url))
    try:
        stalled = [stall(http, f"{address.path}objects/stalled-{number}") for number in range(2)]
        assert http.put("/objects/after-the-stalled", content=b"x").status_code == 201
        for connection in stalled:
            said = connection.getresponse()
            assert (said.status, b"upload-stalled" in said.read()) == (503, True)
            connection.close()
        assert http.get("/objects/stalled-0").status_code == 404
    finally:
        owner.hive.hive.uploads = usual


def test_an_upload_that_finds_no_place_is_told_to_come_again(owner: Owner, http: httpx2.Client) -> None:
    assert owner.hive.hive is not None
    usual = owner.hive.hive.uploads
    owner.hive.hive.uploads = uploads = Uploads(budget_bytes=LEAST_BYTES, queue_seconds=0.2, silence_seconds=20)
    try:
        holder = stall(http, f"{urlsplit(str(http.base_url)).path}objects/slow")
        # The beginning of the slow one is on its way; until it has arrived, the place is still free.
        eventually(lambda: uploads.used_bytes)
        assert http.put("/objects/one-too-many", content=b"x").json()["code"] == "hive-busy"
        # Killed in the middle, it has left nothing under its name.
        holder.close()
        eventually(lambda: http.put("/objects/slow", content=b"all of it").status_code == 201)
        assert http.get("/objects/slow").content == b"all of it"
    finally:
        owner.hive.hive.uploads = usual


def test_uploads_together_are_no_more_bytes_than_the_hive_has_room_for(
    owner: Owner, attic: FakeDevice, http: httpx2.Client
) -> None:
    assert owner.hive.hive is not None
    usual = owner.hive.hive.uploads
    owner.hive.hive.uploads = uploads = Uploads(budget_bytes=10 * LEAST_BYTES, queue_seconds=0.2, silence_seconds=20)
    try:
        large = stall(http, f"{urlsplit(str(http.base_url)).path}objects/large", length=9 * LEAST_BYTES)
        refused = partial(http.put, "/objects/as-large", content=bytes(9 * LEAST_BYTES))
        # Were it sent before the large one has its place, it could take that.
        eventually(lambda: uploads.used_bytes)
        assert refused().json()["code"] == "hive-busy"
        assert http.put("/objects/small-beside-large", content=b"x").status_code == 201
        large.close()
        eventually(lambda: refused().status_code in (200, 201))
    finally:
        owner.hive.hive.uploads = usual


def stall(http: httpx2.Client, path: str, *, length: int = 1000) -> HTTPConnection:
    """Begin an upload and say no more."""
    connection = HTTPConnection(urlsplit(str(http.base_url)).netloc, timeout=60)
    connection.putrequest("PUT", path)
    for name, value in (*http.headers.items(), ("Content-Length", str(length))):
        connection.putheader(name, value)
    connection.endheaders(b"only the beginning")
    return connection


def test_only_packs_and_heads_are_deleted_and_only_by_the_holder(http: httpx2.Client, joined: Join) -> None:
    pack = "p-" + "ab" * 16
    assert http.put(f"/objects/{pack}", content=b"pack").status_code == 201
    assert http.put("/objects/e-1", content=b"envelope").status_code == 201
    refused = http.delete("/objects/e-1")
    assert (refused.status_code, refused.json()["code"]) == (422, "object-not-deleted")
    assert http.get("/objects/e-1").content == b"envelope"
    bearer = {"Authorization": f"Bearer {joined('shed').welcomes[-1].token}"}
    fenced = http.delete(f"/objects/{pack}", headers=bearer)
    assert (fenced.status_code, fenced.json()["code"]) == (409, "fenced")
    assert http.get(f"/objects/{pack}").content == b"pack"
    assert http.delete(f"/objects/{pack}").status_code == 204
    assert http.delete(f"/objects/{pack}").status_code == 204
    assert http.get(f"/objects/{pack}").status_code == 404
