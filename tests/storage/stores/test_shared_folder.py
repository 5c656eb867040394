"""Another Device as a store: a shared folder behind a pinned certificate and a token."""

import contextlib
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from conformance.store_suite import StoreSuite
from mosaic.adapters.blobs import StoreFull, StoreUnavailable
from mosaic.adapters.storage_client import StorageRefused
from mosaic.core.ids import VolumeId
from mosaic.crypto.ca import self_signed
from mosaic.crypto.tokens import hash_token, new_token
from mosaic.storage.engine.store import Store
from mosaic.storage.serve import serving
from mosaic.storage.stores import transfers
from mosaic.storage.stores.marked_folder import mark_folder
from mosaic.storage.stores.opening import connect_device
from mosaic.storage.stores.pairing import (
    Pairing,
    PairingRefused,
    PairingUnusable,
    fetch_certificate,
    fingerprint_of,
    pairing_string,
    parse_pairing,
)
from mosaic.storage.stores.share_server import ShareNotOpen, ShareServer
from mosaic.storage.stores.shared_folder import SharedBlobs
from mosaic.storage.stores.store_records import StoreKey
from mosaic.wire import stores as wire
from support.storage_daemon import place
from support.unshared import free_port
from support.waiting import eventually

VOLUME = VolumeId("ab" * 32)
TOKEN = new_token()
BIG = 5_000_000


class Share:
    """A running share, and its certificate."""

    def __init__(self, folder: Path, *, quota: int | None = None) -> None:
        self.folder = folder / "shared"
        self.folder.mkdir()
        pair = self_signed("mosaic-store", datetime.now(UTC))
        self.certificate = pair.certificate_pem
        self.file = folder / "share.pem"
        self.file.write_text(pair.certificate_pem + pair.key_pem)
        self.port = free_port()
        self.blobs = SharedBlobs(self.folder, mark_folder(self.folder), quota)
        self.server = ShareServer(("127.0.0.1", self.port), self.file, hash_token(TOKEN), self.blobs, machine="m")

    @contextlib.contextmanager
    def running(self) -> Iterator["Share"]:
        self.server.start()
        try:
            yield self
        finally:
            self.server.stop()

    @contextlib.contextmanager
    def store(self, *, token: str = TOKEN, certificate: str | None = None) -> Iterator[Store]:
        key, pinned = StoreKey(token), certificate or self.certificate
        connection = connect_device("127.0.0.1", self.port, pinned, key, deadline_seconds=0)
        try:
            yield connection.store(VOLUME)
        finally:
            connection.close()


@pytest.fixture
def share(tmp_path: Path) -> Iterator[Share]:
    with Share(tmp_path).running() as running:
        yield running


@pytest.mark.long
class TestAnotherDevice(StoreSuite):
    many = 1001

    @pytest.fixture
    def store(self, share: Share) -> Iterator[Store]:
        with share.store() as store:
            yield store


def test_the_folder_is_one_that_the_rescue_reader_takes(share: Share) -> None:
    with share.store() as store:
        store.put("p-1", b"one")
    assert (share.folder / VOLUME / "p-1").read_bytes() == b"one"


def test_another_token_opens_nothing_and_leaves_nothing(share: Share) -> None:
    with share.store(token=new_token()) as store:
        with pytest.raises(PairingRefused):
            store.put("p-1", b"one" * 1_000_000)
        with pytest.raises(PairingRefused):
            list(store.list(""))
    assert not (share.folder / VOLUME).exists()


def test_a_token_is_sent_to_nobody_with_another_certificate(share: Share) -> None:
    other = self_signed("mosaic-store", datetime.now(UTC)).certificate_pem
    with share.store(certificate=other) as store, pytest.raises(StoreUnavailable, match="certificate"):
        store.put("p-1", b"one")


def test_the_certificate_is_fetched_by_its_fingerprint_alone(share: Share) -> None:
    wanted = fingerprint_of(share.certificate)
    found = fetch_certificate("127.0.0.1", share.port, wanted, seconds=10)
    assert fingerprint_of(found) == wanted
    with share.store(certificate=found) as store:
        store.put("p-1", b"one")
    with pytest.raises(PairingRefused):
        fetch_certificate("127.0.0.1", share.port, "00" * 32, seconds=10)
    with pytest.raises(StoreUnavailable):
        fetch_certificate("127.0.0.1", free_port(), wanted, seconds=10)


def test_a_pairing_string_is_read_as_it_was_printed_and_shown_by_no_message() -> None:
    pairing = Pairing("ab" * 32, TOKEN)
    text = pairing_string(pairing)
    assert parse_pairing(f"  {text[:40]}\n{text[40:]}\n") == pairing
    assert TOKEN not in repr(pairing)
    for broken in (text[:-1], text.replace("pair", "pain"), TOKEN, ""):
        with pytest.raises(PairingUnusable) as refused:
            parse_pairing(broken)
        assert TOKEN not in refused.value.message + refused.value.hint


def test_a_quota_is_kept_and_what_is_deleted_counts_no_more(tmp_path: Path) -> None:
    with Share(tmp_path, quota=1_000_000).running() as share, share.store() as store:
        for number in range(4):
            store.put(f"p-{number}", bytes([number]) * 200_000)
        with pytest.raises(StoreFull):
            store.put("p-4", bytes(200_000))
        store.put("p-3", b"\3" * 200_000)
        store.delete("p-0")
        store.delete("p-0")
        store.put("p-4", bytes(200_000))
        with pytest.raises(StoreFull):
            store.put("p-5", bytes(200_000))
        # Counted anew, it is the same.
        assert SharedBlobs(share.folder, mark_folder(share.folder), None).used_bytes == share.server.used_bytes


def test_many_small_objects_cannot_evade_the_quota(tmp_path: Path) -> None:
    with Share(tmp_path, quota=100_000).running() as share, share.store() as store, pytest.raises(StoreFull):
        for number in range(30):
            store.put(f"p-{number}", b"x")


def test_a_folder_that_is_not_there_any_more_is_not_made_anew(share: Share) -> None:
    share.folder.rename(share.folder.with_name("unmounted"))
    with share.store() as store, pytest.raises(StoreUnavailable):
        store.put("p-1", b"one")
    assert not share.folder.exists()


def test_a_shared_folder_whose_disk_is_not_mounted_is_neither_marked_nor_served_until_it_is(tmp_path: Path) -> None:
    disk, mounted, unmounted = tmp_path / "disk", tmp_path / "mounted", tmp_path / "unmounted"
    disk.mkdir()
    asked = wire.Share("127.0.0.1", free_port(), str(disk))
    with place(tmp_path, "cellar", "token-a") as cellar:
        with serving(cellar.config):
            cellar.client.share(asked)
        disk.rename(mounted)
        disk.mkdir()
        with serving(cellar.config) as daemon:
            assert daemon.sharing is None
            with pytest.raises(StorageRefused, match="not mounted"):
                cellar.client.share(asked)
            assert list(disk.iterdir()) == []
            disk.rename(unmounted)
            mounted.rename(disk)
            cellar.client.stores()
            assert daemon.sharing is not None


def test_an_address_that_is_taken_is_said_to_be(share: Share) -> None:
    second = ShareServer(("127.0.0.1", share.port), share.file, hash_token(TOKEN), share.blobs, machine="m")
    with pytest.raises(ShareNotOpen):
        second.start()


def test_connections_that_say_nothing_keep_nobody_else_from_being_answered(share: Share) -> None:
    with contextlib.ExitStack() as opened:
        for _ in range(20):
            opened.enter_context(socket.create_connection(("127.0.0.1", share.port)))
        with share.store() as store:
            store.put("p-1", b"one")


@pytest.mark.parametrize(
    "request_line",
    [
        "GET /api/volumes/../../etc/objects/passwd HTTP/1.1",
        f"GET /api/volumes/{VOLUME}/objects/..%2f..%2fsecret HTTP/1.1",
        f"PUT /api/volumes/{VOLUME}/objects/mosaic-store/../../x HTTP/1.1",
        f"POST /api/volumes/{VOLUME}/heads HTTP/1.1",
        "GET /secret HTTP/1.1",
        f"PUT /api/volumes/{VOLUME}/objects/p-1 HTTP/1.1\r\nContent-Length: 99999999999",
        f"PUT /api/volumes/{VOLUME}/objects/p-1 HTTP/1.1\r\nContent-Length: -1",
        f"PUT /api/volumes/{VOLUME}/objects/p-1 HTTP/1.1\r\nTransfer-Encoding: chunked",
        "nonsense",
    ],
)
def test_what_is_no_request_for_an_object_changes_nothing(share: Share, request_line: str) -> None:
    (share.folder.parent / "secret").write_text("of this machine")
    answer = _raw(share, f"{request_line}\r\nAuthorization: Bearer {TOKEN}\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.split(b" ")[1:2] not in ([b"200"], [b"201"], [b"206"])
    assert b"of this machine" not in answer
    assert sorted(path.name for path in share.folder.iterdir()) == ["mosaic-store"]


def test_an_object_whose_sending_was_cut_off_is_not_there(share: Share) -> None:
    head = (
        f"PUT /api/volumes/{VOLUME}/objects/p-1 HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 1000\r\n"
    )
    _raw(share, f"{head}\r\n{'x' * 500}", ends=True)
    with share.store() as store:
        assert list(store.list("")) == []
        store.put("p-1", os.urandom(1000))


def test_slow_uploads_keep_no_small_object_waiting_and_end(share: Share, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "_WAIT_SECONDS", 0.1)
    with contextlib.ExitStack() as opened:
        for number in range(2):
            slow = _ask(share, f"PUT /api/volumes/{VOLUME}/objects/p-slow{number}", f"Content-Length: {BIG}")
            opened.enter_context(slow).sendall(b"x")
        with share.store() as store:
            big = os.urandom(BIG)
            eventually(lambda: _is_refused(lambda: store.put("p-big", big)))
            store.put("h-head", b"small")
            monkeypatch.setattr(transfers, "_GRACE_SECONDS", 0.0)
            monkeypatch.setattr(transfers, "_SLOWEST", BIG * 10)
            for number in range(2):
                slow = _ask(share, f"PUT /api/volumes/{VOLUME}/objects/h-slow{number}", "Content-Length: 1000")
                with slow:
                    slow.sendall(b"x")
                    assert slow.recv(1) == b""


def test_slow_downloads_have_few_places_and_keep_no_small_object_waiting(
    share: Share, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfers, "_WAIT_SECONDS", 0.1)
    with share.store() as store:
        store.put("p-big", os.urandom(4 * BIG))
        store.put("h-head", b"small")
    with contextlib.ExitStack() as opened:
        for _ in range(2):
            slow = _ask(share, f"GET /api/volumes/{VOLUME}/objects/p-big", "Content-Length: 0")
            assert opened.enter_context(slow).recv(1) == b"H"
        with share.store() as store:
            assert _is_refused(lambda: store.get("p-big"))
            assert store.get("h-head") == b"small"
            assert store.get_range("p-big", 0, 1000) != b""


def _is_refused(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except StoreUnavailable:
        return True
    return False


def _ask(share: Share, request_line: str, header: str) -> ssl.SSLSocket:
    """Begin a request, and leave the connection as it is."""
    context = ssl.create_default_context(cadata=share.certificate)
    context.check_hostname = False
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.settimeout(60)
    plain.connect(("127.0.0.1", share.port))
    encrypted = context.wrap_socket(plain)
    encrypted.sendall(f"{request_line} HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\n{header}\r\n\r\n".encode())
    return encrypted


def _raw(share: Share, text: str, *, ends: bool = False) -> bytes:
    context = ssl.create_default_context(cadata=share.certificate)
    context.check_hostname = False
    plain = socket.create_connection(("127.0.0.1", share.port), timeout=60)
    with plain, context.wrap_socket(plain) as encrypted:
        encrypted.sendall(text.encode())
        if ends:
            with contextlib.suppress(OSError):
                encrypted.unwrap().close()
            return b""
        answer = b""
        with contextlib.suppress(OSError):
            while piece := encrypted.recv(65536):
                answer += piece
        return answer
