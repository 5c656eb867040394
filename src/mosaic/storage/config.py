"""What a storage daemon is told when it starts."""

from dataclasses import dataclass
from pathlib import Path

from mosaic.core.collecting import Limits

PLUGIN_DIR = Path("/run/docker/plugins")
"""Where Docker engines look for plugins."""

_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class ScrubPace:
    """A pack is read again `after_seconds`; `every_seconds`, up to `budget_bytes` of such packs are."""

    every_seconds: float = 900.0
    after_seconds: float = 30 * 24 * 3600.0
    budget_bytes: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FollowPace:
    """A store that follows is compared with the first one every `compare_seconds`.

    Every `reread_seconds`, one of `reread_parts` of what lies in it is read again; None for never.
    """

    compare_seconds: float = 24 * 3600.0
    reread_seconds: float | None = 22 * 3600.0
    reread_parts: int = 30

    def is_reread_due(self, last_ns: int, now_ns: int) -> bool:
        """Return whether it is time, also when a clock that was wrong was set back."""
        return self.reread_seconds is not None and abs(now_ns - last_ns) >= self.reread_seconds * 1e9


@dataclass(frozen=True, slots=True)
class CollectPace:
    """Old snapshots are let go and packs collected `first_seconds` after the start, then `every_seconds`.

    What could not be finished is tried `again_seconds` later. `limits` say how much is done at once.
    """

    first_seconds: float = 3600.0
    every_seconds: float = 24 * 3600.0
    again_seconds: float = 3600.0
    limits: Limits = _LIMITS


@dataclass(frozen=True, slots=True)
class AuditPace:
    """An audit rests `rest` times as long as it works, and gives way to snapshots for up to `yield_seconds` at a time.

    One that came to no end is tried again `again_seconds` later. One that found differences is followed by another
    as soon as everything was read again, and when that finds some too, by the next one `repeated_seconds` later.
    """

    rest: float = 1.0
    yield_seconds: float = 30.0
    again_seconds: float = 1800.0
    repeated_seconds: float = 12 * 3600.0


@dataclass(frozen=True, slots=True)
class StorageConfig:
    """One daemon. Everything it keeps lies under `state`, which must exist.

    `driver` is the volume driver's name; daemons that share an engine need
    names of their own. `specs` is where engines read of drivers that do not run,
    None where nothing has to be written there. `scan` is a folder on any file system: its volumes are
    plain folders. `pool` is a folder on btrfs; None means an image under
    `state` of `image_bytes` (None: 8 GiB, or a quarter of the free space if
    that is less; one that is smaller grows). `interval_seconds` is
    the time between two snapshots of a busy volume. Snapshots stop when less
    than `reserve_bytes` of the pool is free (None: 5 % of it, at most 1 GiB).
    A Hive that says 'fenced' is believed after `fence_confirm_seconds`. `scrub`
    says how often stored packs are read again, `collect` how often old
    snapshots are let go, `audit` how audits go about it.
    """

    state: Path
    driver: str = "mosaic"
    plugin_dir: Path = PLUGIN_DIR
    specs: Path | None = None
    pool: Path | None = None
    scan: Path | None = None
    image_bytes: int | None = None
    interval_seconds: float = 15.0
    reserve_bytes: int | None = None
    fence_confirm_seconds: float = 10.0
    scrub: ScrubPace = ScrubPace()
    follow: FollowPace = FollowPace()
    collect: CollectPace = CollectPace()
    audit: AuditPace = AuditPace()

    @property
    def control_socket(self) -> Path:
        """Where the verbs of `mosaic.wire.storage` are answered."""
        return self.state / "storage.sock"

    @property
    def plugin_socket(self) -> Path:
        """Where the engine finds the volume driver."""
        return self.plugin_dir / f"{self.driver}.sock"
