"""Signing with the owner key which version of an app may run.

What is signed is the digest that the Hive names. Whoever cannot trust his Hive
for that imports the app from a folder that he has (`mosaic app import`).
"""

from collections.abc import Callable

from mosaic.adapters.api_client import HiveClient, segment
from mosaic.cli import credentials
from mosaic.cli.output import Output
from mosaic.crypto import approvals
from mosaic.crypto.account import Opened
from mosaic.wire.api import CatalogApp, Installation
from mosaic.wire.approval import Approval


def approve(opened: Callable[[], Opened], app: str, digest: str) -> Approval:
    """Sign this version of the app, with the keys that are asked for only now.

    `app` is its own name, without a source. Raises NotSigned, PassphraseWrong, NoPassphrase.
    """
    return approvals.approve(opened().owner_seed, account=credentials.load().account, app=app, digest=digest)


def approve_listed(hive: HiveClient, out: Output, opened: Callable[[], Opened], app: str) -> Approval | None:
    """Sign what the catalog has under that name; None when it has nothing of it that could be signed."""
    found = next((one for one in hive.get("/api/catalog", list[CatalogApp]) if one.app == app), None)
    if found is None or not found.digest:
        # The Hive says in its own words what is wrong.
        return None
    name = app.rpartition("/")[2]
    out.remark(f"Approving {name} {found.digest}.")
    return approve(opened, name, found.digest)


def approve_installed(hive: HiveClient, out: Output, opened: Callable[[], Opened], name: str) -> Installation:
    """Sign the version that an installation runs, and have its Device told."""
    found = hive.get(f"/api/installations/{segment(name)}", Installation)
    out.remark(f"Approving {found.app} {found.app_digest}.")
    signed = approve(opened, found.app, found.app_digest)
    return hive.send("PUT", f"/api/installations/{segment(found.installation)}/approval", signed, Installation)
