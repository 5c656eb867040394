"""Making a join token, with the owner's admission in it."""

from mosaic.adapters.api_client import HiveClient, fingerprint
from mosaic.cli import known_devices
from mosaic.cli.credentials import Credentials
from mosaic.crypto import admission as admissions
from mosaic.crypto import tokens
from mosaic.crypto.account import Opened
from mosaic.crypto.secret import Secret
from mosaic.wire.account import OwnerAdmission
from mosaic.wire.enrol import JoinToken, NewJoinToken


def new_join_token(
    hive: HiveClient, known: Credentials, opened: Opened | None, *, name: str = "", url: str | None = None
) -> tuple[JoinToken, OwnerAdmission | None]:
    """Register a token that lets one Device in within 15 minutes. The Hive sees only its secret's hash.

    Its binding is kept here: by it this machine recognises the Device that had the token.

    With the account's keys the owner's admission goes with it; without, the
    Device waits for `mosaic device admit`. `url` is where that Device reaches
    the Hive, when not as we do.
    """
    secret, binding = tokens.new_token(), tokens.new_token()
    subject = tokens.hash_token(secret)
    admission = None
    if opened is not None:
        admission = admissions.admit(opened.owner_seed, account=known.account, subject=subject)
    # First, for whoever is killed in between has made no token.
    known_devices.keep_binding(subject, Secret(binding.encode()))
    hive.order("POST", "/api/devices/join-tokens", NewJoinToken(subject, name, admission))
    return JoinToken(url or known.url, fingerprint(known.hive_key), secret, name, binding), admission
