"""The owner's word that a Device belongs to the account.

Signed by the owner key, which only a browser or the CLI ever opens: a Hive
that was taken over cannot let a Device in. The Device and the Hive check it.
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from mosaic.core.errors import Refused
from mosaic.crypto.secret import Secret
from mosaic.wire.account import OwnerAdmission
from mosaic.wire.enrol import ADMISSION_CONTEXT


class AdmissionWrong(Refused):
    """An admission that the account's owner did not sign."""

    code = "admission-wrong"

    def __init__(self) -> None:
        super().__init__(
            "this admission is not signed by the account's owner",
            hint="admit the Device again with `mosaic device admit` or in the Console",
        )


def admit(owner_seed: Secret, *, account: str, subject: str) -> OwnerAdmission:
    """Sign the admission of a Device's id, or of the SHA-256 (hex) of a join token's secret."""
    signer = Ed25519PrivateKey.from_private_bytes(owner_seed.reveal())
    return OwnerAdmission(subject, signer.sign(_signed(account, subject)).hex())


def check(admission: OwnerAdmission, *, owner_key: str, account: str) -> None:
    """Raise AdmissionWrong unless the owner signed this. Comparing the subject is the caller's."""
    try:
        owner = Ed25519PublicKey.from_public_bytes(bytes.fromhex(owner_key))
        owner.verify(bytes.fromhex(admission.signature), _signed(account, admission.subject))
    except (InvalidSignature, ValueError):
        raise AdmissionWrong from None


def _signed(account: str, subject: str) -> bytes:
    return ADMISSION_CONTEXT + f"{account}\n{subject}".encode()
