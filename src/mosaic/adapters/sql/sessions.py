"""The sessions that each Device has had: which one speaks for it, and the hash of its token."""

from dataclasses import dataclass

from sqlalchemy import func, select, update

from mosaic.adapters.sql import schema
from mosaic.adapters.sql.engine import Tx
from mosaic.core.ids import AccountId, DeviceId, SessionId
from mosaic.core.lease import Holder
from mosaic.core.session import Sessions

_sessions = schema.sessions.c


@dataclass(frozen=True, slots=True)
class SpeaksFor:
    """Whom a session token stands for."""

    holder: Holder
    account: AccountId
    admitted: bool


def lock(tx: Tx, device: DeviceId) -> Sessions:
    """Return the Device's sessions, with the Device's row locked until the transaction ends."""
    tx.execute(select(schema.devices.c.id).where(schema.devices.c.id == device).with_for_update())
    rows = tx.execute(select(_sessions.session, _sessions.newest).where(_sessions.device == device)).all()
    newest = next((SessionId(row.session) for row in rows if row.newest), None)
    return Sessions(newest, frozenset(SessionId(row.session) for row in rows if not row.newest))


def begin(tx: Tx, holder: Holder, token_hash: str, *, now_ns: int) -> None:
    """Make the session the Device's newest, with this token. Tokens of older ones, and its own older token, die."""
    older = update(schema.sessions).where(_sessions.device == holder.device).values(newest=False, token_hash=None)
    tx.execute(older)
    values = {"newest": True, "token_hash": token_hash, "started_ns": now_ns}
    same = (_sessions.device == holder.device) & (_sessions.session == holder.session)
    if not tx.execute(update(schema.sessions).where(same).values(values)).rowcount:
        tx.execute(schema.sessions.insert().values(device=holder.device, session=holder.session, **values))


def end_all(tx: Tx, device: DeviceId) -> None:
    """Make every token of the Device useless: it was removed."""
    tx.execute(update(schema.sessions).where(_sessions.device == device).values(token_hash=None))


def newest(tx: Tx, device: DeviceId) -> SessionId | None:
    """Return the session that speaks for the Device, None before its first."""
    found = tx.scalar(select(_sessions.session).where(_sessions.device == device, _sessions.newest.is_(True)))
    return SessionId(found) if found else None


def by_token(tx: Tx, token_hash: str) -> SpeaksFor | None:
    """Return whom the token stands for; None when it is unknown, or its session is not the newest any more."""
    devices = schema.devices.c
    query = (
        select(_sessions.device, _sessions.session, devices.account, devices.admission)
        .join(schema.devices, devices.id == _sessions.device)
        .where(_sessions.token_hash == token_hash, _sessions.newest.is_(True), devices.removed_ns.is_(None))
    )
    row = tx.execute(query).one_or_none()
    if row is None:
        return None
    holder = Holder(DeviceId(row.device), SessionId(row.session))
    return SpeaksFor(holder, AccountId(row.account), row.admission is not None)


def count(tx: Tx, device: DeviceId) -> int:
    """Return how many sessions the Device has had."""
    return tx.scalar(select(func.count()).select_from(schema.sessions).where(_sessions.device == device)) or 0
