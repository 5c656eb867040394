"""Trying a store out before it is trusted with anything: who it is, where it is, and what it holds to.

Everything is tried with objects of a few bytes in a place of its own, and
taken away again where the store lets us.
"""

import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mosaic.adapters.blobs import FolderStore, ObjectExists, StoreUnavailable
from mosaic.adapters.machine import machine_name
from mosaic.adapters.mount_tables import own_table
from mosaic.adapters.s3.address import parse_key
from mosaic.adapters.s3.bucket import Found, S3Bucket
from mosaic.adapters.s3.failures import ConditionFailed, ConditionsUnknown
from mosaic.adapters.s3.location import S3Location
from mosaic.adapters.s3.self_test import Conditions, find_conditions
from mosaic.core.errors import MosaicError
from mosaic.storage.engine.store import Store
from mosaic.storage.stores.address import DeviceAddress, FolderAddress, parse_address
from mosaic.storage.stores.machine_of import is_own_host, lies_here
from mosaic.storage.stores.marked_folder import FolderUnusable, MarkedFolder, mark_folder
from mosaic.storage.stores.opening import connect_device, s3_credentials
from mosaic.storage.stores.pairing import fetch_certificate, parse_pairing
from mosaic.storage.stores.shared_folder import SCRATCH
from mosaic.storage.stores.store_records import AddedStore, StoreKey
from mosaic.wire.stores import SharedBy

_SECONDS = 20.0
_ROUNDS = 20
_DEVICE_ROUNDS = 2
"""Another Device runs the same program; this is to see that it works."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What is recorded of a store, and what opens it."""

    record: AddedStore
    key: StoreKey | None


def try_new(name: str, url: str, key_text: str | None, *, now_ns: int) -> Tried:
    """Try out a store by what its owner typed.

    Raises:
        MosaicError: it cannot be used, and why; nothing was changed but for a mark in a folder.
    """
    address, text = parse_address(url), key_text or ""
    match address:
        case FolderAddress(path):
            return try_again(_record(name, url, now_ns, mark=mark_folder(path)), None, now_ns=now_ns)
        case DeviceAddress(host, port):
            pairing = parse_pairing(text)
            certificate = fetch_certificate(host, port, pairing.fingerprint, seconds=_SECONDS)
            record = _record(name, url, now_ns, certificate=certificate)
            return try_again(record, StoreKey(pairing.token), now_ns=now_ns)
        case S3Location():
            found = parse_key(text)
            key = StoreKey(found.secret_access_key, found.access_key_id, found.session_token)
            return try_again(_record(name, url, now_ns), key, now_ns=now_ns)


def try_again(record: AddedStore, key: StoreKey | None, *, now_ns: int) -> Tried:
    """Try out a store that is known. Raises MosaicError."""
    address, is_this_machine = parse_address(record.url), False
    match address:
        case FolderAddress(path):
            conditions = try_folder(path, record.mark or "")
        case DeviceAddress(host, port):
            conditions, is_this_machine = _try_device(host, port, record.certificate or "", key)
        case S3Location():
            bucket = S3Bucket(address, s3_credentials(key), deadline_seconds=_SECONDS)
            conditions = find_conditions(bucket, address.prefix, rounds=_ROUNDS)
    found = AddedStore(
        name=record.name,
        url=record.url,
        added_ns=record.added_ns,
        checked_ns=now_ns,
        same_machine=is_this_machine or lies_here(address, mounts=own_table(), is_own=is_own_host),
        create_only=conditions.create_only,
        compare_and_swap=conditions.compare_and_swap,
        mark=record.mark,
        certificate=record.certificate,
    )
    return Tried(found, key)


def _record(name: str, url: str, now_ns: int, *, mark: str | None = None, certificate: str | None = None) -> AddedStore:
    return AddedStore(
        name=name,
        url=url,
        added_ns=now_ns,
        checked_ns=now_ns,
        same_machine=True,
        create_only=False,
        compare_and_swap=False,
        mark=mark,
        certificate=certificate,
    )


def try_folder(path: Path, mark: str) -> Conditions:
    """Find out what a marked folder holds to. Raises FolderUnusable."""
    MarkedFolder(path, mark).check()
    folder = path / f".self-test-{secrets.token_hex(8)}"
    try:
        return find_conditions(_Conditional(FolderStore(folder)), "", rounds=_ROUNDS)
    except MosaicError as error:
        raise FolderUnusable(
            f"{path} cannot be a store: {error.message}",
            hint="it has to be writable and know hard links: ext4, btrfs, XFS and NFS do, FAT does not",
        ) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _try_device(host: str, port: int, certificate_pem: str, key: StoreKey | None) -> tuple[Conditions, bool]:
    """Return what it holds to, and whether it says that it is this very machine."""
    connection = connect_device(host, port, certificate_pem, key, deadline_seconds=_SECONDS)
    try:
        told = msgspec.json.decode(connection.ask("GET", "/api/store").content, type=SharedBy)
        conditions = find_conditions(_Conditional(connection.store(SCRATCH)), "", rounds=_DEVICE_ROUNDS)
        return conditions, told.machine == machine_name()
    except msgspec.MsgspecError:
        raise StoreUnavailable(f"the Device at {host}:{port}", "its answers are not those of a Device") from None
    finally:
        connection.close()


class _Conditional:
    """A `Store` as the self-test takes it. It has no compare-and-swap, and nothing in it is replaced or deleted."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, key: str, data: bytes) -> str | None:
        """Write what is not there."""
        try:
            self._store.put(_name(key), data)
        except ObjectExists as error:
            raise ConditionFailed(error.message, hint=error.hint) from None
        return None

    def swap(self, key: str, data: bytes, tag: str) -> str | None:
        """Refuse."""
        raise ConditionsUnknown(f"the store of {key}", f"{len(data)} bytes for {tag}")

    def write(self, key: str, data: bytes) -> None:
        """Write what is not there."""
        self._store.put(_name(key), data)

    def read(self, key: str) -> Found:
        """Return an object, which has no tag."""
        return Found(self._store.get(_name(key)), None)

    def delete(self, key: str) -> None:
        """Leave it."""


def _name(key: str) -> str:
    return key.replace("/", ".")
