"""What the ledger says about the stores that an owner added. Their keys lie in a bucket of their own."""

import msgspec


class AddedStore(msgspec.Struct, frozen=True):
    """A store, and what was found out about it when it was added or checked last.

    `same_machine` says that it dies with this machine. `create_only` and
    `compare_and_swap` are the self-test's. `mark` is a folder's mark,
    `certificate` another Device's own (PEM); None for the other kinds.
    """

    name: str
    url: str
    added_ns: int
    checked_ns: int
    same_machine: bool
    create_only: bool
    compare_and_swap: bool
    mark: str | None = None
    certificate: str | None = None


class StoreKey(msgspec.Struct, frozen=True):
    """What opens a store. `key_id` is None where a secret is all."""

    secret: str
    key_id: str | None = None
    session_token: str | None = None


class SharedFolder(msgspec.Struct, frozen=True):
    """A folder that this machine keeps for other Devices. `token_hash` is of the one token that opens it.

    `mark` is the folder's, from when it was shared; None in a record of before there were any.
    """

    listen: str
    port: int
    folder: str
    quota_bytes: int | None
    token_hash: str
    mark: str | None = None


class LineLimits(msgspec.Struct, frozen=True):
    """Bytes a second, None for no limit."""

    upload: int | None = None
    download: int | None = None
