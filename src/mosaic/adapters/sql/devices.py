"""Devices: public keys, admission, and the newest report of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
from sqlalchemy import select, update

from mosaic.adapters.sql import leavings, schema
from mosaic.adapters.sql.engine import Tx
from mosaic.core.ids import AccountId, DeviceId
from mosaic.wire.account import OwnerAdmission
from mosaic.wire.device_keys import KeyProof
from mosaic.wire.report import Report

_devices = schema.devices.c
_with_wish = select(schema.devices, schema.hive.c.name.label("leaving")).outerjoin(
    schema.hive, leavings.is_of(_devices.id)
)


@dataclass(frozen=True, slots=True)
class Device:
    """`admission` is None until the owner admitted it.

    `root_for_device` is the root key wrapped to the Device's own key, when the
    owner admitted it that way; `proved_passphrase` says that the Device derived
    the keys itself. `report` and `reported_ns` are None before its first report.
    `leaving` says that its owner is removing it. `key_proof` is what it said of its keys.
    """

    id: DeviceId
    account: AccountId
    name: str
    signing_key: str
    wrapping_key: str
    architecture: str
    version: str
    admission: OwnerAdmission | None
    root_for_device: str | None = field(repr=False)
    proved_passphrase: bool
    created_ns: int
    removed: bool = False
    reported_ns: int | None = None
    report: Report | None = field(default=None, repr=False)
    leaving: bool = False
    key_proof: KeyProof | None = None

    @property
    def has_root_key(self) -> bool:
        """Whether it can open the account's volumes."""
        return self.proved_passphrase or self.root_for_device is not None


def add(tx: Tx, device: Device) -> None:
    """Write a new Device. Its name must be free among the account's."""
    tx.execute(
        schema.devices.insert().values(
            id=device.id,
            account=device.account,
            name=device.name,
            signing_key=device.signing_key,
            wrapping_key=device.wrapping_key,
            architecture=device.architecture,
            version=device.version,
            admission=msgspec.json.encode(device.admission).decode() if device.admission else None,
            root_for_device=device.root_for_device,
            proved_passphrase=device.proved_passphrase,
            created_ns=device.created_ns,
            key_proof=msgspec.json.encode(device.key_proof).decode() if device.key_proof else None,
        )
    )


def get(tx: Tx, device: DeviceId) -> Device | None:
    """Return the Device of that id, a removed one too."""
    row = tx.execute(_with_wish.where(_devices.id == device)).one_or_none()
    return _device(row) if row else None


def of_account(tx: Tx, account: AccountId) -> list[Device]:
    """Return the account's Devices by name, without the removed ones."""
    query = _with_wish.where(_devices.account == account, _devices.removed_ns.is_(None))
    return [_device(row) for row in tx.execute(query.order_by(_devices.name))]


def every(tx: Tx) -> list[Device]:
    """Return the Devices of all accounts, without the removed ones."""
    return [_device(row) for row in tx.execute(_with_wish.where(_devices.removed_ns.is_(None)))]


def admit(tx: Tx, device: DeviceId, admission: OwnerAdmission, root_for_device: str | None) -> None:
    """Write the owner's admission, and the wrapped root key when one came with it."""
    values = {"admission": msgspec.json.encode(admission).decode()}
    if root_for_device is not None:
        values["root_for_device"] = root_for_device
    tx.execute(update(schema.devices).where(_devices.id == device).values(values))


def give_root(tx: Tx, account: AccountId, roots: Mapping[DeviceId, str]) -> None:
    """Write another root key as it is wrapped to these Devices. No other of the account's has it, however it joined."""
    of_account = update(schema.devices).where(_devices.account == account)
    tx.execute(of_account.values(root_for_device=None, proved_passphrase=False))
    for device, root in roots.items():
        tx.execute(of_account.where(_devices.id == device).values(root_for_device=root))


def put_key_proof(tx: Tx, device: DeviceId, proof: KeyProof) -> None:
    """Keep what the Device says of its keys in place of what it said before."""
    tx.execute(
        update(schema.devices).where(_devices.id == device).values(key_proof=msgspec.json.encode(proof).decode())
    )


def remove(tx: Tx, device: DeviceId, *, now_ns: int) -> None:
    """Mark it as removed. Its name is free again, its key never is."""
    tx.execute(update(schema.devices).where(_devices.id == device).values(removed_ns=now_ns, report=None))


def put_report(tx: Tx, device: DeviceId, report: Report, *, now_ns: int) -> None:
    """Keep the newest report in place of the one before; nothing, once the Device was removed."""
    tx.execute(
        update(schema.devices)
        .where(_devices.id == device, _devices.removed_ns.is_(None))
        .values(
            report=msgspec.json.encode(report).decode(),
            reported_ns=now_ns,
            version=report.version[:40].replace("\0", ""),
        )
    )


def _device(row: schema.Row) -> Device:
    return Device(
        id=DeviceId(row.id),
        account=AccountId(row.account),
        name=row.name,
        signing_key=row.signing_key,
        wrapping_key=row.wrapping_key,
        architecture=row.architecture,
        version=row.version,
        admission=msgspec.json.decode(row.admission, type=OwnerAdmission) if row.admission else None,
        root_for_device=row.root_for_device,
        proved_passphrase=row.proved_passphrase,
        created_ns=row.created_ns,
        removed=row.removed_ns is not None,
        reported_ns=row.reported_ns,
        report=msgspec.json.decode(row.report, type=Report) if row.report else None,
        leaving=row.leaving is not None,
        key_proof=msgspec.json.decode(row.key_proof, type=KeyProof) if row.key_proof else None,
    )
