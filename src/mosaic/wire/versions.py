"""The API's part about which version of an app runs: catalogs, the owner's own apps, updates, generations.

The requests are in the table of `mosaic.wire.api`.
"""

from typing import Literal

import msgspec

from mosaic.wire.approval import Approval, CatalogTrust
from mosaic.wire.storage import Failure
from mosaic.wire.updating import GATE_SECONDS, UpdateState


class AddCatalog(msgspec.Struct, frozen=True):
    """A TUF repository that the owner believes from `root` on (its first root's bytes)."""

    trust: CatalogTrust
    url: str
    root: bytes


class Catalog(msgspec.Struct, frozen=True):
    """A catalog as the Hive saw it last. `versions` are its newest Targets, as `hardware version`.

    `problem` is why the last refresh failed; what was there before it stays. `expires_ns` is when the first of its
    signatures ends; `warnings` are those that end soon, or have.
    """

    name: str
    url: str
    channel: str
    root_sha256: str
    added_ns: int
    refreshed_ns: int | None
    expires_ns: int | None
    versions: list[str]
    apps: list[str]
    problem: str | None = None
    warnings: list[str] = []


class OwnApp(msgspec.Struct, frozen=True):
    """A package's manifest, whose blobs are here, and the owner's word on it."""

    manifest: bytes
    approval: Approval


class CarriedApp(msgspec.Struct, frozen=True):
    """A catalog's app that came in a file: its manifest, whose blobs are here, and the metadata that it is signed by.

    `metadata` is by file name, as a TUF repository serves it below `metadata/`.
    """

    manifest: bytes
    metadata: dict[str, bytes]


class UpdateApp(msgspec.Struct, frozen=True):
    """Run another version of the app: `digest`, or the newest of where it came from. It must be well for
    `gate_seconds` before it counts. `again`: also one that failed twice.
    """

    digest: str | None = None
    approval: Approval | None = None
    gate_seconds: int = GATE_SECONDS
    again: bool = False


class ServiceChange(msgspec.Struct, frozen=True):
    """How a service differs in the new version; None on the side where it is not. `environment` are names.

    `settings` are the other keys of the service that differ.
    """

    service: str
    image_before: str | None
    image_after: str | None
    environment_added: list[str] = []
    environment_removed: list[str] = []
    environment_changed: list[str] = []
    settings: list[str] = []


class UpdatePlan(msgspec.Struct, frozen=True):
    """What an update would change. `fetch_bytes` is at most so much, None when nothing says how large images are.

    `asks` are grants that the new version needs and the installation lacks: it is refused without them. `failed` is
    how often this version failed here.
    """

    app_digest_before: str
    app_digest_after: str
    label_before: str
    label_after: str
    services: list[ServiceChange]
    volumes_added: list[str]
    volumes_removed: list[str]
    ports_added: list[str]
    ports_removed: list[str]
    asks: list[str]
    fetch_bytes: int | None
    failed: int = 0


class Updating(msgspec.Struct, frozen=True):
    """The newest wish for another version. It is open until `ended_ns`; `state` is how far its Device is."""

    id: str
    app_digest: str
    label: str
    by_itself: bool
    asked_ns: int
    gate_seconds: int
    state: UpdateState | None = None
    ended_ns: int | None = None
    outcome: Literal["done", "failed", "called-off"] | None = None
    failure: Failure | None = None
    kept: str | None = None


class Generation(msgspec.Struct, frozen=True):
    """One version that the installation ran, numbered from 1. `last_head` is its last snapshot; None for the present
    one, and where that was let go.
    """

    n: int
    app_digest: str
    label: str
    began_ns: int
    last_head: str | None
    last_instant_ns: int | None


class RollBack(msgspec.Struct, frozen=True):
    """Run generation `to` (None: the one before) again, on its own last data; with `keep_data` on the present one,
    as an update that may fail.
    """

    to: int | None = None
    keep_data: bool = False


class Follows(msgspec.Struct, frozen=True):
    """Whether newer versions of its catalog are taken by themselves."""

    follows: bool
