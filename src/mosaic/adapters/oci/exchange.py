"""One registry, spoken to: authorised, bounded, led on carefully, tried again when it was busy.

What is asked and what an answer means is left to those who ask. A request
goes out at most twice for its login (once more after a 401), follows a few
redirects of reads, and its `Authorization` is seen by the registry's own
server alone.
"""

import contextlib
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import httpx2
import msgspec

from mosaic.adapters.bounded_http import BoundedTransport, Patience
from mosaic.adapters.clock import Clock
from mosaic.adapters.oci.authority import Authority, Scope
from mosaic.adapters.oci.challenge import challenges
from mosaic.adapters.oci.connection_failures import meaning
from mosaic.adapters.oci.credentials import Credentials
from mosaic.adapters.oci.documents import UNREADABLE
from mosaic.adapters.oci.failures import (
    AnswerTooLarge,
    RedirectRefused,
    RegistryUnreachable,
    RegistryUnreadable,
    refusal,
)
from mosaic.adapters.oci.hosts import Place
from mosaic.adapters.oci.limits import Flow, Limits, Tries
from mosaic.core.errors import Unavailable

T = TypeVar("T")

_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_REFUSAL_BYTES = 64 * 1024
_TOKEN_BYTES = 2**20
_ERROR_CODE = re.compile(r"[A-Z][A-Z_]{0,47}")


@dataclass(frozen=True, slots=True)
class Ask:
    """A request. `name` is what is asked for, as errors call it; `expects` are the statuses that the caller reads."""

    method: str
    url: str
    scope: Scope
    name: str
    expects: frozenset[int]
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | Callable[[], Iterable[bytes]] | None = None
    """What is sent. A function returns it from its beginning each time: it may have to be sent again."""
    most_bytes: int = _REFUSAL_BYTES
    answer_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. Header names are in lower case; `url` is where it came from in the end."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    url: str


class Exchange:
    """One registry. Threads may share it. Close it when it is not needed any more."""

    def __init__(
        self,
        place: Place,
        credentials: Credentials,
        *,
        clock: Clock,
        limits: Limits,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.place = place
        self.limits = limits
        self._clock = clock
        self._pause = pause
        self._patience = Patience(clock)
        self._transport = BoundedTransport(place.tls, self._patience)
        self._authority = Authority(place, credentials, self._ask_token, clock)

    @property
    def where(self) -> str:
        """What errors call this registry."""
        return self.place.host

    def url(self, repository: str, rest: str) -> str:
        """Return the address of something in a repository."""
        return f"{self.place.address}/v2/{repository}/{rest}"

    def close(self) -> None:
        """End its connections."""
        self._transport.close()

    def pause(self, seconds: float) -> None:
        """Wait, as tries do."""
        self._pause(seconds)

    def tries(self) -> Tries:
        """Return a fresh count of failures, for something that is begun again as a whole."""
        return Tries(self.limits, self._pause, random.uniform)

    def flow(self) -> Flow:
        """Return what measures one transfer from now on."""
        return Flow(self.where, self.limits, self._clock)

    def ask(self, ask: Ask) -> Answer:
        """Make a request until it is answered, a bounded number of times.

        Raises:
            Unavailable: the registry did not answer, is busy or too slow.
            Refused, NotFound: it answered with a status that the caller does not expect.
            AnswerTooLarge: the answer has more than `most_bytes`.
        """
        tries = self.tries()
        while True:
            try:
                return self.ask_once(ask)
            except RegistryUnreachable as error:
                tries.wait_after(error, wait_seconds=error.wait_seconds)

    def ask_once(self, ask: Ask) -> Answer:
        """Make a request once, for a caller who counts the tries. Raises like `ask`."""
        with self.opened(ask) as opened:
            content = opened.whole(ask.most_bytes)
            return Answer(opened.status, opened.headers, content, opened.url)

    @contextlib.contextmanager
    def opened(self, ask: Ask) -> "Iterator[Opened]":
        """Make a request once, and hand over its answer while its body is still to come. Raises like `ask`."""
        self._patience.lasts(ask.answer_seconds or self.limits.answer_seconds)
        with self._speaking():
            answer, url = self._led(ask)
            with contextlib.closing(answer):
                opened = self._opened(ask, answer, url)
                if answer.status_code not in ask.expects:
                    raise self._refusal(ask, opened)
                if answer.headers.get("content-encoding", "identity") != "identity":
                    raise RegistryUnreadable(self.where, "it packs what was asked for as it is")
                yield opened

    def sending(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Pass on what is uploaded. Raises RegistryTooSlow when the registry takes too little of it."""
        flow = self.flow()
        for piece in pieces:
            self._patience.lasts(self.limits.window_seconds)
            yield piece
            flow.moved(len(piece))
        self._patience.lasts(self.limits.commit_seconds)

    def _led(self, ask: Ask) -> tuple[httpx2.Response, str]:
        """Send a request, and follow where its answer leads."""
        url, own = ask.url, self.place.is_own(ask.url)
        if not own:
            self.place.require_safe(url)
        for _ in range(_MOST_REDIRECTS + 1):
            answer = self._let_in(ask, url) if own else self._send(ask, url, None)
            if answer.status_code not in _REDIRECTS or ask.method not in ("GET", "HEAD"):
                return answer, url
            self._drain(ask, answer, url)
            url = self.place.led_to(url, answer.headers.get("location", ""))
            # Once it was led elsewhere a request stays without a login, wherever it is led from there.
            own = own and self.place.is_own(url)
        raise RedirectRefused(self.where, f"it led on more than {_MOST_REDIRECTS} times")

    def _let_in(self, ask: Ask, url: str) -> httpx2.Response:
        sent = self._authority.known(ask.scope)
        answer = self._send(ask, url, sent)
        if answer.status_code != 401:
            return answer
        offered = challenges(answer.headers.get_list("www-authenticate"))
        self._drain(ask, answer, url)
        earned = self._authority.earn(offered, ask.scope, refused=sent)
        # Asking for a token took its own time.
        self._patience.lasts(ask.answer_seconds or self.limits.answer_seconds)
        return self._send(ask, url, earned)

    def _opened(self, ask: Ask, answer: httpx2.Response, url: str) -> "Opened":
        return Opened(self, self._patience, answer, Source(url, ask.name, has_body=ask.method != "HEAD"))

    def _drain(self, ask: Ask, answer: httpx2.Response, url: str) -> None:
        """Read an answer whose body is of no use: its connection is good for the next request then."""
        with contextlib.closing(answer), contextlib.suppress(AnswerTooLarge):
            self._opened(ask, answer, url).whole(_REFUSAL_BYTES)

    def _send(self, ask: Ask, url: str, authorization: str | None) -> httpx2.Response:
        headers = {"User-Agent": "mosaic", "Accept-Encoding": "identity", **ask.headers}
        if authorization is not None:
            headers["Authorization"] = authorization
        content = ask.content() if callable(ask.content) else ask.content
        return self._transport.handle_request(self._request(ask.method, url, headers, content))

    def _request(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | Iterable[bytes] | None
    ) -> httpx2.Request:
        silence = self.limits.silence_seconds
        timeouts = {"connect": self.limits.connect_seconds, "read": silence, "write": silence, "pool": silence}
        return httpx2.Request(method, url, headers=dict(headers), content=content, extensions={"timeout": timeouts})

    def _ask_token(self, url: str, *, headers: Mapping[str, str], form: bytes | None) -> tuple[int, bytes]:
        self._patience.lasts(self.limits.answer_seconds)
        typed = {} if form is None else {"Content-Type": "application/x-www-form-urlencoded"}
        sent = {"User-Agent": "mosaic", "Accept": "application/json", "Accept-Encoding": "identity", **typed, **headers}
        request = self._request("GET" if form is None else "POST", url, sent, form)
        with contextlib.closing(self._transport.handle_request(request)) as answer:
            opened = Opened(self, self._patience, answer, Source(url, "a token", has_body=True))
            if answer.status_code in _BUSY:
                raise self._busy(opened)
            return answer.status_code, opened.whole(_TOKEN_BYTES)

    def _refusal(self, ask: Ask, opened: "Opened") -> Exception:
        status = opened.status
        if status in _BUSY:
            return self._busy(opened)
        if status in (401, 403) and not self.place.is_own(opened.url):
            # An address with a signature that has ended; the registry gives another one.
            return RegistryUnreachable(self.where, f"the place that it leads to answered {status}")
        words = ""
        with contextlib.suppress(AnswerTooLarge, Unavailable, httpx2.TransportError):
            words = _error_codes(opened.whole(_REFUSAL_BYTES))
        if status in _REDIRECTS:
            return RedirectRefused(self.where, "something that is written cannot be sent elsewhere")
        repository = ask.scope.repository
        return refusal(self.where, repository, ask.name, status=status, answer=f"{status} {words}".rstrip())

    def _busy(self, opened: "Opened") -> RegistryUnreachable:
        asked = opened.headers.get("retry-after", "")
        wait = float(asked) if re.fullmatch(r"[0-9]{1,6}", asked) else 0.0
        return RegistryUnreachable(self.where, f"it answered {opened.status}", wait_seconds=wait)

    @contextlib.contextmanager
    def _speaking(self) -> Iterator[None]:
        """Turn what fails on the way into our errors."""
        try:
            yield
        except httpx2.TransportError as error:
            raise meaning(error, self.where) from None
        except httpx2.InvalidURL:
            raise RegistryUnreadable(self.where, "it names an address that is none") from None


@dataclass(frozen=True, slots=True)
class Source:
    """Where an answer comes from, and what was asked for."""

    url: str
    name: str
    has_body: bool


class Opened:
    """An answer whose body is still to come. Good inside the `with` that made it."""

    def __init__(self, exchange: Exchange, patience: Patience, answer: httpx2.Response, source: Source) -> None:
        self.status = answer.status_code
        self.headers: Mapping[str, str] = {key.lower(): value for key, value in answer.headers.items()}
        self.url = source.url
        self._source = source
        self._exchange = exchange
        self._patience = patience
        self._answer = answer

    def length(self) -> int | None:
        """Return how long the body says it is; None when it does not say."""
        said = self.headers.get("content-length", "")
        return int(said) if re.fullmatch(r"[0-9]{1,18}", said) else None

    def whole(self, most_bytes: int) -> bytes:
        """Return the whole body, before the request's time is over. Raises AnswerTooLarge."""
        too_large = AnswerTooLarge(self._exchange.where, self._source.name, most_bytes=most_bytes)
        content = bytearray()
        # Of an answer to HEAD the length is that of what was not sent.
        if self._source.has_body and (self.length() or 0) > most_bytes:
            raise too_large
        for piece in self._answer.iter_raw():
            content += piece
            if len(content) > most_bytes:
                raise too_large
        return bytes(content)

    def pieces(self) -> Iterator[bytes]:
        """Yield the body as it comes. Raises RegistryTooSlow."""
        flow, window = self._exchange.flow(), self._exchange.limits.window_seconds
        self._patience.lasts(window)
        for piece in self._answer.iter_raw():
            flow.moved(len(piece))
            yield piece
            self._patience.lasts(window)


def _error_codes(content: bytes) -> str:
    """Return the codes of a registry's error document; they alone are known to be words."""
    try:
        errors = msgspec.json.decode(content, type=_Errors).errors
    except UNREADABLE:
        return ""
    return ", ".join(dict.fromkeys(one.word for one in errors if _ERROR_CODE.fullmatch(one.word)))


class _Error(msgspec.Struct, rename={"word": "code"}):
    word: str = ""


class _Errors(msgspec.Struct):
    errors: list[_Error] = []
