"""Fetching a blob: the rest of what is there, checked as a whole before it gets its name.

A connection that breaks is made again, and asks for the rest (RFC 9110, range
requests). A part whose bytes came in several answers and is wrong in the end
is thrown away once, and fetched anew: nobody knows which answer was wrong. A
blob that came in one answer and is wrong is the registry's own word.
"""

import re
from collections.abc import Callable
from pathlib import Path

from mosaic.adapters.oci.authority import Scope
from mosaic.adapters.oci.blob_file import Part, held_part
from mosaic.adapters.oci.exchange import Ask, Exchange, Opened
from mosaic.adapters.oci.failures import AnswerTooLarge, BlobDamaged, RegistryUnreachable
from mosaic.core.oci_types import Descriptor, digest_of

Told = Callable[[int], None]
"""Is told how many bytes of the blob are there now. The number falls when a part is thrown away."""

_PROGRESS_BYTES = 2**20
_LOOKS_PER_SECOND = 10
_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")


def fetch_blob(exchange: Exchange, repository: str, blob: Descriptor, into: Path, *, told: Told) -> None:
    """Put a blob into a file whose folder exists; see `Registry.fetch_blob`."""
    looks = int(exchange.limits.window_seconds * _LOOKS_PER_SECOND)
    with held_part(into, blob, pause=exchange.pause, looks=looks) as part:
        if part is not None:
            told(part.size)
            _Fetch(exchange, repository, blob, part, told).run()
            part.finish(into)
    told(blob.size)


def fetch_small(exchange: Exchange, repository: str, blob: Descriptor, *, most_bytes: int) -> bytes:
    """Return a small blob's content; see `Registry.blob`."""
    if blob.size > most_bytes:
        raise AnswerTooLarge(exchange.where, blob.digest, most_bytes=most_bytes)
    ask = _ask(exchange, repository, blob, expects={200}, headers={}, most_bytes=blob.size)
    content = exchange.ask(ask).content
    if digest_of(content) != blob.digest:
        raise BlobDamaged(exchange.where, _name(repository, blob), f"its digest is {digest_of(content)}")
    return content


class _Fetch:
    """One blob that is being fetched."""

    def __init__(self, exchange: Exchange, repository: str, blob: Descriptor, part: Part, told: Told) -> None:
        self._exchange = exchange
        self._repository = repository
        self._blob = blob
        self._part = part
        self._told = told
        # What was there already came in some earlier answer.
        self._is_patched = part.size > 0

    def run(self) -> None:
        thrown_away = False
        while True:
            self._complete()
            if self._part.digest == self._blob.digest:
                return
            wrong, is_patched = self._part.digest, self._is_patched
            self._throw_away()
            if thrown_away or not is_patched:
                raise self._damaged(f"its digest is {wrong}")
            thrown_away = True

    def _complete(self) -> None:
        """Append until nothing is missing."""
        tries, furthest = self._exchange.tries(), self._part.size
        while self._part.size < self._blob.size:
            try:
                self._append()
            except RegistryUnreachable as error:
                if self._part.size >= furthest + _PROGRESS_BYTES:
                    # Never for the same bytes twice: a server could go on like that for ever.
                    furthest = self._part.size
                    tries.begin_anew()
                tries.wait_after(error, wait_seconds=error.wait_seconds)

    def _append(self) -> None:
        offset = self._part.size
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        expects = {200, 206, 416} if offset else {200}
        ask = _ask(self._exchange, self._repository, self._blob, expects=expects, headers=headers)
        with self._exchange.opened(ask) as opened:
            if opened.status == 416:
                # It has less than we have: one of both is wrong, and ours can be had again.
                self._throw_away()
                raise RegistryUnreachable(self._exchange.where, "it does not send the rest of what it sent before")
            if opened.status == 200 and offset:
                self._throw_away()
            self._check_length(opened)
            self._is_patched = self._part.size > 0
            for piece in opened.pieces():
                if self._part.size + len(piece) > self._blob.size:
                    raise self._too_large()
                self._part.append(piece)
                self._told(self._part.size)
        if self._part.size < self._blob.size:
            raise RegistryUnreachable(self._exchange.where, "it ended its answer too early")

    def _check_length(self, opened: Opened) -> None:
        missing = self._blob.size - self._part.size
        if opened.status == 206:
            said = _RANGE.fullmatch(opened.headers.get("content-range", ""))
            if said is None or int(said[1]) != self._part.size or said[3] not in ("*", str(self._blob.size)):
                raise self._damaged("the registry sends another part of it than was asked for")
        length = opened.length()
        if length is not None and length > missing:
            raise self._too_large()
        if length is not None and length < missing:
            whole = self._part.size + length
            raise self._damaged(f"the registry has {whole} bytes of it, and its manifest says {self._blob.size}")

    def _throw_away(self) -> None:
        self._part.clear()
        self._told(0)

    def _too_large(self) -> AnswerTooLarge:
        return AnswerTooLarge(self._exchange.where, _name(self._repository, self._blob), most_bytes=self._blob.size)

    def _damaged(self, reason: str) -> BlobDamaged:
        return BlobDamaged(self._exchange.where, _name(self._repository, self._blob), reason)


def _ask(
    exchange: Exchange,
    repository: str,
    blob: Descriptor,
    *,
    expects: set[int],
    headers: dict[str, str],
    most_bytes: int = 0,
) -> Ask:
    return Ask(
        "GET",
        exchange.url(repository, f"blobs/{blob.digest}"),
        Scope(repository),
        _name(repository, blob),
        frozenset(expects),
        headers,
        most_bytes=most_bytes,
    )


def _name(repository: str, blob: Descriptor) -> str:
    return f"{repository}@{blob.digest}"
