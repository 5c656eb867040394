"""A Device fetches a package's blob from its Hive: what came stays, and nothing wrong gets a name."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from mosaic.adapters import hive_client
from mosaic.adapters.api_client import HiveSilent, HiveUnreadable
from mosaic.adapters.hive_client import DeviceClient
from mosaic.adapters.hive_packages import HiveBlobDamaged
from mosaic.core.errors import NotFound
from mosaic.core.oci_types import OCTETS, Descriptor, digest_of
from mosaic.wire.approval import CatalogTrust
from mosaic.wire.packages import CatalogServed
from mosaic.wire.problem import Problem

CONTENT = bytes(range(256)) * 1000
BLOB = Descriptor(OCTETS, digest_of(CONTENT), len(CONTENT))
PACKAGE = digest_of(b"a manifest")
PATH = f"/api/device/packages/{PACKAGE.replace(':', '%3A')}/blobs/{BLOB.digest.replace(':', '%3A')}"

Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def answering(*answers: Answer) -> Iterator[tuple[DeviceClient, list[str]]]:
    """A Hive that answers one request after another, the last one for ever, and what was asked of it."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.path} {self.headers.get('Range', '')}".strip())
            answers[min(len(asked), len(answers)) - 1](self)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        with DeviceClient(f"http://127.0.0.1:{server.server_address[1]}", ca_pem=None, token="t") as client:
            yield client, asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def whole(content: bytes, *, status: int = 200, said: int | None = None) -> Answer:
    """Answer with these bytes, having promised `said`."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(len(content) if said is None else said))
        request.end_headers()
        request.wfile.write(content)

    return answer


def rest(request: BaseHTTPRequestHandler) -> None:
    """Answer with what was asked for."""
    begins = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
    whole(CONTENT[begins:], status=206)(request)


def fetch(client: DeviceClient, into: Path) -> list[int]:
    told: list[int] = []
    client.package_blob(PACKAGE, BLOB, into, told=told.append)
    return told


def test_a_blob_that_breaks_off_is_gone_on_with(tmp_path: Path) -> None:
    with answering(whole(CONTENT[:1000], said=len(CONTENT)), rest) as (client, asked):
        told = fetch(client, tmp_path / "blob")
    assert (tmp_path / "blob").read_bytes() == CONTENT
    assert asked == [PATH, f"{PATH} bytes=1000-"]
    assert (told[0], told[-1]) == (0, len(CONTENT))


def test_what_an_earlier_call_left_is_gone_on_with_and_what_is_here_is_not_asked_for(tmp_path: Path) -> None:
    (tmp_path / "blob.part").write_bytes(CONTENT[:77])
    with answering(rest) as (client, asked):
        fetch(client, tmp_path / "blob")
        fetch(client, tmp_path / "blob")
    assert asked == [f"{PATH} bytes=77-"]
    assert [path.name for path in tmp_path.iterdir()] == ["blob"]


def test_a_part_that_is_wrong_is_fetched_anew_once(tmp_path: Path) -> None:
    (tmp_path / "blob.part").write_bytes(b"wrong")
    with answering(rest, whole(CONTENT)) as (client, asked):
        fetch(client, tmp_path / "blob")
    assert (tmp_path / "blob").read_bytes() == CONTENT
    assert asked == [f"{PATH} bytes=5-", PATH]


def test_a_hive_that_does_not_know_ranges_sends_it_from_the_beginning(tmp_path: Path) -> None:
    (tmp_path / "blob.part").write_bytes(CONTENT[:77])
    with answering(whole(CONTENT)) as (client, _):
        fetch(client, tmp_path / "blob")
    assert (tmp_path / "blob").read_bytes() == CONTENT


@pytest.mark.parametrize("sent", [CONTENT[:-1] + b"!", CONTENT + b"!", CONTENT * 3])
def test_something_else_is_refused_and_gets_no_name(tmp_path: Path, sent: bytes) -> None:
    with answering(whole(sent)) as (client, asked), pytest.raises(HiveBlobDamaged):
        fetch(client, tmp_path / "blob")
    assert not (tmp_path / "blob").exists()
    assert len(asked) == 1


def test_a_hive_that_never_gets_further_is_silent_and_what_came_stays(tmp_path: Path) -> None:
    answers = whole(CONTENT[:1000], said=len(CONTENT)), whole(b"", status=206)
    with answering(*answers) as (client, _), pytest.raises(HiveSilent):
        fetch(client, tmp_path / "blob")
    assert (tmp_path / "blob.part").read_bytes() == CONTENT[:1000]


def test_a_hive_that_lacks_it_says_so_in_its_own_words(tmp_path: Path) -> None:
    said = msgspec.json.encode(Problem(type="x", title="x", status=404, detail="not here", code="blob-gone", hint="h"))
    with answering(whole(said, status=404)) as (client, _), pytest.raises(NotFound, match="not here"):
        fetch(client, tmp_path / "blob")


def test_a_catalog_comes_as_the_hive_has_it() -> None:
    served = CatalogServed(CatalogTrust("garden", "stable", "00", "11"), b"root", {"timestamp.json": b"{}"})
    with answering(whole(msgspec.json.encode(served))) as (client, asked):
        assert client.catalog("garden") == served
    assert asked == ["/api/device/catalogs/garden"]


def test_a_catalog_without_end_is_not_taken_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hive_client, "MAX_CATALOG_BYTES", 100_000)
    with answering(whole(b"[" * 10_000_000)) as (client, _), pytest.raises(HiveUnreadable, match="sent more than"):
        client.catalog("garden")
