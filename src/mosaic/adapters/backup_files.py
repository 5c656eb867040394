"""What a Hive keeps about the copy of its own database, in `<state>/backup`.

| file | holds |
|---|---|
| seed | the 32-byte seed of the Hive's own volume, in hex |
| to | where copies go (`Destination`) |
| status | how the newest attempt ended (`BackupStatus`) |
| stage, index, lock | the backup's own: the state that is copied, what the store has, who is at it |

All files are 0600. The folder itself is in no copy.
"""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from mosaic.adapters.private_file import write_private
from mosaic.core.errors import Corrupt
from mosaic.crypto.backup_code import SEED_BYTES
from mosaic.crypto.secret import Secret
from mosaic.wire.hive_backup import BackupStatus

T = TypeVar("T")


class BackupFileUnreadable(Corrupt):
    """A file in the Hive's backup folder is not what this program wrote."""

    code = "backup-file-unreadable"

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is damaged",
            hint="set the backup up again with `mosaic hive backup set`; a damaged seed comes back from the kit",
        )


class Destination(msgspec.Struct, frozen=True):
    """Where copies go. The key of an S3 store is here and in no URL, argument or log."""

    url: str
    access_key_id: str | None = None
    secret_access_key: str | None = None
    session_token: str | None = None

    def __repr__(self) -> str:
        return f"Destination({self.url!r})"


@dataclass(frozen=True, slots=True)
class BackupFiles:
    """The files under one Hive's state folder."""

    state: Path

    @property
    def folder(self) -> Path:
        """The folder of all of them."""
        return self.state / "backup"

    def make(self) -> None:
        """Make the folder. Doing it twice is fine."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def seed(self) -> Secret:
        """Return the seed of the Hive's own volume, made at the first call. Raises BackupFileUnreadable."""
        path = self.folder / "seed"
        if not path.exists():
            self.put_seed(Secret(secrets.token_bytes(SEED_BYTES)))
        try:
            seed = bytes.fromhex(path.read_text().strip())
        except ValueError:
            raise BackupFileUnreadable(path) from None
        if len(seed) != SEED_BYTES:
            raise BackupFileUnreadable(path)
        return Secret(seed)

    def put_seed(self, seed: Secret) -> None:
        """Keep the seed that a recovery kit had."""
        self.make()
        write_private(self.folder / "seed", f"{seed.reveal().hex()}\n".encode())

    def destination(self) -> Destination | None:
        """Return where copies go, None while nobody said. Raises BackupFileUnreadable."""
        return self._read("to", Destination)

    def put_destination(self, destination: Destination | None) -> None:
        """Copy there from now on; nowhere for None."""
        self.make()
        if destination is None:
            (self.folder / "to").unlink(missing_ok=True)
            return
        write_private(self.folder / "to", msgspec.json.encode(destination))

    def status(self) -> BackupStatus | None:
        """Return how the newest attempt ended, None before the first. Raises BackupFileUnreadable."""
        return self._read("status", BackupStatus)

    def put_status(self, status: BackupStatus) -> None:
        """Note how an attempt ended."""
        write_private(self.folder / "status", msgspec.json.encode(status))

    def _read(self, name: str, kind: type[T]) -> T | None:
        path = self.folder / name
        try:
            return msgspec.json.decode(path.read_bytes(), type=kind)
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError:
            # What is in it is not repeated: it may hold a key.
            raise BackupFileUnreadable(path) from None
