"""A download that ended at any line goes on from there, and only what is whole gets the name."""

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaic.adapters.oci.blob_file import held_part
from mosaic.adapters.oci.failures import BlobBusy, BlobDamaged, RegistryUnreachable
from mosaic.adapters.oci.limits import Limits
from mosaic.core.oci_types import Descriptor, digest_of
from support.opens_registries import Opens
from support.scripted_registry import Reply, Request, ScriptedRegistry, scripted_registry
from support.waiting import eventually

CONTENT = bytes(range(256)) * 1000
BLOB = Descriptor("application/octet-stream", digest_of(CONTENT), len(CONTENT))
HALF = len(CONTENT) // 2
SOURCES = Path(__file__).parents[3] / "src"

FETCH = """
import sys
from pathlib import Path
from mosaic.adapters.oci.credentials import NoCredentials
from mosaic.adapters.oci.registry import Registry
from mosaic.core.oci_types import Descriptor, Digest
host, digest, size, into = sys.argv[1:]
Registry(host, credentials=NoCredentials()).fetch_blob("a", Descriptor("", Digest(digest), int(size)), Path(into))
"""


def rest_of(request: Request, content: bytes = CONTENT) -> Reply:
    """Answer as a registry does that knows ranges."""
    start = request.range_start
    if start == 0:
        return Reply(body=content)
    return Reply(206, {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}, content[start:])


def cut(request: Request, count: int) -> Reply:
    """Begin to answer as `rest_of`, and close the connection after so many bytes."""
    reply = rest_of(request)
    assert isinstance(reply.body, bytes)
    return Reply(reply.status, {**reply.headers, "Content-Length": str(len(reply.body))}, iter([reply.body[:count]]))


def starts(server: ScriptedRegistry) -> list[int]:
    """From which byte on each request wanted the blob."""
    return [request.range_start for request in server.asked]


def test_a_process_that_was_killed_in_the_middle_is_followed_by_one_that_fetches_only_the_rest(
    opens: Opens, into: Path
) -> None:
    goes_on = threading.Event()

    def stalls() -> Iterator[bytes]:
        yield CONTENT[:HALF]
        goes_on.wait(60)

    def answer(request: Request) -> Reply:
        if len(server.asked) == 1:
            return Reply(headers={"Content-Length": str(len(CONTENT))}, body=stalls())
        return rest_of(request)

    with scripted_registry(answer) as server:
        words = [server.host, BLOB.digest, str(BLOB.size), str(into)]
        child = subprocess.Popen([sys.executable, "-c", FETCH, *words], env={"PYTHONPATH": str(SOURCES)})
        part = into.with_name("blob.part")
        try:
            eventually(lambda: part.exists() and part.stat().st_size == HALF, seconds=60)
            eventually(lambda: server.sent == HALF)
            assert not into.exists()
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait(30)
            goes_on.set()
        server.sent = 0
        opens(server.host).fetch_blob("a", BLOB, into)
        assert starts(server) == [0, HALF]
        eventually(lambda: server.sent == HALF)
    assert into.read_bytes() == CONTENT
    assert not part.exists()


def test_a_connection_that_breaks_again_and_again_is_gone_on_with_while_it_brings_something(
    opens: Opens, into: Path
) -> None:
    with scripted_registry(lambda request: cut(request, 100_000)) as server:
        opens(server.host).fetch_blob("a", BLOB, into)
        assert starts(server) == [0, 100_000, 200_000]
    assert into.read_bytes() == CONTENT


def test_progress_earns_new_tries_and_the_same_bytes_again_do_not(opens: Opens, into: Path) -> None:
    content = bytes(5 * 2**20)
    blob = Descriptor("", digest_of(content), len(content))

    def answer(request: Request) -> Reply:
        # Ranges are not known here: each time everything begins anew, and ends a little later, or where it did before.
        count = 2**20 * min(len(server.asked), 3)
        return Reply(headers={"Content-Length": str(len(content))}, body=iter([content[:count]]))

    with scripted_registry(answer) as server:
        with pytest.raises(RegistryUnreachable):
            opens(server.host, limits=Limits(tries=2)).fetch_blob("a", blob, into)
        assert len(server.asked) == 4


def test_what_is_there_whole_is_not_fetched_and_what_only_has_the_name_is(opens: Opens, into: Path) -> None:
    with scripted_registry(rest_of) as server:
        into.write_bytes(CONTENT)
        opens(server.host).fetch_blob("a", BLOB, into)
        assert server.asked == []
        into.write_bytes(CONTENT[:-1] + b"?")
        opens(server.host).fetch_blob("a", BLOB, into)
        assert starts(server) == [0]
    assert into.read_bytes() == CONTENT


def test_a_part_that_only_lacks_its_name_gets_it_without_a_request(opens: Opens, into: Path) -> None:
    into.with_name("blob.part").write_bytes(CONTENT)
    with scripted_registry(rest_of) as server:
        opens(server.host).fetch_blob("a", BLOB, into)
        assert server.asked == []
    assert into.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("there", "asked"),
    [(b"?" * HALF, [HALF, 0]), (b"?" * len(CONTENT), [0]), (b"?" * (len(CONTENT) + 1), [0]), (b"", [0])],
    ids=["half", "as long", "longer", "empty"],
)
def test_a_part_that_turns_out_wrong_is_thrown_away_once_and_fetched_anew(
    opens: Opens, into: Path, there: bytes, asked: list[int]
) -> None:
    into.with_name("blob.part").write_bytes(there)
    heard: list[int] = []
    with scripted_registry(rest_of) as server:
        opens(server.host).fetch_blob("a", BLOB, into, told=heard.append)
        assert starts(server) == asked
    assert into.read_bytes() == CONTENT
    assert heard[-1] == len(CONTENT)


def test_a_part_that_is_wrong_again_is_damage(opens: Opens, into: Path) -> None:
    into.with_name("blob.part").write_bytes(CONTENT[:HALF])
    with scripted_registry(lambda request: rest_of(request, CONTENT[::-1])) as server:
        with pytest.raises(BlobDamaged):
            opens(server.host).fetch_blob("a", BLOB, into)
        assert starts(server) == [HALF, 0]
    assert not into.exists()


@pytest.mark.parametrize("to_the_rest", [Reply(body=CONTENT), Reply(416)], ids=["knows no ranges", "has less"])
def test_a_registry_that_does_not_send_the_rest_sends_everything(opens: Opens, into: Path, to_the_rest: Reply) -> None:
    into.with_name("blob.part").write_bytes(CONTENT[:HALF])
    with scripted_registry(lambda request: to_the_rest if request.range_start else Reply(body=CONTENT)) as server:
        opens(server.host).fetch_blob("a", BLOB, into)
    assert into.read_bytes() == CONTENT


def test_somebody_who_holds_the_part_and_gets_no_further_is_not_waited_for_for_ever(opens: Opens, into: Path) -> None:
    with contextlib.ExitStack() as held:
        held.enter_context(held_part(into, BLOB, pause=lambda _: None, looks=1))
        with scripted_registry(rest_of) as server:
            with pytest.raises(BlobBusy):
                opens(server.host).fetch_blob("a", BLOB, into)
            assert server.asked == []
