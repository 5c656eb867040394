"""Answering `mosaic storage …` about volumes that no Hive knows (contract: `mosaic.wire.hiveless`)."""

import msgspec

from mosaic.core.errors import NotFound
from mosaic.storage.daemon import Daemon
from mosaic.storage.hiveless import recovery_code, status, trash
from mosaic.wire.hiveless import HivelessVolumes, NamedVolume, RecoveryCode
from mosaic.wire.storage import Done


class VerbUnknown(NotFound):
    """There is no such verb."""

    code = "unknown-verb"


def answer(daemon: Daemon, path: str, body: bytes) -> msgspec.Struct:
    """Carry out a verb."""
    if path == "/v1/hiveless":
        return HivelessVolumes(status.every(daemon))
    name = msgspec.json.decode(body, type=NamedVolume).name
    state = daemon.config.state
    match path:
        case "/v1/recovery":
            return RecoveryCode(recovery_code.take(state, name))
        case "/v1/recovery-shown":
            recovery_code.forget(state, name)
            return Done()
        case "/v1/trash-restore":
            return NamedVolume(trash.restore(daemon, name))
        case "/v1/trash-delete":
            return NamedVolume(trash.delete(daemon, name))
        case _:
            raise VerbUnknown(f"there is no verb {path}", hint="use a command line of this version")
