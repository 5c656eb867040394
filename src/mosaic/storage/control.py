"""Routes of the control socket: each verb's bytes in, a struct's bytes out."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from mosaic.core.errors import Conflict, MosaicError, NotFound, Refused, Unavailable
from mosaic.core.ids import VolumeId
from mosaic.storage import log, trial_verbs, verbs
from mosaic.storage.daemon import Daemon
from mosaic.storage.discarding import discard
from mosaic.storage.states import state, volume_state
from mosaic.storage.unix_http import Reply
from mosaic.storage.volume import Volume
from mosaic.wire.hiveless import HIVELESS_VERBS
from mosaic.wire.storage import (
    AuditRequest,
    BeginTrial,
    Discard,
    Done,
    EndTrial,
    Envelope,
    Failure,
    GoBack,
    HeadsRequest,
    Hold,
    KnownHeads,
    Prefetch,
    Release,
    SetAside,
    SnapshotNow,
    StateRequest,
    Upstream,
)
from mosaic.wire.stores import STORE_VERBS

T = TypeVar("T", bound=msgspec.Struct)
Route = Callable[[bytes], msgspec.Struct]


def routes(daemon: Daemon) -> Callable[[str, bytes], Reply]:
    """Return the function that answers the control socket's requests."""

    def of_volume(kind: type[T], verb: Callable[[Daemon, T], Volume]) -> Route:
        return lambda body: volume_state(daemon, verb(daemon, msgspec.json.decode(body, type=kind)))

    def done(kind: type[T], verb: Callable[[Daemon, T], None]) -> Route:
        def route(body: bytes) -> Done:
            verb(daemon, msgspec.json.decode(body, type=kind))
            return Done()

        return route

    table: dict[str, Route] = {
        "/v1/upstream": done(Upstream, verbs.upstream),
        "/v1/hold": of_volume(Hold, verbs.hold),
        "/v1/prefetch": of_volume(Prefetch, verbs.prefetch),
        "/v1/snapshot": of_volume(SnapshotNow, verbs.snapshot),
        "/v1/release": of_volume(Release, verbs.release),
        "/v1/set-aside": of_volume(SetAside, verbs.set_aside),
        "/v1/go-back": of_volume(GoBack, verbs.go_back),
        "/v1/begin-trial": of_volume(BeginTrial, trial_verbs.begin_trial),
        "/v1/end-trial": of_volume(EndTrial, trial_verbs.end_trial),
        "/v1/discard": done(Discard, discard),
        "/v1/envelope": done(Envelope, verbs.envelope),
        "/v1/heads": lambda body: _heads(daemon, msgspec.json.decode(body, type=HeadsRequest)),
        "/v1/audit": lambda body: _audit(daemon, body),
        "/v1/state": lambda body: state(daemon, msgspec.json.decode(body or b"{}", type=StateRequest)),
    }

    def of_hiveless(path: str) -> Route | None:
        if path not in HIVELESS_VERBS:
            return None
        # Loaded when it is asked for: a Device's daemon pays nothing for it.
        from mosaic.storage.hiveless.control import answer

        return lambda body: answer(daemon, path, body)

    return lambda path, body: _answer(table.get(path) or of_hiveless(path) or _of_stores(daemon, path), path, body)


def _audit(daemon: Daemon, body: bytes) -> msgspec.Struct:
    # Loaded when a person asks.
    from mosaic.storage.audit_verb import audit

    return audit(daemon, msgspec.json.decode(body, type=AuditRequest))


def _of_stores(daemon: Daemon, path: str) -> Route | None:
    if path not in STORE_VERBS:
        return None
    # Loaded when it is asked for: most daemons are never asked.
    from mosaic.storage.stores.control import route

    return lambda body: route(daemon, path, body)


def _heads(daemon: Daemon, asked: HeadsRequest) -> KnownHeads:
    return KnownHeads(daemon.books.heads(daemon.volume(VolumeId(asked.volume)).id))


def _answer(route: Route | None, path: str, body: bytes) -> Reply:
    if route is None:
        return _failure(404, Failure("unknown-verb", f"there is no verb {path}", "use a Device of this version"))
    try:
        return Reply(200, msgspec.json.encode(route(body)))
    except MosaicError as error:
        log.info("request_refused", verb=path, code=error.code, reason=error.message)
        return _failure(_status(error), Failure(error.code, error.message, error.hint))
    except msgspec.MsgspecError as error:
        return _failure(400, Failure("malformed", f"the request is not well-formed: {error}", "report this mistake"))
    except Exception as error:  # a mistake of ours in one verb: the asker is told, and the daemon goes on
        log.mistake(error, verb=path)
        reason = f"the storage daemon made a mistake: {type(error).__name__}"
        return _failure(500, Failure("internal", reason, "please report the lines of its log with `internal_error`"))


def _failure(status: int, failure: Failure) -> Reply:
    return Reply(status, msgspec.json.encode(failure))


def _status(error: MosaicError) -> int:
    match error:
        case Conflict():
            return 409
        case NotFound():
            return 404
        case Refused():
            return 400
        case Unavailable():
            return 503
        case _:
            return 500
