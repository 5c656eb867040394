"""The recovery code of a volume without a Hive: made once, waiting to be read once.

Docker shows nothing of what a driver says but refusals, so the code waits in a
file that only root may read until `mosaic storage recovery NAME` prints it;
then the file is removed. The store keeps what the code opens, in the form that
Devices use (docs/keys.md): the code opens a root key, here the volume's own,
and that the seed. `tools/recover_seed.py` reads it.
"""

import secrets
from pathlib import Path

import msgspec

from mosaic.adapters.private_file import sync_folder, write_private
from mosaic.core.errors import NotFound
from mosaic.core.ids import VolumeId
from mosaic.crypto import envelope, recovery
from mosaic.crypto.secret import Secret
from mosaic.wire.store_envelope import FORMAT, StoreEnvelope

_KIND = "hiveless"


class RecoveryCodeGone(NotFound):
    """There is no recovery code to show."""

    code = "recovery-code-gone"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"there is no recovery code of a volume {name} to show: each is shown once",
            hint="the volume's key file restores it too; `mosaic storage volumes` names it. Keep a copy elsewhere",
        )


def make(seed: bytes, volume: VolumeId) -> tuple[str, str]:
    """Return a new recovery code as it is printed, and the envelope (hex) that it opens."""
    code, root = recovery.generate(), Secret(secrets.token_bytes(envelope.KEY_BYTES))
    sealed = StoreEnvelope(
        format=FORMAT,
        volume=volume,
        kind=_KIND,
        app="",
        app_digest="",
        owner_key=volume,
        recovery_root=envelope.wrap_root_for_recovery(root, code, owner_key=volume),
        wrapped_seed=envelope.wrap_volume_seed(Secret(seed), root, volume=volume),
    )
    return recovery.write(code), msgspec.json.encode(sealed).hex()


def keep(state: Path, name: str, code: str) -> None:
    """Let the code wait, durably."""
    folder = state / "recovery"
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(state)
    write_private(folder / name, f"{code}\n".encode())


def take(state: Path, name: str) -> str:
    """Return the code that waits. Raises RecoveryCodeGone."""
    try:
        return (state / "recovery" / name).read_text().strip()
    except FileNotFoundError:
        raise RecoveryCodeGone(name) from None


def forget(state: Path, name: str) -> None:
    """Remove the code, once it was shown."""
    (state / "recovery" / name).unlink(missing_ok=True)
