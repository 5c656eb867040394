"""The steps that a Device can take, and what each one owes.

Every step may be carried out again, whole or from the middle: a Device that
was killed in a step plans anew and usually meets the same one.
"""

from dataclasses import dataclass
from typing import TypeAlias

from mosaic.core.epoch import Epoch
from mosaic.core.ids import AppDigest, InstallationId


@dataclass(frozen=True, slots=True)
class Release:
    """What an app is run from: one bundle, one revision of its config, one count of asked restarts."""

    app_digest: AppDigest
    config_revision: int
    restart_count: int = 0


@dataclass(frozen=True, slots=True)
class FetchBundle:
    """Fetch, verify and extract the bundle beside the one in use. Fetching what is there again does nothing."""

    installation: InstallationId
    app_digest: AppDigest


@dataclass(frozen=True, slots=True)
class CheckApp:
    """Render, and check policy, architecture, space and ports. Changes nothing but the note that it passed."""

    installation: InstallationId
    release: Release


@dataclass(frozen=True, slots=True)
class PullImages:
    """Get every image that the bundle pins. Images that are here are not pulled again."""

    installation: InstallationId
    app_digest: AppDigest


@dataclass(frozen=True, slots=True)
class MakeKeys:
    """Make the volumes' keys and register them, wrapped, with the Hive; the next assignment names the volumes.

    The keys are kept in the ledger before they are registered, so that doing it twice registers the same ones.
    """

    installation: InstallationId
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class Prefetch:
    """Restore the newest heads beside whatever is here. Needs no lease and disturbs nothing."""

    installation: InstallationId


@dataclass(frozen=True, slots=True)
class HoldVolumes:
    """Ask the storage daemon to hold every volume under `epoch`, each from its base. Returns before restores end."""

    installation: InstallationId
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class WaitForVolumes:
    """Wait until no volume is restoring. Fails when one failed: the app never starts on nothing (G4)."""

    installation: InstallationId
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class SavePresent:
    """Of a stopped app that shall go back: end all mounting, and have all of its data in an accepted head."""

    installation: InstallationId
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class GoBack:
    """Put the earlier state in the place of the present, which is saved. Fails with the present in its place."""

    installation: InstallationId
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class StartApp:
    """Write the rendered compose file and bring it up. Services that run as rendered are left alone.

    Also how a service that crashed is started again: the caller spaces out
    repetitions, and uses the file that is there while containers of this
    release exist, because the label of a newer epoch would replace them all.
    """

    installation: InstallationId
    release: Release
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class StopApp:
    """Stop and remove the containers. Volumes stay: they hold the only copy of recent data."""

    installation: InstallationId


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Cut a snapshot now and wait until it is accepted: the proof that this Device can replicate."""

    installation: InstallationId
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class FinalSnapshot:
    """Cut the last snapshot of a stopped app and wait until it is accepted. Doing it twice costs an empty snapshot."""

    installation: InstallationId
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class ReleaseVolumes:
    """Stop holding the volumes. The report that follows tells the Hive; nothing is deleted."""

    installation: InstallationId
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class SetAside:
    """Keep what is not replicated as a conflict snapshot, and stop holding (G5)."""

    installation: InstallationId


@dataclass(frozen=True, slots=True)
class DiscardData:
    """Remove subvolumes, bundle and ledger rows of an installation that lives elsewhere. Conflict snapshots stay."""

    installation: InstallationId


@dataclass(frozen=True, slots=True)
class FetchUpdate:
    """Fetch and verify the bundle of the version that is to be tried, beside the one that runs."""

    installation: InstallationId
    app_digest: AppDigest


@dataclass(frozen=True, slots=True)
class CheckUpdate:
    """Check the version that is to be tried, as `CheckApp` does. Nothing of the one that runs is changed."""

    installation: InstallationId
    release: Release


@dataclass(frozen=True, slots=True)
class PullUpdate:
    """Get every image of the version that is to be tried."""

    installation: InstallationId
    app_digest: AppDigest


@dataclass(frozen=True, slots=True)
class SaveAhead:
    """Have what there is now replicated while the app runs, so that little is left when it stands still."""

    installation: InstallationId
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class CloseEntrance:
    """Note that the entrance is closed. Who comes by the app's name is told to come back."""

    installation: InstallationId


@dataclass(frozen=True, slots=True)
class OpenEntrance:
    """Note that the entrance is open."""

    installation: InstallationId


@dataclass(frozen=True, slots=True)
class SaveForTrial:
    """Of a stopped app: have all of its data in an accepted head. When that cannot be, the entrance opens again."""

    installation: InstallationId
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class BeginTrial:
    """Begin the trial in every volume: no head follows the one that has everything."""

    installation: InstallationId
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class TryUpdate:
    """Start the new version behind the closed entrance, and see whether it is well for as long as it must be.

    Then one write of the ledger makes it the version that runs here. If it is not, that is noted, with the reason.
    """

    installation: InstallationId
    release: Release
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class KeepTrial:
    """End the trial of a version that counts: heads follow, and name it."""

    installation: InstallationId


@dataclass(frozen=True, slots=True)
class UndoTrial:
    """End the trial and put the data before in the place of what was written, which is kept. Needs no Hive."""

    installation: InstallationId


UpdateStep: TypeAlias = FetchUpdate | CheckUpdate | PullUpdate | SaveAhead | SaveForTrial | BeginTrial | TryUpdate
"""What leads to a new version. What is definitely wrong there ends the update, and the version before runs on."""

Step: TypeAlias = (
    FetchBundle
    | CheckApp
    | PullImages
    | MakeKeys
    | Prefetch
    | HoldVolumes
    | WaitForVolumes
    | SavePresent
    | GoBack
    | StartApp
    | StopApp
    | Snapshot
    | FinalSnapshot
    | ReleaseVolumes
    | SetAside
    | DiscardData
    | UpdateStep
    | CloseEntrance
    | OpenEntrance
    | KeepTrial
    | UndoTrial
)
