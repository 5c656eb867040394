"""An account, its Devices and an installation, as rows."""

from mosaic.adapters.sql import accounts, devices, placements
from mosaic.adapters.sql.accounts import Account
from mosaic.adapters.sql.devices import Device
from mosaic.adapters.sql.engine import Database
from mosaic.adapters.sql.installations import Installation
from mosaic.core import lease, placement
from mosaic.core.ids import AccountId, AppDigest, DeviceId, InstallationId

ADA = AccountId("ada")
ATTIC, CELLAR = DeviceId("a" * 32), DeviceId("c" * 32)
NOTES = InstallationId("notes2345678")


def account(database: Database) -> None:
    """Write an account without keys."""
    with database.write() as tx:
        accounts.add(tx, Account(ADA, "ada", "verifier", None, None), now_ns=1)


def device(device_id: DeviceId, name: str) -> Device:
    """Return a Device that nobody admitted."""
    return Device(
        id=device_id,
        account=ADA,
        name=name,
        signing_key="11" * 32,
        wrapping_key="22" * 32,
        architecture="amd64",
        version="0.1.0",
        admission=None,
        root_for_device=None,
        proved_passphrase=True,
        created_ns=1,
    )


def fleet(database: Database) -> None:
    """Write the account and two Devices."""
    account(database)
    with database.write() as tx:
        devices.add(tx, device(ATTIC, "attic"))
        devices.add(tx, device(CELLAR, "cellar"))


def installation(name: str = "notes", installation_id: InstallationId = NOTES) -> Installation:
    """Return an installation of the account."""
    return Installation(
        id=installation_id,
        account=ADA,
        name=name,
        app="notes",
        app_digest=AppDigest("sha256:" + "ab" * 32),
        config={"KEY": "value"},
        config_revision=1,
        open=False,
        images={},
        ports=[],
        restart_count=0,
        created_ns=1,
    )


def install(database: Database) -> None:
    """Write the account, its Devices and an installation on the attic."""
    fleet(database)
    with database.write() as tx:
        placements.add(tx, installation(), placement.install(lease.new_lease({}), ATTIC, 1))
