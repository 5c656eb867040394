"""Signing whose apps may run, and checking it: a Hive that was taken over can have nothing else started (G7)."""

from mosaic.core.errors import Refused
from mosaic.crypto import signing
from mosaic.crypto.secret import Secret
from mosaic.wire.approval import (
    APPROVAL_CONTEXT,
    CATALOG_CONTEXT,
    Approval,
    CatalogTrust,
    approved_text,
    trusted_text,
)


class NotSigned(Refused):
    """A word that would be more than its line of what the owner signs."""

    code = "not-signed"

    def __init__(self, word: str) -> None:
        super().__init__(f"{word[:80]!a} cannot be signed for", hint="give it a name of letters, digits and hyphens")


class ApprovalWrong(Refused):
    """The account's owner did not sign this version of this app."""

    code = "approval-wrong"

    def __init__(self, app: str) -> None:
        super().__init__(
            f"this version of {app} is not signed by the account's owner",
            hint="its folder may have changed since it was looked at: look again, and approve what is there now",
        )


def approve(owner_seed: Secret, *, account: str, app: str, digest: str) -> Approval:
    """Sign one version of an app. Raises NotSigned."""
    _require_lines(account, app, digest)
    text = approved_text(account=account, app=app, digest=digest)
    return Approval(digest, signing.sign(owner_seed.reveal(), APPROVAL_CONTEXT, text).hex())


def is_approved(signature: str, *, owner_key: str, account: str, app: str, digest: str) -> bool:
    """Say whether the owner approved exactly this version of the app."""
    if not _are_lines(account, app, digest):
        return False
    text = approved_text(account=account, app=app, digest=digest)
    return _is_signed(signature, APPROVAL_CONTEXT, text, owner_key)


def trust(owner_seed: Secret, *, account: str, name: str, channel: str, root_sha256: str) -> CatalogTrust:
    """Sign that a catalog is believed, from a root on. Raises NotSigned."""
    _require_lines(account, name, channel, root_sha256)
    text = trusted_text(account=account, name=name, channel=channel, root_sha256=root_sha256)
    return CatalogTrust(name, channel, root_sha256, signing.sign(owner_seed.reveal(), CATALOG_CONTEXT, text).hex())


def is_trusted(told: CatalogTrust, *, owner_key: str, account: str) -> bool:
    """Say whether the owner believes exactly this catalog."""
    if not _are_lines(account, told.name, told.channel, told.root_sha256):
        return False
    text = trusted_text(account=account, name=told.name, channel=told.channel, root_sha256=told.root_sha256)
    return _is_signed(told.signature, CATALOG_CONTEXT, text, owner_key)


def _require_lines(*words: str) -> None:
    for word in words:
        if not _is_line(word):
            raise NotSigned(word)


def _are_lines(*words: str) -> bool:
    return all(_is_line(word) for word in words)


def _is_line(word: str) -> bool:
    # A line feed in one would let two sets of words be one text: signed for this, believed for that.
    return bool(word) and word.isprintable()


def _is_signed(signature: str, context: bytes, text: bytes, owner_key: str) -> bool:
    try:
        return signing.verify(owner_key, context, text, bytes.fromhex(signature))
    except ValueError:
        return False
