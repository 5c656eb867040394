"""Pushing to registries of all kinds, and what is attached where a registry lists it by itself."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from mosaic.adapters.oci import documents
from mosaic.adapters.oci.failures import (
    ManifestDamaged,
    RedirectRefused,
    RegistryTooSlow,
    RegistryUnreachable,
    RegistryUnreadable,
    SourceChanged,
)
from mosaic.adapters.oci.limits import Limits
from mosaic.core.oci_types import OCI_INDEX, OCI_MANIFEST, Descriptor, digest_of, referrers_tag
from support.manual_clock import ManualClock
from support.opens_registries import Opens
from support.scripted_registry import Reply, Request, scripted_registry

CONTENT = bytes(range(250)) * 4
SMALL = Limits(chunk_bytes=400)


class Uploads:
    """Takes uploads; `whole` is what came in the end. `refuses` are methods that it answers with 405."""

    def __init__(self, *, refuses: Iterable[str] = (), fails: int = 0, least: int = 0) -> None:
        self.refuses, self.fails, self.least = set(refuses), fails, least
        self.chunks: list[bytes] = []
        self.whole: bytes | None = None

    def __call__(self, request: Request) -> Reply:
        if request.method in self.refuses:
            return Reply(405)
        if request.method == "HEAD":
            return Reply(404)
        if request.method == "POST":
            self.chunks = []
            return Reply(202, {"Location": "/upload?state=0", "OCI-Chunk-Min-Length": str(self.least)})
        if self.fails:
            self.fails -= 1
            return Reply(502)
        sent = sum(map(len, self.chunks))
        if request.method == "PATCH":
            assert request.headers["content-range"] == f"{sent}-{sent + len(request.content) - 1}"
            assert request.path == f"/upload?state={len(self.chunks)}"
            self.chunks.append(request.content)
            return Reply(202, {"Location": f"/upload?state={len(self.chunks)}"})
        self.whole = b"".join(self.chunks) + request.content
        assert request.path.endswith(f"&digest={digest_of(self.whole).replace(':', '%3A')}")
        return Reply(201)


@pytest.mark.parametrize(
    ("uploads", "chunks"),
    [
        (Uploads(), [400, 400, 200]),
        (Uploads(least=700), [700, 300]),
        (Uploads(refuses=["PATCH"]), []),
        (Uploads(fails=2), [400, 400, 200]),
    ],
    ids=["chunks", "larger chunks", "no chunks", "busy"],
)
def test_a_large_blob_arrives_whole_whatever_the_registry_takes(
    opens: Opens, tmp_path: Path, uploads: Uploads, chunks: list[int]
) -> None:
    source = tmp_path / "source"
    source.write_bytes(CONTENT)
    with scripted_registry(uploads) as server:
        pushed = opens(server.host, limits=SMALL).push_blob("a", source, media_type="text/plain")
    assert pushed == Descriptor("text/plain", digest_of(CONTENT), len(CONTENT))
    assert uploads.whole == CONTENT
    assert [len(chunk) for chunk in uploads.chunks] == chunks


def test_an_upload_that_always_fails_is_given_up(opens: Opens) -> None:
    with scripted_registry(Uploads(fails=99)) as server:
        with pytest.raises(RegistryUnreachable, match="502"):
            opens(server.host).push_blob("a", CONTENT)
        assert [request.method for request in server.asked] == ["HEAD", *["POST", "PUT"] * 5]


def test_a_registry_that_takes_a_blob_too_slowly_is_given_up(
    opens: Opens, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = Limits(least_bytes_per_second=2**30)
    with scripted_registry(Uploads()) as server, pytest.raises(RegistryTooSlow):
        registry = opens(server.host, limits=limits)
        ticking = clock.boot_ns

        def passes() -> int:
            clock.advance(1)
            return ticking()

        # Each look at the clock finds a second gone: a minute for what is sent below.
        monkeypatch.setattr(clock, "boot_ns", passes)
        registry.push_blob("a", bytes(2**22))


def test_a_file_that_shrinks_while_it_is_pushed_is_said_to_have_changed(opens: Opens, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(CONTENT)

    def answer(request: Request) -> Reply:
        source.write_bytes(CONTENT[:10])
        return Uploads()(request)

    with scripted_registry(answer) as server, pytest.raises(SourceChanged, match="source became shorter"):
        opens(server.host).push_blob("a", source)


@pytest.mark.parametrize(
    ("location", "error"),
    [("", RegistryUnreadable), ("ftp://127.0.0.1/", RedirectRefused), ("http://far.example.org/", RedirectRefused)],
)
def test_an_upload_that_leads_nowhere_good_is_refused(opens: Opens, location: str, error: type[Exception]) -> None:
    def answer(request: Request) -> Reply:
        return Reply(404) if request.method == "HEAD" else Reply(202, {"Location": location})

    with scripted_registry(answer) as server, pytest.raises(error):
        opens(server.host).push_blob("a", CONTENT)


def test_a_registry_that_calls_a_manifest_by_another_digest_took_something_else(opens: Opens) -> None:
    reply = Reply(201, {"Docker-Content-Digest": digest_of(b"other")})
    with scripted_registry(lambda _: reply) as server, pytest.raises(ManifestDamaged):
        opens(server.host).push_manifest("a", b"{}", OCI_INDEX)


def test_a_registry_that_lists_what_is_attached_needs_no_tag_for_it_and_its_pages_are_followed(opens: Opens) -> None:
    subject = digest_of(b"subject")
    entries = [Descriptor(OCI_MANIFEST, digest_of(bytes([n])), n, artifact_type=f"t{n % 2}") for n in range(4)]
    taken: list[str] = []

    def answer(request: Request) -> Reply:
        if request.method == "HEAD":
            return Reply(200)
        if request.method == "PUT":
            taken.append(request.path)
            return Reply(201, {"OCI-Subject": subject})
        page = 2 if "page=2" in request.path else 0
        link = {} if page else {"Link": f'</v2/a/referrers/{subject}?page=2>; rel="next"'}
        body = documents.write_index(entries[page : page + 2])
        return Reply(headers={"Content-Type": OCI_INDEX, **link}, body=body)

    with scripted_registry(answer) as server:
        registry = opens(server.host)
        layer = [(b"signature", "text/plain")]
        registry.attach("a", Descriptor(OCI_MANIFEST, subject, 7), artifact_type="t0", layers=layer)
        assert len(taken) == 1
        assert "sha256-" not in taken[0]
        assert registry.referrers("a", subject) == tuple(entries)
        assert registry.referrers("a", subject, "t1") == (entries[1], entries[3])


@pytest.mark.parametrize("reply", [Reply(404), Reply(405), Reply(200, {"Content-Type": "text/html"}, b"<html>")])
def test_where_a_registry_keeps_no_lists_the_tag_is_read(opens: Opens, reply: Reply) -> None:
    subject = digest_of(b"subject")
    entry = Descriptor(OCI_MANIFEST, digest_of(b"signature"), 9, {"a": "b"}, artifact_type="t")

    def answer(request: Request) -> Reply:
        if request.path == f"/v2/a/manifests/{referrers_tag(subject)}":
            return Reply(headers={"Content-Type": OCI_INDEX}, body=documents.write_index([entry, entry]))
        return reply

    with scripted_registry(answer) as server:
        assert opens(server.host).referrers("a", subject) == (entry,)


def test_an_entry_that_somebody_else_wrote_over_is_written_again(opens: Opens) -> None:
    subject = Descriptor(OCI_MANIFEST, digest_of(b"subject"), 7)
    listed: list[bytes] = []

    def answer(request: Request) -> Reply:
        if request.method == "HEAD":
            return Reply(200)
        if request.method == "PUT" and "sha256-" in request.path:
            # The first time somebody else writes an empty list at the same moment, and is later.
            listed.append(request.content if listed else documents.write_index([]))
            return Reply(201)
        if request.method == "GET":
            return Reply(headers={"Content-Type": OCI_INDEX}, body=listed[-1]) if listed else Reply(404)
        return Reply(201)

    with scripted_registry(answer) as server:
        attached = opens(server.host).attach("a", subject, artifact_type="t", layers=[(b"x", "text/plain")])
    assert len(listed) == 2
    assert [entry["digest"] for entry in json.loads(listed[-1])["manifests"]] == [attached.digest]
