"""The owner approves the version that an installation runs: for Devices that believe nobody else about it."""

from mosaic.adapters.sql import installations
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.installations import Installation
from mosaic.core.ids import AccountId
from mosaic.hive.actions.installations import changed
from mosaic.hive.approved import require_approved
from mosaic.hive.runtime import Hive
from mosaic.wire import api
from mosaic.wire.approval import Approval


async def approve(hive: Hive, who: AccountId, installation: str, approval: Approval) -> api.Installation:
    """Pass the owner's approval on with the installation. What runs goes on.

    Raises:
        ApprovalWrong: the owner did not sign this, or it is of another version than the installation's.
    """

    def change(tx: Tx, found: Installation) -> tuple[str, str] | None:
        require_approved(tx, who, found.app, found.app_digest, approval)
        if found.approval == approval.signature:
            return None
        installations.set_approval(tx, found.id, approval.signature)
        return "approved", f"The version of {found.app} that {found.name} runs is approved by its owner."

    return await changed(hive, who, installation, change)
