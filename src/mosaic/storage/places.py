"""Where everything lies in the pool.

| folder | holds |
|---|---|
| live/<volume> | the subvolume that containers write to |
| snap/<volume>/<instant> | read-only snapshots: the newest replicated one, the one under way, what a trial began with |
| incoming/<volume> | a restore; renamed to live when it is complete and verified, and never mounted before |
| conflict/<volume>/<epoch>-<instant> | unreplicated state of a fenced holder or a trial; never deleted by the daemon |
| trash/<name> | what is being deleted |
| guard/<installation> | empty folders for guard volumes |
"""

from dataclasses import dataclass
from pathlib import Path

from mosaic.core.ids import InstallationId, VolumeId

_TOPS = ("live", "snap", "incoming", "conflict", "trash", "guard")


@dataclass(frozen=True, slots=True)
class Places:
    """The layout under one pool folder."""

    pool: Path

    def make(self) -> None:
        """Make the top folders that are missing. Only root may look inside."""
        for top in self.tops():
            top.mkdir(mode=0o711, exist_ok=True)

    def tops(self) -> list[Path]:
        """Return the folders under the pool that are ours."""
        return [self.pool / top for top in _TOPS]

    def live(self, volume: VolumeId) -> Path:
        """Return the live subvolume's path."""
        return self.pool / "live" / volume

    def snapshots(self, volume: VolumeId) -> Path:
        """Return the folder of the volume's snapshots."""
        return self.pool / "snap" / volume

    def incoming(self, volume: VolumeId) -> Path:
        """Return the path that restores are written to."""
        return self.pool / "incoming" / volume

    def conflicts(self, volume: VolumeId) -> Path:
        """Return the folder of the volume's conflict snapshots."""
        return self.pool / "conflict" / volume

    def trash(self) -> Path:
        """Return the folder of what is being deleted."""
        return self.pool / "trash"

    def guard(self, installation: InstallationId) -> Path:
        """Return the folder that the installation's guard volume is."""
        return self.pool / "guard" / installation
