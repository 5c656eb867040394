"""Join tokens and admission of Devices."""

import re

from mosaic.adapters.sql import accounts, devices, events, join_tokens
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened
from mosaic.adapters.sql.join_tokens import JoinToken
from mosaic.core.errors import Refused
from mosaic.core.ids import AccountId, DeviceId
from mosaic.crypto import admission
from mosaic.crypto.admission import AdmissionWrong
from mosaic.hive import names
from mosaic.hive.actions.root_key import require_present_root
from mosaic.hive.finding import find_device
from mosaic.hive.keys_check import PassphraseMissing
from mosaic.hive.present import sight
from mosaic.hive.present.devices import device as presented
from mosaic.hive.runtime import Hive
from mosaic.wire import api
from mosaic.wire.enrol import NewJoinToken

JOIN_NS = 15 * 60 * 10**9
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_ENVELOPE = re.compile(r"(?:[0-9a-f]{2}){1,512}", re.ASCII)


class JoinTokenMalformed(Refused):
    """The secret's hash is not one, or was used before."""

    code = "join-token-malformed"

    def __init__(self, reason: str) -> None:
        super().__init__(f"this join token cannot be taken: {reason}", hint="make a new one: `mosaic device add`")


class RootKeyMalformed(Refused):
    """The wrapped root key is not an envelope."""

    code = "root-key-malformed"

    def __init__(self) -> None:
        super().__init__("the wrapped root key is not hex, or too long", hint="update the program that made it")


async def new_join_token(hive: Hive, who: AccountId, token: NewJoinToken) -> None:
    """Let one Device in within 15 minutes, by a secret of which only the hash is known here."""
    if not _HASH.fullmatch(token.secret_hash):
        raise JoinTokenMalformed("the secret's hash is not 64 hex characters")
    name = names.check(token.name) if token.name else ""
    now_ns = hive.clock.wall_ns()

    def change(tx: Tx) -> None:
        owner_key = _owner_key(tx, who)
        if token.admission is not None:
            admission.check(token.admission, owner_key=owner_key, account=who)
            if token.admission.subject != token.secret_hash:
                raise AdmissionWrong
        new = JoinToken(token.secret_hash, who, name, token.admission, now_ns + JOIN_NS)
        if not join_tokens.add(tx, new, now_ns=now_ns):
            raise JoinTokenMalformed("its secret was used before")

    await hive.write(change)


async def admit(hive: Hive, who: AccountId, device: str, admit: api.Admit) -> api.Device:
    """Admit a Device by the owner's signature; from now on it gets work."""
    if admit.root_for_device is not None and not _ENVELOPE.fullmatch(admit.root_for_device):
        raise RootKeyMalformed
    seen = sight.take(hive)

    def change(tx: Tx) -> api.Device:
        found = find_device(tx, who, device)
        admission.check(admit.admission, owner_key=_owner_key(tx, who), account=who)
        if admit.admission.subject != found.id:
            raise AdmissionWrong
        if admit.root_for_device is not None:
            require_present_root(tx, who, admit.root_id)
        devices.admit(tx, found.id, admit.admission, admit.root_for_device)
        happened = Happened(who, "device-admitted", found.id, f"{found.name} was admitted.")
        events.add(tx, happened, now_ns=seen.now_ns)
        return presented(tx, find_device(tx, who, found.id), seen)

    admitted = await hive.write(change)
    hive.connections.wake({DeviceId(admitted.device)})
    return admitted


def _owner_key(tx: Tx, who: AccountId) -> str:
    account = accounts.get(tx, who)
    if account is None or account.keys is None:
        raise PassphraseMissing
    return account.keys.owner_key
