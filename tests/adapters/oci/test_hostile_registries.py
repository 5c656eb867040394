"""What a registry, or whoever sits between, may send instead of a blob or a manifest."""

import itertools
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaic.adapters.oci.documents import write_index
from mosaic.adapters.oci.failures import (
    AnswerTooLarge,
    BlobDamaged,
    ImageFormatUnknown,
    ManifestDamaged,
    RedirectRefused,
    RegistryRejected,
    RegistryTooSlow,
    RegistryUnreachable,
    RegistryUnreadable,
)
from mosaic.adapters.oci.limits import Limits
from mosaic.core.oci_types import OCI_INDEX, OCI_MANIFEST, Descriptor, digest_of
from support.manual_clock import ManualClock
from support.opens_registries import Opens
from support.scripted_registry import RawReply, Reply, Request, scripted_registry

pytestmark = pytest.mark.long

CONTENT = bytes(range(256)) * 40
BLOB = Descriptor("application/octet-stream", digest_of(CONTENT), len(CONTENT))
FEW = Limits(tries=3)


def left_behind(into: Path) -> list[str]:
    """Names of the files beside a blob that are there, whole or in part."""
    return sorted(path.name for path in into.parent.iterdir() if path.is_file())


def endless(piece: bytes) -> Iterator[bytes]:
    return itertools.repeat(piece)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=CONTENT + b"more"),
        Reply(headers={"Content-Length": "10000000000"}, body=endless(bytes(1000))),
        Reply(body=endless(CONTENT)),
    ],
    ids=["longer", "a length of 10 GB", "no end"],
)
def test_more_than_a_blob_has_is_refused_and_never_written(opens: Opens, into: Path, reply: Reply) -> None:
    with scripted_registry(lambda _: reply) as server, pytest.raises(AnswerTooLarge, match=f"{len(CONTENT)} bytes"):
        opens(server.host).fetch_blob("a", BLOB, into)
    assert not into.exists()
    assert all((into.parent / name).stat().st_size <= len(CONTENT) for name in left_behind(into))


@pytest.mark.parametrize("reply", [Reply(body=CONTENT[::-1]), Reply(body=CONTENT[:-1])], ids=["other", "shorter"])
def test_another_content_is_damage_and_leaves_nothing(opens: Opens, into: Path, reply: Reply) -> None:
    with scripted_registry(lambda _: reply) as server:
        with pytest.raises(BlobDamaged, match=f"a@{BLOB.digest} from {server.host}"):
            opens(server.host).fetch_blob("a", BLOB, into)
        assert len(server.asked) == 1
    assert not into.exists()
    assert all((into.parent / name).stat().st_size == 0 for name in left_behind(into))


def test_a_body_that_always_ends_early_is_given_up_after_a_few_tries_and_nothing_gets_the_name(
    opens: Opens, into: Path
) -> None:
    def cut(request: Request) -> Reply:
        rest = CONTENT[request.range_start :]
        return Reply(206, part(request) | {"Content-Length": str(len(rest))}, iter([rest[:10]]))

    with scripted_registry(lambda request: cut(request) if request.range_start else cut_first()) as server:
        with pytest.raises(RegistryUnreachable, match="ended"):
            opens(server.host, limits=FEW).fetch_blob("a", BLOB, into)
        assert len(server.asked) == 3
    assert left_behind(into) == ["blob.part"]


def test_a_drip_is_too_slow_whatever_its_length_promises(opens: Opens, clock: ManualClock, into: Path) -> None:
    taken = threading.Semaphore(0)

    def drip() -> Iterator[bytes]:
        for byte in CONTENT:
            yield bytes([byte])
            # Bytes that were sent at once would come as one piece.
            taken.acquire(timeout=60)

    def told(_: int) -> None:
        clock.advance(1)
        taken.release()

    dripping = Reply(headers={"Content-Length": str(len(CONTENT))}, body=drip())
    with (
        scripted_registry(lambda _: dripping) as server,
        pytest.raises(RegistryTooSlow, match="less than 30720 bytes in 30 s"),
    ):
        opens(server.host).fetch_blob("a", BLOB, into, told=told)
    taken.release(len(CONTENT))
    assert left_behind(into) == ["blob.part"]


@pytest.mark.parametrize("begins", [b"", b"HTTP/1.1 200 OK\r\nX-Header: "], ids=["before the status", "in a header"])
def test_a_drip_of_header_bytes_ends_at_the_deadline_of_the_answer(
    opens: Opens, clock: ManualClock, begins: bytes
) -> None:
    def drip() -> Iterator[bytes]:
        yield begins
        while True:
            clock.advance(1)
            yield b"x" if begins else b"HTTP/1.1 100 Continue\r\n\r\n"

    with scripted_registry(lambda _: RawReply(drip())) as server, pytest.raises(RegistryUnreachable):
        opens(server.host, limits=Limits(tries=1)).manifest("a", "1")


def test_a_manifest_without_end_is_refused(opens: Opens) -> None:
    with (
        scripted_registry(lambda _: Reply(body=endless(b" " * 65536))) as server,
        pytest.raises(AnswerTooLarge, match="4194304 bytes"),
    ):
        opens(server.host).manifest("a", "1")


@pytest.mark.parametrize(
    ("content", "told", "error"),
    [
        (b'{"mediaType":"%s"}' % OCI_INDEX.encode(), OCI_MANIFEST, ManifestDamaged),
        (b"<html>", "text/html", ManifestDamaged),
        (b'{"schemaVersion":1}', "application/vnd.docker.distribution.manifest.v1+prettyjws", ImageFormatUnknown),
        (b"[" * 100_000, OCI_MANIFEST, ManifestDamaged),
    ],
    ids=["two kinds", "a page", "schema 1", "nested"],
)
def test_what_is_no_manifest_is_one_clear_error(
    opens: Opens, content: bytes, told: str, error: type[Exception]
) -> None:
    with (
        scripted_registry(lambda _: Reply(headers={"Content-Type": told}, body=content)) as server,
        pytest.raises(error, match="a:1"),
    ):
        opens(server.host).manifest("a", "1")


def test_a_manifest_that_is_not_its_digest_is_damaged_whether_we_named_it_or_the_registry_did(opens: Opens) -> None:
    other = digest_of(b"other")
    reply = Reply(headers={"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": other}, body=b"{}")
    with scripted_registry(lambda _: reply) as server:
        registry = opens(server.host)
        for ask in (registry.manifest, registry.resolve):
            with pytest.raises(ManifestDamaged):
                ask("a", digest_of(b"asked for"))
        with pytest.raises(ManifestDamaged):
            registry.manifest("a", "1")


def test_a_registry_whose_head_says_nothing_is_asked_for_the_manifest_itself(opens: Opens) -> None:
    content = json.dumps({"mediaType": OCI_MANIFEST}).encode()
    with scripted_registry(lambda request: Reply(405 if request.method == "HEAD" else 200, body=content)) as server:
        found = opens(server.host).resolve("a", "1")
    assert found == Descriptor(OCI_MANIFEST, digest_of(content), len(content))


def test_an_index_with_a_wrong_size_or_without_end_is_refused(opens: Opens) -> None:
    child = b"{}"
    entry = {"mediaType": OCI_MANIFEST, "digest": digest_of(child), "size": 3, "platform": {"architecture": "arm64"}}
    count = 1

    def answer(request: Request) -> Reply:
        index = json.dumps({"mediaType": OCI_INDEX, "manifests": [entry] * count}).encode()
        kind = OCI_INDEX if request.path.endswith("/1") else OCI_MANIFEST
        return Reply(headers={"Content-Type": kind}, body=index if kind == OCI_INDEX else child)

    with scripted_registry(answer) as server:
        with pytest.raises(ManifestDamaged, match="its index says 3"):
            opens(server.host).platforms("a", "1")
        count = 201
        with pytest.raises(ManifestDamaged, match="more than 200"):
            opens(server.host).platforms("a", "1")


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_registry_is_tried_again_a_few_times_with_growing_pauses(
    opens: Opens, clock: ManualClock, status: int
) -> None:
    began = clock.boot_ns()
    with scripted_registry(lambda _: Reply(status)) as server:
        with pytest.raises(RegistryUnreachable, match=f"it answered {status}"):
            opens(server.host).manifest("a", "1")
        assert len(server.asked) == 5
    assert 3.75 <= (clock.boot_ns() - began) / 1e9 <= 7.5


def test_a_busy_registry_is_left_alone_as_long_as_it_asks_for_but_not_for_ever(
    opens: Opens, clock: ManualClock
) -> None:
    replies = iter([Reply(429, {"Retry-After": "20"}), Reply(503, {"Retry-After": "99999"}), manifest_reply()])
    began = clock.boot_ns()
    with scripted_registry(lambda _: next(replies)) as server:
        assert opens(server.host).manifest("a", "1").content == b"{}"
    assert (clock.boot_ns() - began) / 1e9 == 50


def test_what_a_registry_says_of_its_refusal_is_told_in_its_code_alone(opens: Opens) -> None:
    told = {"errors": [{"code": "NAME_INVALID", "message": "secret-token-123"}, {"code": "secret-token-456"}]}
    with (
        scripted_registry(lambda _: Reply(400, body=json.dumps(told).encode())) as server,
        pytest.raises(RegistryRejected, match=r"400 NAME_INVALID$") as rejected,
    ):
        opens(server.host).manifest("a", "1")
    assert "secret" not in repr(rejected.value) + rejected.value.hint


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://registry.example.org/blob?token=secret", "in the clear"),
        ("ftp://127.0.0.1/blob", "address of the web"),
        ("http://127.0.0.1:99999/", "no address"),
        ("http://somebody:secret@127.0.0.1/", "no plain address"),
        ("/again", "more than 5 times"),
    ],
)
def test_a_redirect_to_nowhere_good_is_refused_without_repeating_it(opens: Opens, location: str, reason: str) -> None:
    with scripted_registry(lambda _: Reply(307, {"Location": location})) as server:
        with pytest.raises(RedirectRefused, match=reason) as refused:
            opens(server.host).manifest("a", "1")
        assert len(server.asked) <= 6
    assert "secret" not in repr(refused.value)


@pytest.mark.parametrize("host", ["a..example", "a" * 64 + ".example"])
def test_a_redirect_to_what_can_be_no_hosts_name_is_an_error_of_ours(opens: Opens, host: str) -> None:
    with (
        scripted_registry(lambda _: Reply(307, {"Location": f"https://{host}/blob?token=secret"})) as server,
        pytest.raises(RegistryUnreachable) as failed,
    ):
        opens(server.host, limits=FEW).manifest("a", "1")
    assert "secret" not in repr(failed.value)


def test_many_addresses_of_which_none_answers_take_no_longer_than_one(
    opens: Opens, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"many.example": [f"192.0.2.{n}" for n in range(1, 101)]}

    def addresses(host: str, port: int, *_: object, **__: object) -> list[object]:
        stream = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*stream, (address, port)) for address in names.get(host, [host])]

    def silent(address: tuple[str, int], timeout: float, **_: object) -> socket.socket:
        # As the standard library does it: each of a name's addresses has the whole time.
        for _one in socket.getaddrinfo(*address):
            clock.advance(timeout)
        raise TimeoutError

    monkeypatch.setattr(socket, "getaddrinfo", addresses)
    monkeypatch.setattr(socket, "create_connection", silent)
    began = clock.boot_ns()
    with pytest.raises(RegistryUnreachable):
        opens("many.example", limits=Limits(tries=1, answer_seconds=60)).manifest("a", "1")
    assert (clock.boot_ns() - began) / 1e9 <= 60


@pytest.mark.parametrize(
    "body", [b'{"tags":["\xff"],"token":"\xff","errors":[{"code":"\xff"}]}', b'{"x":' + b"[" * 60_000]
)
def test_bytes_that_no_parser_likes_are_an_error_of_ours_wherever_they_come(opens: Opens, body: bytes) -> None:
    def answer(request: Request) -> Reply:
        if request.path.startswith("/v2/closed/"):
            return Reply(401, {"WWW-Authenticate": f'Bearer realm="http://{server.host}/token"'})
        return Reply(400 if "manifests" in request.path else 200, body=body)

    with scripted_registry(answer) as server:
        for ask in (lambda: opens(server.host).tags("a"), lambda: opens(server.host).manifest("closed", "1")):
            with pytest.raises(RegistryUnreadable):
                ask()
        with pytest.raises(RegistryRejected, match=r"400$"):
            opens(server.host).manifest("a", "1")


def test_packed_answers_are_refused_because_nobody_asked_for_them(opens: Opens, into: Path) -> None:
    with (
        scripted_registry(lambda _: Reply(headers={"Content-Encoding": "gzip"}, body=CONTENT)) as server,
        pytest.raises(RegistryUnreadable),
    ):
        opens(server.host).fetch_blob("a", BLOB, into)
    assert left_behind(into) == ["blob.part"]


def test_a_list_of_tags_that_goes_on_for_ever_or_elsewhere_ends(opens: Opens) -> None:
    page = itertools.count()

    def answer(request: Request) -> Reply:
        link = elsewhere or f'</v2/a/tags/list?last={next(page)}>; rel="next"'
        names = [f"t{next(page)}" for _ in range(9000)]
        return Reply(headers={"Link": link}, body=json.dumps({"tags": names}).encode())

    elsewhere = ""
    with scripted_registry(answer) as server:
        assert len(opens(server.host).tags("a")) < 120_000
        elsewhere = '<http://127.0.0.1:1/v2/a/tags/list>; rel="next"'
        with pytest.raises(RegistryUnreadable, match="goes on elsewhere"):
            opens(server.host).tags("a")


@pytest.mark.parametrize("names", [["-not-a-tag-"], ["same"]], ids=["that no tag can have", "again and again"])
def test_pages_of_tags_that_bring_nothing_new_end(opens: Opens, names: list[str]) -> None:
    def answer(_: Request) -> Reply:
        # Without a bound the test would have no end either.
        link = {} if len(server.asked) > 500 else {"Link": '</v2/a/tags/list?last=x>; rel="next"'}
        return Reply(headers=link, body=json.dumps({"tags": names}).encode())

    with scripted_registry(answer) as server, pytest.raises(RegistryUnreadable, match="no end"):
        opens(server.host).tags("a")


def test_a_list_of_what_is_attached_takes_no_more_memory_than_it_may(opens: Opens) -> None:
    page = [Descriptor(OCI_MANIFEST, digest_of(bytes([n % 256, n // 256])), n) for n in range(5000)]
    link = {"Link": '</v2/a/referrers/x?page=2>; rel="next"', "Content-Type": OCI_INDEX}
    reply = Reply(headers=link, body=write_index(page))
    with scripted_registry(lambda _: reply) as server:
        with pytest.raises(RegistryUnreadable, match="no end"):
            opens(server.host).referrers("a", digest_of(b"subject"))
        assert len(server.asked) <= 10


def test_an_index_whose_manifests_are_too_large_together_is_refused_before_they_are_fetched(opens: Opens) -> None:
    large = [Descriptor(OCI_MANIFEST, digest_of(bytes([n])), 2**22) for n in range(200)]
    reply = Reply(headers={"Content-Type": OCI_INDEX}, body=write_index(large))
    with scripted_registry(lambda _: reply) as server:
        with pytest.raises(ManifestDamaged, match="together"):
            opens(server.host).platforms("a", "1")
        assert len(server.asked) == 1


def test_a_document_cannot_write_to_the_terminal_of_who_reads_the_error(opens: Opens) -> None:
    body = json.dumps({"mediaType": "\x1b[2Jgone"}).encode()
    with (
        scripted_registry(lambda _: Reply(headers={"Content-Type": OCI_MANIFEST}, body=body)) as server,
        pytest.raises(ManifestDamaged) as refused,
    ):
        opens(server.host).manifest("a", "1")
    assert "\x1b" not in refused.value.message


def part(request: Request, *, shift: int = 0) -> dict[str, str]:
    """The header that says which part is sent."""
    start = request.range_start + shift
    return {"Content-Range": f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"}


def cut_first() -> Reply:
    return Reply(headers={"Content-Length": str(len(CONTENT))}, body=iter([CONTENT[:10]]))


def manifest_reply() -> Reply:
    return Reply(headers={"Content-Type": OCI_MANIFEST}, body=b"{}")


def test_another_part_than_was_asked_for_is_not_taken(opens: Opens, into: Path) -> None:
    into.with_name("blob.part").write_bytes(CONTENT[:100])

    def answer(request: Request) -> Reply:
        return Reply(206, part(request, shift=1), CONTENT[request.range_start + 1 :])

    with scripted_registry(answer) as server, pytest.raises(BlobDamaged, match="another part"):
        opens(server.host).fetch_blob("a", BLOB, into)
    assert not into.exists()
