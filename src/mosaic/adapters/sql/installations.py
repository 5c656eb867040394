"""Installations: what is installed, apart from where it is (see `placements`)."""

from dataclasses import dataclass

import msgspec
from sqlalchemy import or_, select, update

from mosaic.adapters.sql import schema
from mosaic.adapters.sql.engine import Tx
from mosaic.core.ids import AccountId, AppDigest, DeviceId, InstallationId
from mosaic.core.placement import Phase
from mosaic.wire.assignment import PortWish
from mosaic.wire.grants import PolicyGrant

_installations = schema.installations.c
_Texts = dict[str, str]
_Ports = list[PortWish]


@dataclass(frozen=True, slots=True)
class Installation:
    """`images` and `ports` are what a Device found first, so that the next one uses the same.

    `failure` is why the last move did not arrive, None once another one began.
    `keeps` is the rule for its snapshots (`mosaic.core.keep_rule`), None where nobody chose one.
    `catalog` (a name) or `approval` (the owner's signature, hex) vouches for the version, which people call `label`;
    newer ones are taken by themselves where it `follows`.
    """

    id: InstallationId
    account: AccountId
    name: str
    app: str
    app_digest: AppDigest
    config: dict[str, str]
    config_revision: int
    open: bool
    images: dict[str, str]
    ports: list[PortWish]
    restart_count: int
    created_ns: int
    failure: str | None = None
    grant: PolicyGrant | None = None
    keeps: str | None = None
    catalog: str | None = None
    approval: str | None = None
    label: str = ""
    follows: bool = False


def get(tx: Tx, installation: InstallationId) -> Installation | None:
    """Return one installation, one in the trash too."""
    row = tx.execute(select(schema.installations).where(_installations.id == installation)).one_or_none()
    return read(row) if row else None


def of_account(tx: Tx, account: AccountId) -> list[Installation]:
    """Return all installations of the account by name, those in the trash too."""
    query = select(schema.installations).where(_installations.account == account)
    return [read(row) for row in tx.execute(query.order_by(_installations.name, _installations.created_ns))]


def find(tx: Tx, account: AccountId, wanted: str, *, trashed: bool) -> Installation | None:
    """Return the account's installation of that id or name; of several in the trash the newest."""
    named = (_installations.id == wanted) | (_installations.name == wanted)
    where = _installations.phase == Phase.TRASHED if trashed else _installations.phase != Phase.TRASHED
    query = select(schema.installations).where(_installations.account == account, named, where)
    row = tx.execute(query.order_by(_installations.since_ns.desc()).limit(1)).one_or_none()
    return read(row) if row else None


def name_taken(tx: Tx, account: AccountId, name: str) -> bool:
    """Say whether an installation outside the trash has the name, or one whose successor will have it."""
    successions = schema.successions.c
    succeeded = select(successions.installation).where(successions.ended_ns.is_(None))
    in_use = (_installations.phase != Phase.TRASHED) | _installations.id.in_(succeeded)
    query = select(_installations.id).where(_installations.account == account, _installations.name == name, in_use)
    return tx.execute(query.limit(1)).one_or_none() is not None


def concerning(tx: Tx, device: DeviceId) -> list[InstallationId]:
    """Return the installations that are on the Device or on their way to it."""
    query = select(_installations.id).where((_installations.home == device) | (_installations.other == device))
    return [InstallationId(found) for found in tx.scalars(query)]


def at_home(tx: Tx, device: DeviceId) -> list[InstallationId]:
    """Return the installations that belong on the Device, without the trash."""
    query = select(_installations.id).where(_installations.home == device, _installations.phase != Phase.TRASHED)
    return [InstallationId(found) for found in tx.scalars(query.order_by(_installations.name))]


def uses(tx: Tx, account: AccountId, digest: AppDigest) -> bool:
    """Say whether the account has an installation of the bundle, in the trash or outside it: one that runs it, goes
    back to it, shall have it by an update, or ran it before.
    """
    restores, updates, generations = schema.restores.c, schema.updates.c, schema.generations.c
    returning = select(restores.installation).where(restores.ended_ns.is_(None), restores.app_digest == digest)
    trying = select(updates.installation).where(updates.ended_ns.is_(None), updates.app_digest == digest)
    earlier = select(generations.installation).where(generations.app_digest == digest)
    needs = or_(
        _installations.app_digest == digest, *(_installations.id.in_(of) for of in (returning, trying, earlier))
    )
    query = select(_installations.id).where(_installations.account == account, needs)
    return tx.execute(query.limit(1)).one_or_none() is not None


def every(tx: Tx) -> list[InstallationId]:
    """Return all installations of all accounts."""
    return [InstallationId(found) for found in tx.scalars(select(_installations.id))]


def remember_images(tx: Tx, installation: InstallationId, images: _Texts) -> None:
    """Keep which images the services are pinned to."""
    _set(tx, installation, images=_json(images))


def remember_ports(tx: Tx, installation: InstallationId, ports: _Ports) -> None:
    """Keep which ports people reach it at."""
    _set(tx, installation, ports=_json(ports))


def remember_failure(tx: Tx, installation: InstallationId, failure: str | None) -> None:
    """Keep why the last move did not arrive; None forgets it."""
    _set(tx, installation, failure=failure)


def set_open(tx: Tx, installation: InstallationId, *, open_ports: bool) -> None:
    """Keep whether its ports are bound beyond loopback."""
    _set(tx, installation, open=open_ports)


def set_name(tx: Tx, installation: InstallationId, name: str) -> None:
    """Give it another name."""
    _set(tx, installation, name=name)


def set_grant(tx: Tx, installation: InstallationId, grant: PolicyGrant) -> None:
    """Keep what the owner granted it. The app is checked and started anew with that."""
    _set(tx, installation, grants=_json(grant), config_revision=_installations.config_revision + 1)


def set_approval(tx: Tx, installation: InstallationId, signature: str) -> None:
    """Keep the owner's signature over the version that it runs. The lease must be locked."""
    _set(tx, installation, approval=signature)


def set_keeps(tx: Tx, installation: InstallationId, rule: str | None) -> None:
    """Keep which rule its snapshots are kept by; None is the default. The lease must be locked."""
    _set(tx, installation, keeps=rule)


def set_app(tx: Tx, version: Installation) -> None:
    """Run the version that `version` says, which vouches for it and how it is called; and with its images, if known."""
    _set(
        tx,
        version.id,
        app_digest=version.app_digest,
        catalog=version.catalog,
        approval=version.approval,
        label=version.label,
        images=_json(version.images),
    )


def set_follows(tx: Tx, installation: InstallationId, *, follows: bool) -> None:
    """Keep whether newer versions are taken by themselves."""
    _set(tx, installation, follows=follows)


def following(tx: Tx) -> list[InstallationId]:
    """Return the installations outside the trash that take newer versions by themselves."""
    query = select(_installations.id).where(_installations.follows, _installations.phase != Phase.TRASHED)
    return [InstallationId(found) for found in tx.scalars(query)]


def count_restart(tx: Tx, installation: InstallationId) -> None:
    """Ask for one more restart."""
    _set(tx, installation, restart_count=_installations.restart_count + 1)


def values(installation: Installation) -> dict[str, schema.Value]:
    """Return the columns of a new installation, apart from its placement."""
    return {
        "id": installation.id,
        "account": installation.account,
        "name": installation.name,
        "app": installation.app,
        "app_digest": installation.app_digest,
        "config": _json(installation.config),
        "config_revision": installation.config_revision,
        "open": installation.open,
        "images": _json(installation.images),
        "ports": _json(installation.ports),
        "restart_count": installation.restart_count,
        "created_ns": installation.created_ns,
        "grants": _json(installation.grant) if installation.grant else None,
        "keeps": installation.keeps,
        "catalog": installation.catalog,
        "approval": installation.approval,
        "label": installation.label,
        "follows": installation.follows,
    }


def read(row: schema.Row) -> Installation:
    """Return what a row of the table says."""
    return Installation(
        id=InstallationId(row.id),
        account=AccountId(row.account),
        name=row.name,
        app=row.app,
        app_digest=AppDigest(row.app_digest),
        config=msgspec.json.decode(row.config, type=_Texts),
        config_revision=row.config_revision,
        open=row.open,
        images=msgspec.json.decode(row.images, type=_Texts),
        ports=msgspec.json.decode(row.ports, type=_Ports),
        restart_count=row.restart_count,
        created_ns=row.created_ns,
        failure=row.failure,
        grant=msgspec.json.decode(row.grants, type=PolicyGrant) if row.grants else None,
        keeps=row.keeps,
        catalog=row.catalog,
        approval=row.approval,
        label=row.label,
        follows=row.follows,
    )


def _set(tx: Tx, installation: InstallationId, **columns: schema.Value) -> None:
    tx.execute(update(schema.installations).where(_installations.id == installation).values(**columns))


def _json(value: _Texts | _Ports | PolicyGrant) -> str:
    return msgspec.json.encode(value).decode()
