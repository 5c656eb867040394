"""Carrying out what the owner asks about stores: the verbs of `mosaic.wire.stores`."""

import time

from mosaic.core.errors import MosaicError, NotFound, Refused
from mosaic.storage import log
from mosaic.storage.daemon import Daemon
from mosaic.storage.stores.address import check_store_name
from mosaic.storage.stores.sharing import shared
from mosaic.storage.stores.store_records import AddedStore, LineLimits
from mosaic.wire import stores as wire
from mosaic.wire.storage import Done, Failure

_SLOWEST = 16 * 1024


class StoreUnknown(NotFound):
    """No store that follows has this name."""

    code = "store-unknown"

    def __init__(self, name: str) -> None:
        super().__init__(f"no store here is called {name!r}", hint="`mosaic storage store list` shows them")


class LimitTooLow(Refused):
    """Under such a limit nothing would ever be replicated."""

    code = "limit-too-low"

    def __init__(self) -> None:
        super().__init__(
            f"a limit below {_SLOWEST // 1024} kB a second would keep everything from being replicated",
            hint="give a higher one, or `none`",
        )


def store_add(daemon: Daemon, asked: wire.StoreAdd) -> wire.StoreShown:
    """Try a store out and have it follow."""
    # Only who adds a store pays for what it takes.
    from mosaic.storage.stores.trying_out import try_new

    name = check_store_name(asked.name)
    tried = try_new(name, asked.url, asked.key, now_ns=time.time_ns())
    # What a store of this name had before says nothing about what lies at the new address.
    daemon.followers.end(name)
    with daemon.books.transaction():
        daemon.books.stores.put(name, tried.record)
        if tried.key is not None:
            daemon.books.store_keys.put(name, tried.key)
    daemon.followers.begin(tried.record)
    log.info("store_added", store=name, same_machine=int(tried.record.same_machine))
    _wake_all(daemon)
    return _shown(daemon, tried.record)


def store_check(daemon: Daemon, asked: wire.StoreName) -> wire.StoreShown:
    """Try a store out again, and try again at once what failed there."""
    from mosaic.storage.stores.trying_out import try_again

    record = _record(daemon, asked.name)
    try:
        tried = try_again(record, daemon.books.store_keys.get(record.name), now_ns=time.time_ns())
    except MosaicError as error:
        return _shown(daemon, record, problem=Failure(error.code, error.message, error.hint))
    if tried.record != record:
        daemon.books.stores.put(record.name, tried.record)
        daemon.followers.noted(tried.record)
    daemon.followers.ask(record.name)
    return _shown(daemon, tried.record)


def store_remove(daemon: Daemon, asked: wire.StoreName) -> Done:
    """Follow a store no more. What lies in it stays."""
    record = _record(daemon, asked.name)
    with daemon.books.transaction():
        daemon.books.stores.delete(record.name)
        daemon.books.store_keys.delete(record.name)
    daemon.followers.end(record.name)
    log.info("store_removed", store=record.name)
    return Done()


def stores(daemon: Daemon) -> wire.Stores:
    """Return everything about stores, without asking any of them."""
    return wire.Stores(
        stores=[_shown(daemon, record) for record in daemon.followers.records()],
        upload=daemon.limits.upload.rate,
        download=daemon.limits.download.rate,
        shared=shared(daemon),
    )


def limit(daemon: Daemon, asked: wire.Limit) -> wire.Limit:
    """Limit the line from now on."""
    if any(rate is not None and rate < _SLOWEST for rate in (asked.upload, asked.download)):
        raise LimitTooLow
    daemon.books.put_limits(LineLimits(asked.upload, asked.download))
    daemon.limits.limit(asked.upload, asked.download)
    return asked


def _record(daemon: Daemon, name: str) -> AddedStore:
    found = daemon.books.stores.get(name)
    if found is None:
        raise StoreUnknown(name)
    return found


def _shown(daemon: Daemon, record: AddedStore, *, problem: Failure | None = None) -> wire.StoreShown:
    volumes, behind, instants = 0, 0, list[int]()
    with daemon.lock:
        held = [volume for volume in daemon.volumes.values() if volume.record.lease is not None]
    for volume in held:
        for store, follower, known in daemon.followers.known(volume.id):
            if store.name != record.name or volume.record.accepted is None:
                continue
            followed = follower.followed if follower is not None else known
            volumes += 1
            behind += followed is None or followed.head != volume.record.accepted.head
            instants += [followed.instant_ns] if followed else []
            problem = problem or (follower.problem if follower is not None else None)
    return wire.StoreShown(
        name=record.name,
        url=record.url,
        same_machine=record.same_machine,
        create_only=record.create_only,
        compare_and_swap=record.compare_and_swap,
        checked_ns=record.checked_ns,
        volumes=volumes,
        behind=behind,
        oldest_instant_ns=min(instants, default=None) if len(instants) == volumes else None,
        problem=problem,
    )


def _wake_all(daemon: Daemon) -> None:
    with daemon.lock:
        volumes = list(daemon.volumes.values())
    for volume in volumes:
        volume.wake()
