"""Where installations are, and their leases: `mosaic.core.placement.Placement` as rows.

Whoever wants to change a placement takes `lock` first. A grant and a head
commit so lock the same row, and one of them waits for the other (G1).
"""

from collections.abc import Mapping

from sqlalchemy import select, update

from mosaic.adapters.sql import generations, installations, schema
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.installations import Installation
from mosaic.core.epoch import Epoch
from mosaic.core.ids import AccountId, DeviceId, HeadHash, InstallationId, SessionId, VolumeId
from mosaic.core.lease import AcceptedHead, Holder, Lease, Policy
from mosaic.core.placement import Phase, Placement, Wish

_installations = schema.installations.c
_leases = schema.leases.c
_volumes = schema.volumes.c
_heads = schema.heads.c


def add(tx: Tx, installation: Installation, placement: Placement) -> None:
    """Write a new installation, its first generation, where it is, and its lease. Its name must be free."""
    tx.execute(
        schema.installations.insert().values(**installations.values(installation), **_placement_values(placement))
    )
    tx.execute(schema.leases.insert().values(installation=installation.id, **_lease_values(placement.lease)))
    generations.ensure(tx, installation)


def get(tx: Tx, installation: InstallationId) -> Placement | None:
    """Return where an installation is, without locking it."""
    return _one(tx, installation)


def lock(tx: Tx, installation: InstallationId) -> Placement | None:
    """Return where it is, with its lease locked until the transaction ends."""
    tx.execute(select(_leases.installation).where(_leases.installation == installation).with_for_update())
    return _one(tx, installation)


def save(tx: Tx, installation: InstallationId, before: Placement, after: Placement) -> None:
    """Write what changed from `before`, which `lock` returned in this transaction. New heads are `heads.add`'s."""
    where, lease = _placement_values(after), _lease_values(after.lease)
    if where != _placement_values(before):
        tx.execute(update(schema.installations).where(_installations.id == installation).values(**where))
    if lease != _lease_values(before.lease):
        tx.execute(update(schema.leases).where(_leases.installation == installation).values(**lease))
    for volume, base in after.lease.base.items():
        if volume not in before.lease.base or before.lease.base[volume] != base:
            tx.execute(update(schema.volumes).where(_volumes.id == volume).values(base=base))


def of_account(tx: Tx, account: AccountId) -> dict[InstallationId, Placement]:
    """Return where all the account's installations are."""
    return _read(tx, _installations.account == account)


def concerning(tx: Tx, device: DeviceId) -> dict[InstallationId, Placement]:
    """Return those on the Device and those on their way to it."""
    return _read(tx, (_installations.home == device) | (_installations.other == device))


def highest_term(tx: Tx) -> int:
    """Return the highest term of any lease, 0 without one."""
    return tx.scalar(select(_leases.term).order_by(_leases.term.desc()).limit(1)) or 0


def _one(tx: Tx, installation: InstallationId) -> Placement | None:
    return _read(tx, _installations.id == installation).get(installation)


def _read(tx: Tx, condition: schema.Condition) -> dict[InstallationId, Placement]:
    query = select(schema.installations, schema.leases).join(schema.leases, _leases.installation == _installations.id)
    rows = tx.execute(query.where(condition)).all()
    newest, base = _volume_heads(tx, condition)
    return {InstallationId(row.id): _placement(row, newest.get(row.id, {}), base.get(row.id, {})) for row in rows}


_Newest = dict[str, dict[VolumeId, AcceptedHead | None]]
_Base = dict[str, dict[VolumeId, HeadHash | None]]


def _volume_heads(tx: Tx, condition: schema.Condition) -> tuple[_Newest, _Base]:
    query = (
        select(_volumes.id, _volumes.installation, _volumes.base, _volumes.newest, _heads.seq, _heads.term, _heads.n)
        .join(schema.installations, _installations.id == _volumes.installation)
        .outerjoin(schema.heads, _heads.hash == _volumes.newest)
        .where(condition)
    )
    newest: _Newest = {}
    base: _Base = {}
    for row in tx.execute(query):
        volume = VolumeId(row.id)
        head = AcceptedHead(HeadHash(row.newest), row.seq, Epoch(row.term, row.n)) if row.newest else None
        newest.setdefault(row.installation, {})[volume] = head
        base.setdefault(row.installation, {})[volume] = HeadHash(row.base) if row.base else None
    return newest, base


def _placement(
    row: schema.Row, newest: Mapping[VolumeId, AcceptedHead | None], base: Mapping[VolumeId, HeadHash | None]
) -> Placement:
    held = row.holder_device is not None
    lease = Lease(
        epoch=Epoch(row.term, row.n),
        holder=Holder(DeviceId(row.holder_device), SessionId(row.holder_session)) if held else None,
        released=row.released,
        policy=Policy(row.policy),
        base=base,
        newest=newest,
    )
    return Placement(
        lease=lease,
        home=DeviceId(row.home),
        phase=Phase(row.phase),
        wish=Wish(row.wish),
        since_ns=row.since_ns,
        revision=row.revision,
        other=DeviceId(row.other) if row.other else None,
        returning=row.goes_back,
        arrival=Epoch(row.arrival_term, row.arrival_n) if row.arrival_term is not None else None,
        problem=row.problem,
    )


def _placement_values(placement: Placement) -> dict[str, schema.Value]:
    return {
        "home": placement.home,
        "other": placement.other,
        "phase": placement.phase.value,
        "wish": placement.wish.value,
        "since_ns": placement.since_ns,
        "revision": placement.revision,
        "goes_back": placement.returning,
        "arrival_term": placement.arrival.term if placement.arrival else None,
        "arrival_n": placement.arrival.n if placement.arrival else None,
        "problem": placement.problem,
    }


def _lease_values(lease: Lease) -> dict[str, schema.Value]:
    return {
        "term": lease.epoch.term,
        "n": lease.epoch.n,
        "holder_device": lease.holder.device if lease.holder else None,
        "holder_session": lease.holder.session if lease.holder else None,
        "released": lease.released,
        "policy": lease.policy.value,
    }
