"""What the storage daemon is asked about the stores that follow, the line and its shared folder.

The way is that of `mosaic.wire.storage`: `POST /v1/<verb>` over the UNIX socket.

| verb | request | answer |
|---|---|---|
| store-add | StoreAdd | StoreShown |
| store-check | StoreName | StoreShown |
| store-remove | StoreName | Done |
| stores | StoresRequest | Stores |
| limit | Limit | Limit |
| share | Share | Shared |
| unshare | StoresRequest | Done |
"""

import msgspec

from mosaic.wire.storage import Failure

STORE_VERBS = frozenset(
    f"/v1/{verb}" for verb in ("store-add", "store-check", "store-remove", "stores", "limit", "share", "unshare")
)


class StoreAdd(msgspec.Struct, frozen=True):
    """Have another store follow. `key` is the text of the file with its key, or the pairing string; None for folders.

    With the name of a store that is there: its address and key from now on.
    """

    name: str
    url: str
    key: str | None = None

    def __repr__(self) -> str:
        return f"StoreAdd({self.name!r})"


class StoreName(msgspec.Struct, frozen=True):
    """One of the stores that follow."""

    name: str


class StoresRequest(msgspec.Struct, frozen=True):
    """Asks for what takes no words."""


class StoreShown(msgspec.Struct, frozen=True):
    """A store that follows, and how far it is.

    `same_machine` says that it dies with this machine and is no replica.
    `create_only` and `compare_and_swap` are what its self-test found.
    `volumes` follow it, `behind` of them are not up to date.
    """

    name: str
    url: str
    same_machine: bool
    create_only: bool
    compare_and_swap: bool
    checked_ns: int
    volumes: int = 0
    behind: int = 0
    oldest_instant_ns: int | None = None
    problem: Failure | None = None


class Stores(msgspec.Struct, frozen=True):
    """All stores that follow, the limits of the line, and what is shared."""

    stores: list[StoreShown]
    upload: int | None
    download: int | None
    shared: "Shared | None" = None


class Limit(msgspec.Struct, frozen=True):
    """Bytes a second for all stores together; None for no limit."""

    upload: int | None
    download: int | None


class Share(msgspec.Struct, frozen=True):
    """Keep other Devices' volumes in `folder`. `new_pairing` makes the pairing that was given out before worthless."""

    host: str
    port: int
    folder: str
    quota_bytes: int | None = None
    new_pairing: bool = False


class SharedBy(msgspec.Struct, frozen=True):
    """What a Device says of itself to whoever may keep volumes in its folder (GET /api/store): its machine."""

    machine: str


class Shared(msgspec.Struct, frozen=True):
    """What is shared. `pairing` is there once, when it is made: it is a secret."""

    host: str
    port: int
    folder: str
    used_bytes: int
    quota_bytes: int | None
    pairing: str | None = None

    def __repr__(self) -> str:
        return f"Shared({self.folder!r})"
