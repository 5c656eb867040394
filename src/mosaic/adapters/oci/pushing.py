"""Pushing blobs and manifests (distribution-spec 1.1, "Push").

What the registry has is not sent: it is asked first, and asked to take a blob
over from another of its repositories where the caller knows one. A blob goes
up in one piece when it is small, in chunks otherwise, and in one piece all the
same where a registry takes no chunks. An upload that breaks off is begun
again; the registry forgets the old one.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from mosaic.adapters.oci.authority import Scope
from mosaic.adapters.oci.exchange import Answer, Ask, Exchange
from mosaic.adapters.oci.failures import (
    ManifestDamaged,
    RegistryRejected,
    RegistryUnreachable,
    RegistryUnreadable,
    SourceChanged,
)
from mosaic.core.errors import NotFound
from mosaic.core.oci_types import OCTETS, Descriptor, Digest, digest_of

_PIECE_BYTES = 64 * 1024
_LONGEST_LOCATION = 8192
# What registries answer that take a blob in one piece only.
_NO_CHUNKS = frozenset({400, 404, 405, 411, 413, 415, 416, 501})


class _ChunksRefused(Exception):
    """The registry takes no chunks of this upload."""


def push_blob(
    exchange: Exchange, repository: str, source: Path | bytes, *, media_type: str, mount_from: str | None
) -> Descriptor:
    """Have a repository keep some content; see `Registry.push_blob`."""
    size, digest = _measured(source)
    blob = Descriptor(media_type, digest, size)
    if not has_blob(exchange, repository, blob):
        _Upload(exchange, repository, source, blob, mount_from).run()
    return blob


def has_blob(exchange: Exchange, repository: str, blob: Descriptor) -> bool:
    """Whether a repository has a blob."""
    url = exchange.url(repository, f"blobs/{blob.digest}")
    # Asked as somebody who pushes: what comes next then needs no other token.
    answer = exchange.ask(Ask("HEAD", url, Scope(repository, push=True), repository, frozenset({200, 404})))
    return answer.status == 200


def put_manifest(exchange: Exchange, repository: str, reference: str, content: bytes, media_type: str) -> Answer:
    """Have a repository keep a manifest under a tag or its digest. Raises ManifestDamaged: it took something else."""
    name = f"{repository}:{reference}"
    ask = Ask(
        "PUT",
        exchange.url(repository, f"manifests/{reference}"),
        Scope(repository, push=True),
        name,
        frozenset({200, 201, 202}),
        {"Content-Type": media_type},
        content,
    )
    answer = exchange.ask(ask)
    told = answer.headers.get("docker-content-digest")
    if told is not None and told != digest_of(content):
        raise ManifestDamaged(exchange.where, name, "the registry calls what it took by another digest")
    return answer


class _Upload:
    """One blob on its way up."""

    def __init__(
        self, exchange: Exchange, repository: str, source: Path | bytes, blob: Descriptor, mount_from: str | None
    ) -> None:
        self._exchange = exchange
        self._repository = repository
        self._source = source
        self._blob = blob
        self._mount_from = mount_from
        self._scope = Scope(repository, push=True)
        self._in_chunks = blob.size > exchange.limits.chunk_bytes

    def run(self) -> None:
        tries = self._exchange.tries()
        while True:
            try:
                self._send()
                return
            except _ChunksRefused:
                self._in_chunks = False
            except RegistryUnreachable as error:
                tries.wait_after(error, wait_seconds=error.wait_seconds)

    def _send(self) -> None:
        begun = self._begin()
        if begun.status == 201:
            return
        location = self._location(begun)
        if self._in_chunks:
            location = self._send_chunks(location, self._chunk_bytes(begun))
            self._put(location, 0, 0)
        else:
            self._put(location, 0, self._blob.size)

    def _begin(self) -> Answer:
        """Open an upload, or have the registry take the blob from elsewhere (201)."""
        url = self._exchange.url(self._repository, "blobs/uploads/")
        other, self._mount_from = self._mount_from, None
        if other is not None:
            # Only once: where it does not help, the next try need not ask again.
            mount = f"{url}?mount={quote(self._blob.digest)}&from={quote(other, safe='')}"
            scope = Scope(self._repository, push=True, also_read=other)
            with contextlib.suppress(NotFound, RegistryRejected):
                return self._exchange.ask_once(self._ask("POST", mount, {201, 202}, scope=scope))
        return self._exchange.ask_once(self._ask("POST", url, {202}))

    def _send_chunks(self, location: str, chunk_bytes: int) -> str:
        for start in range(0, self._blob.size, chunk_bytes):
            length = min(chunk_bytes, self._blob.size - start)
            headers = {**_of_length(length), "Content-Range": f"{start}-{start + length - 1}"}
            answer = self._exchange.ask_once(
                self._ask("PATCH", location, {202, 204, *_NO_CHUNKS}, headers=headers, part=(start, length))
            )
            if answer.status in _NO_CHUNKS:
                if start == 0:
                    raise _ChunksRefused
                raise RegistryUnreachable(self._exchange.where, f"it answered {answer.status} in the middle of a blob")
            location = self._location(answer)
        return location

    def _put(self, location: str, start: int, length: int) -> None:
        """Send the rest, and say what the whole is; the registry compares."""
        url = f"{location}{'&' if '?' in location else '?'}digest={quote(self._blob.digest, safe='')}"
        self._exchange.ask_once(
            self._ask("PUT", url, {201, 204}, headers=_of_length(length), part=(start, length) if length else None)
        )

    def _ask(
        self,
        method: str,
        url: str,
        expects: set[int],
        *,
        scope: Scope | None = None,
        headers: dict[str, str] | None = None,
        part: tuple[int, int] | None = None,
    ) -> Ask:
        return Ask(
            method,
            url,
            scope or self._scope,
            f"{self._repository}@{self._blob.digest}",
            frozenset(expects),
            headers or {"Content-Length": "0"},
            None if part is None else lambda: self._exchange.sending(_pieces(self._source, *part)),
            answer_seconds=self._exchange.limits.commit_seconds,
        )

    def _chunk_bytes(self, begun: Answer) -> int:
        least = begun.headers.get("oci-chunk-min-length", "")
        own = self._exchange.limits.chunk_bytes
        return max(own, int(least)) if least.isdecimal() and len(least) < 16 else own

    def _location(self, answer: Answer) -> str:
        location = answer.headers.get("location", "")
        if not 0 < len(location) <= _LONGEST_LOCATION:
            raise RegistryUnreadable(self._exchange.where, "it does not say where an upload goes on")
        return self._exchange.place.led_to(answer.url, location)


def _measured(source: Path | bytes) -> tuple[int, Digest]:
    if isinstance(source, bytes):
        return len(source), digest_of(source)
    with source.open("rb") as file:
        digest = Digest(f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}")
        return file.tell(), digest


def _of_length(length: int) -> dict[str, str]:
    return {"Content-Length": str(length), "Content-Type": OCTETS}


def _pieces(source: Path | bytes, start: int, length: int) -> Iterator[bytes]:
    if isinstance(source, bytes):
        for at in range(start, start + length, _PIECE_BYTES):
            yield source[at : min(at + _PIECE_BYTES, start + length)]
        return
    with source.open("rb") as file:
        yield from _read(file, start, length)


def _read(file: BinaryIO, start: int, length: int) -> Iterator[bytes]:
    file.seek(start, os.SEEK_SET)
    while length > 0:
        piece = file.read(min(_PIECE_BYTES, length))
        if not piece:
            # The registry itself finds out about one that has changed and kept its length.
            raise SourceChanged(file.name)
        length -= len(piece)
        yield piece
