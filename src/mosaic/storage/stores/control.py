"""Routes of the control socket that are about stores."""

import msgspec

from mosaic.storage.daemon import Daemon
from mosaic.storage.stores import sharing
from mosaic.storage.stores import store_verbs as verbs
from mosaic.wire import stores as wire


def route(daemon: Daemon, path: str, body: bytes) -> msgspec.Struct:
    """Answer one request; `path` is one of STORE_VERBS."""
    match path.rpartition("/")[2]:
        case "store-add":
            return verbs.store_add(daemon, msgspec.json.decode(body, type=wire.StoreAdd))
        case "store-check":
            return verbs.store_check(daemon, msgspec.json.decode(body, type=wire.StoreName))
        case "store-remove":
            return verbs.store_remove(daemon, msgspec.json.decode(body, type=wire.StoreName))
        case "share":
            return sharing.share(daemon, msgspec.json.decode(body, type=wire.Share))
        case "unshare":
            return sharing.unshare(daemon)
        case "limit":
            return verbs.limit(daemon, msgspec.json.decode(body, type=wire.Limit))
        case _:
            return verbs.stores(daemon)
