"""Whether the owner signed a version of an app. A Device asks the same, and believes nothing else."""

from mosaic.adapters.sql import accounts
from mosaic.adapters.sql.engine import Tx
from mosaic.core.ids import AccountId
from mosaic.crypto.approvals import ApprovalWrong, is_approved
from mosaic.hive.keys_check import PassphraseMissing
from mosaic.wire.approval import Approval


def require_approved(tx: Tx, who: AccountId, app: str, digest: str, approval: Approval) -> None:
    """Return when the account's owner signed this version of this app. Raises ApprovalWrong, PassphraseMissing."""
    account = accounts.get(tx, who)
    if account is None or account.keys is None:
        raise PassphraseMissing
    signed = is_approved(approval.signature, owner_key=account.keys.owner_key, account=who, app=app, digest=digest)
    if approval.digest != digest or not signed:
        raise ApprovalWrong(app)
