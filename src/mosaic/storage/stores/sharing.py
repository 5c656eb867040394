"""Keeping other Devices' volumes: what the owner asks, and taking it up again when the daemon starts."""

import ipaddress
from datetime import UTC, datetime
from pathlib import Path

from mosaic.adapters.machine import machine_name
from mosaic.adapters.private_file import write_private
from mosaic.core.errors import MosaicError, Refused
from mosaic.crypto.ca import self_signed
from mosaic.crypto.tokens import hash_token, new_token
from mosaic.storage import log
from mosaic.storage.daemon import Daemon
from mosaic.storage.stores.marked_folder import FolderUnusable, mark_folder, read_mark
from mosaic.storage.stores.pairing import Pairing, fingerprint_of, pairing_string
from mosaic.storage.stores.share_server import ShareServer
from mosaic.storage.stores.shared_folder import SharedBlobs
from mosaic.storage.stores.store_records import SharedFolder
from mosaic.wire import stores as wire
from mosaic.wire.storage import Done

_ONLY = "only"
_NAME = "mosaic-store"
_LEAST_QUOTA = 256 * 1024 * 1024


class ShareUnusable(Refused):
    """What was given cannot be shared like that."""

    code = "share-unusable"


def share(daemon: Daemon, asked: wire.Share) -> wire.Shared:
    """Share a folder from now on, in place of what was shared before. The pairing is in the answer when it is new."""
    _check(asked)
    before = daemon.books.shared.get(_ONLY)
    mark = _mark(Path(asked.folder), before)
    token = new_token() if before is None or asked.new_pairing else None
    token_hash = hash_token(token) if token is not None else before.token_hash if before is not None else ""
    wanted = SharedFolder(asked.host, asked.port, asked.folder, asked.quota_bytes, token_hash, mark)
    _stop(daemon)
    try:
        server = _start(daemon, wanted)
    except MosaicError:
        resume(daemon)
        raise
    daemon.books.shared.put(_ONLY, wanted)
    log.info("sharing", folder=asked.folder, port=asked.port)
    pairing = Pairing(_fingerprint(daemon), token) if token is not None else None
    return _shown(wanted, server.used_bytes, pairing_string(pairing) if pairing else None)


def unshare(daemon: Daemon) -> Done:
    """Share nothing any more. What lies in the folder stays."""
    daemon.books.shared.delete(_ONLY)
    _stop(daemon)
    return Done()


def shared(daemon: Daemon) -> wire.Shared | None:
    """Return what is shared, None for nothing. A folder that was not there when the daemon started may be now."""
    record = daemon.books.shared.get(_ONLY)
    if record is None:
        return None
    if daemon.sharing is None:
        resume(daemon)
    return _shown(record, daemon.sharing.used_bytes if daemon.sharing is not None else 0, None)


def resume(daemon: Daemon) -> None:
    """Share again what was shared. A folder that is not there now must not keep the daemon from its other work."""
    record = daemon.books.shared.get(_ONLY)
    if record is None:
        return
    try:
        _start(daemon, record)
    except MosaicError as error:
        log.warning("not_shared", code=error.code, reason=error.message)


def _mark(folder: Path, before: SharedFolder | None) -> str:
    """Return the mark of a folder that is to be shared. Raises ShareUnusable where another one lies in its place."""
    if before is None or before.folder != str(folder) or before.mark is None:
        return mark_folder(folder)
    try:
        found = read_mark(folder)
    except FolderUnusable:
        found = None
    if found != before.mark:
        raise ShareUnusable(
            f"what lies at {folder} is not the folder that is shared; perhaps its disk is not mounted",
            hint="mount what belongs there; to share what is there now, first: `mosaic storage share --stop`",
        )
    return found


def _start(daemon: Daemon, record: SharedFolder) -> ShareServer:
    folder = Path(record.folder)
    # Never marked here: a disk that is not mounted leaves an empty folder, and what others put there would vanish.
    blobs = SharedBlobs(folder, record.mark or read_mark(folder), record.quota_bytes)
    server = ShareServer(
        (record.listen, record.port), _certificate(daemon), record.token_hash, blobs, machine=machine_name()
    )
    server.start()
    daemon.sharing = server
    return server


def _stop(daemon: Daemon) -> None:
    if daemon.sharing is not None:
        daemon.sharing.stop()
        daemon.sharing = None


def _certificate(daemon: Daemon) -> Path:
    """Return the file with the certificate and its key, made the first time."""
    file = daemon.config.state / "share.pem"
    if not file.exists():
        pair = self_signed(_NAME, datetime.now(UTC))
        write_private(file, f"{pair.certificate_pem}{pair.key_pem}".encode())
    return file


def _fingerprint(daemon: Daemon) -> str:
    certificate, mark, _ = _certificate(daemon).read_text().partition("-----END CERTIFICATE-----")
    return fingerprint_of(f"{certificate}{mark}\n")


def _check(asked: wire.Share) -> None:
    try:
        ipaddress.ip_address(asked.host)
    except ValueError:
        raise ShareUnusable(
            f"{asked.host!r} is not an address of this machine", hint="give a number: `--listen 0.0.0.0:8475`"
        ) from None
    if not 0 < asked.port < 65536:
        raise ShareUnusable(f"{asked.port} is not a port", hint="give one from 1 to 65535: `--listen 0.0.0.0:8475`")
    if not Path(asked.folder).is_absolute():
        raise ShareUnusable("the folder is not given by its whole path", hint="give it from the root: /mnt/disk/others")
    if asked.quota_bytes is not None and asked.quota_bytes < _LEAST_QUOTA:
        raise ShareUnusable("the quota is too small for a volume", hint="give 256MB or more, or none")


def _shown(record: SharedFolder, used: int, pairing: str | None) -> wire.Shared:
    return wire.Shared(record.listen, record.port, record.folder, used, record.quota_bytes, pairing)
