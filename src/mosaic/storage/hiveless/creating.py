"""Making a volume that needs no Hive: `docker volume create -d mosaic -o store=…`.

Everything that can be refused is refused first. Then the key is on the disk,
then the recovery code, then the ledger has the volume, and only after that is
anything made or sent; a kill in between leaves a key file at most.
"""

import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from mosaic.core.errors import Conflict, Refused
from mosaic.core.ids import InstallationId, VolumeId
from mosaic.core.keep_rule import write_rule
from mosaic.core.retention import Retention
from mosaic.crypto.volume_keys import volume_id
from mosaic.storage import log
from mosaic.storage.daemon import Daemon
from mosaic.storage.decide_mount import NameTaken
from mosaic.storage.engine.heads import open_head
from mosaic.storage.engine.slots import SlotLog
from mosaic.storage.hiveless import recovery_code
from mosaic.storage.hiveless.address import write_address
from mosaic.storage.hiveless.key_file import read_key, write_key_of_our_own, write_new_key
from mosaic.storage.hiveless.options import Wanted, parse_options
from mosaic.storage.hiveless.regaining import wait_until_decided
from mosaic.storage.hiveless.stores import StorePlace, is_here
from mosaic.storage.hiveless.trash import FOLDER
from mosaic.storage.records import DockerVolume, Hiveless, VolumeRecord
from mosaic.storage.volume import Volume
from mosaic.wire import head as wire

KIND = "hiveless"
_PATIENCE_SECONDS = 30.0


class HasData(Conflict):
    """The store has data of this key that another machine wrote."""

    code = "volume-has-data"

    def __init__(self, name: str, newest: wire.Head) -> None:
        at = datetime.fromtimestamp(newest.instant_ns / 1e9, UTC).strftime("%d %b %Y %H:%M:%S UTC")
        super().__init__(
            f"the store has data of this key, and another machine wrote it last (snapshot of {at}). If that machine "
            f"still runs, stop what uses {name} there first: what it writes from now on would be kept there alone",
            hint="to restore the data here and lock the other machine out: -o take-over=yes",
        )


class NothingToTakeOver(Refused):
    """A take-over was asked for, and the store has nothing of this key (G4)."""

    code = "nothing-to-take-over"

    def __init__(self, store: str) -> None:
        super().__init__(
            f"there is nothing to take over: {store} has no snapshot of this key",
            hint="check the store's address and the key file; for a new volume leave take-over out",
        )


class OtherStore(Refused):
    """What is here was replicated to another store, and this one knows nothing of it."""

    code = "volume-of-another-store"

    def __init__(self, volume: VolumeId, before: str, now: str) -> None:
        super().__init__(
            f"the data of this key that is here was replicated to {before}, and {now} has nothing of it",
            hint=f"copy the folder {volume} from the one to the other first, or name the store that it was in",
        )


class KeepsOtherwise(Conflict):
    """The volume is there, and another rule was chosen for its snapshots."""

    code = "volume-keeps-otherwise"

    def __init__(self, name: str, keeps: str | None, key_file: str) -> None:
        super().__init__(
            f"the volume {name} is there, and keeps {keeps or 'what was chosen before'}; nothing was changed",
            hint=f"docker volume rm {name}, and create it again with -o key-file={key_file} and this -o keep",
        )


class AlreadyHere(Conflict):
    """A volume with this key is here under another name."""

    code = "volume-already-here"

    def __init__(self, name: str) -> None:
        super().__init__(f"the volume of this key is here already, as {name}", hint=f"use it by the name {name}")


def create(daemon: Daemon, name: str, options: Mapping[str, str]) -> None:
    """Make the volume, or restore it when the store has data of its key. The same again changes nothing.

    Raises:
        Refused, Conflict, Unavailable: see each; nothing was made.
    """
    wanted = parse_options(options, region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"))
    if _is_there(daemon, name, wanted):
        return
    credentials = str(wanted.credentials) if wanted.credentials else None
    place = daemon.stores.try_out(wanted.store, credentials)
    seed = read_key(wanted.key_file) if wanted.key_file else None
    newest = _newest(daemon, place, volume_id(seed)) if seed else None
    if newest is None and wanted.take_over:
        raise NothingToTakeOver(write_address(wanted.store))
    _check_same_history(daemon, wanted, seed, newest)
    is_foreign = newest is not None and newest.device != daemon.books.writer()
    if newest is not None and is_foreign and not wanted.take_over:
        raise HasData(name, newest)
    path, seed, envelope = _keys(daemon.config.state, name, wanted, seed, is_new=newest is None)
    hiveless = Hiveless(
        name=name,
        store=write_address(wanted.store),
        key_file=str(path),
        created_ns=time.time_ns(),
        same_machine=is_here(wanted.store),
        credentials=credentials,
        mark=place.mark,
        # Whoever asks for data of this machine's own that is not here any more wants it as well.
        take_over=newest is not None,
        keeps=wanted.keeps or _kept_before(daemon, seed, is_new=newest is None, is_foreign=is_foreign),
    )
    volume = _enter(daemon, name, hiveless, seed, envelope)
    log.info("volume_made", volume=volume.id[:12], name=name, store=hiveless.store, restores=newest is not None)
    if envelope is not None:
        log.info("recovery_code_waits", name=name, read_it_with=f"mosaic storage recovery {name}")
    volume.wake()
    wait_until_decided(volume, _PATIENCE_SECONDS)


def _is_there(daemon: Daemon, name: str, wanted: Wanted) -> bool:
    docker = daemon.books.docker_volumes.get(name)
    if docker is None:
        return False
    volume = daemon.volumes.get(docker.volume) if docker.volume else None
    hiveless = volume.record.hiveless if volume is not None else None
    if hiveless is None or hiveless.store != write_address(wanted.store):
        raise NameTaken(name)
    if wanted.key_file is not None and str(wanted.key_file) != hiveless.key_file:
        raise NameTaken(name)
    if wanted.keeps is not None and wanted.keeps != hiveless.keeps:
        raise KeepsOtherwise(name, hiveless.keeps, hiveless.key_file)
    return True


def _newest(daemon: Daemon, place: StorePlace, volume: VolumeId) -> wire.Head | None:
    found = SlotLog(daemon.stores.open(place, volume), volume).newest()
    return open_head(found[1], volume) if found is not None else None


def _check_same_history(daemon: Daemon, wanted: Wanted, seed: bytes | None, newest: wire.Head | None) -> None:
    volume = daemon.volumes.get(volume_id(seed)) if seed is not None else None
    record = volume.record if volume is not None else None
    if record is not None and record.accepted is not None and record.hiveless is not None and newest is None:
        raise OtherStore(record.volume, record.hiveless.store, write_address(wanted.store))


def _kept_before(daemon: Daemon, seed: bytes, *, is_new: bool, is_foreign: bool) -> str | None:
    """Return the rule where none was said: the default for a new volume; None: the store knows what was chosen."""
    if is_new:
        return write_rule(Retention())
    volume = None if is_foreign else daemon.volumes.get(volume_id(seed))
    return volume.record.hiveless.keeps if volume is not None and volume.record.hiveless is not None else None


def _keys(
    state: Path, name: str, wanted: Wanted, seed: bytes | None, *, is_new: bool
) -> tuple[Path, bytes, str | None]:
    """Return where the key is, the key, and what a new recovery code opens; None where the store has that already."""
    if wanted.key_file is not None:
        path, seed = wanted.key_file, seed or write_new_key(wanted.key_file)
    else:
        path, seed = write_key_of_our_own(state / "keys", name)
    if not is_new:
        return path, seed, None
    code, envelope = recovery_code.make(seed, volume_id(seed))
    recovery_code.keep(state, name, code)
    return path, seed, envelope


def _enter(daemon: Daemon, name: str, hiveless: Hiveless, seed: bytes, envelope: str | None) -> Volume:
    volume_name = volume_id(seed)
    installation = InstallationId(f"hiveless.{volume_name[:12]}")
    volume = daemon.volume_or_new(VolumeRecord(volume_name, installation, KIND))
    with volume.wakes, daemon.lock:
        record = volume.record
        there = record.hiveless
        if there is not None and there.removed_ns is None:
            raise AlreadyHere(there.name)
        if there is None and (record.lease is not None or record.live_uuid is not None):
            raise AlreadyHere(f"the data of installation {record.installation}")
        if daemon.books.docker_volumes.get(name) is not None:
            raise NameTaken(name)
        with daemon.books.transaction():
            daemon.books.seeds.put(volume.id, seed.hex())
            daemon.books.docker_volumes.put(name, DockerVolume(name, volume=volume.id, folder=FOLDER))
            # Another rule may have been chosen, for what is at rest too.
            volume.collected = None
            volume.update(
                replace(
                    record,
                    installation=installation,
                    kind=KIND,
                    # What is here from before is looked at again; nothing is held yet.
                    phase="released" if record.live_uuid else "absent",
                    lease=None,
                    envelope=envelope or record.envelope,
                    hiveless=hiveless,
                )
            )
    return volume
