"""How a Device joins: the join token is used, and the Device exists. What each case answers is in `wire.enrol`."""

import re
from dataclasses import dataclass

from mosaic.adapters.sql import accounts, devices, events, join_tokens
from mosaic.adapters.sql.accounts import Account
from mosaic.adapters.sql.devices import Device
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened
from mosaic.adapters.sql.join_tokens import JoinToken
from mosaic.core.errors import Conflict, Refused
from mosaic.core.ids import AccountId
from mosaic.crypto import admission
from mosaic.crypto.admission import AdmissionWrong
from mosaic.crypto.device_keys import DeviceKeys, are_signed
from mosaic.crypto.hashing import device_id
from mosaic.crypto.password import check_password
from mosaic.crypto.tokens import hash_token
from mosaic.hive import names
from mosaic.hive.keys_check import PassphraseDiffers, PassphraseMissing
from mosaic.hive.names import NameUnusable
from mosaic.hive.runtime import Hive
from mosaic.wire.account import AccountKeys, OwnerAdmission
from mosaic.wire.device_keys import KeyProof
from mosaic.wire.enrol import Enrol, Enrolled

_KEY = re.compile(r"[0-9a-f]{64}", re.ASCII)
_ANOTHER = "make a new one with `mosaic device add`, or in the Console"


class JoinTokenUnknown(Refused):
    """The Hive never saw the secret's hash, or forgot it long after it expired."""

    code = "join-token-unknown"

    def __init__(self) -> None:
        super().__init__("this Hive does not know the join token", hint=_ANOTHER)


class JoinTokenUsed(Conflict):
    """Another Device has joined with it."""

    code = "join-token-used"

    def __init__(self) -> None:
        super().__init__("another device has joined with this token; each works once", hint=_ANOTHER)


class JoinTokenExpired(Conflict):
    """Its 15 minutes are over."""

    code = "join-token-expired"

    def __init__(self) -> None:
        super().__init__("the join token is older than 15 minutes", hint=_ANOTHER)


class DeviceNameTaken(Conflict):
    """Another Device of the account has the name."""

    code = "device-name-taken"

    def __init__(self, name: str, free: str) -> None:
        super().__init__(
            f"there is a device named {name} already", hint=f"take another name, for instance `--name {free}`"
        )


class DeviceKeyUsed(Conflict):
    """A Device with this key was removed, or is another account's."""

    code = "device-key-used"

    def __init__(self) -> None:
        super().__init__(
            "a device with this key has been here before",
            hint="give this machine an identity of its own: `mosaic device run --new-identity`",
        )


class EnrolmentMalformed(Refused):
    """What the Device sent is not what a Device sends."""

    code = "enrolment-malformed"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is malformed", hint="update the device")


@dataclass(frozen=True, slots=True)
class _Joining:
    token: JoinToken
    account: Account
    keys: AccountKeys


async def keys_for(hive: Hive, secret: str) -> AccountKeys:
    """Return the keys that a joining Device derives from. The token stays good."""
    now_ns = hive.clock.wall_ns()

    def look(tx: Tx) -> AccountKeys:
        found = _open(tx, secret, now_ns)
        if found.token.used_by is not None:
            raise JoinTokenUsed
        return found.keys

    # A write transaction, because the look locks the token.
    return await hive.write(look)


async def enrol(hive: Hive, wish: Enrol) -> Enrolled:
    """Let a Device in, once per token. Asking again with the same key gives the same answer (a lost reply)."""
    if not _KEY.fullmatch(wish.signing_key) or not _KEY.fullmatch(wish.wrapping_key):
        raise EnrolmentMalformed("a key")
    if "\0" in wish.architecture + wish.version or len(wish.architecture) > 40 or len(wish.version) > 40:
        raise EnrolmentMalformed("the architecture or the version")
    now_ns = hive.clock.wall_ns()
    proved = await _proved(hive, wish, now_ns)

    def change(tx: Tx) -> Enrolled:
        found = _open(tx, wish.secret, now_ns)
        if proved and found.account.auth_verifier != proved:
            # What it derived opened keys that were changed a moment ago.
            raise PassphraseDiffers
        require_proof(
            wish.proof,
            signing_key=wish.signing_key,
            wrapping_key=wish.wrapping_key,
            owner_key=found.keys.owner_key,
        )
        new_id = device_id(bytes.fromhex(wish.signing_key))
        existing = devices.get(tx, new_id)
        if found.token.used_by is not None:
            if found.token.used_by != new_id or existing is None or existing.removed:
                raise JoinTokenUsed
            return enrolled(existing, found.keys)
        if existing is not None:
            raise DeviceKeyUsed
        name = _free_name(tx, found.account.id, found.token.name or wish.name)
        device = Device(
            id=new_id,
            account=found.account.id,
            name=name,
            signing_key=wish.signing_key,
            wrapping_key=wish.wrapping_key,
            architecture=wish.architecture,
            version=wish.version,
            admission=_admission(wish, found, new_id),
            root_for_device=None,
            proved_passphrase=bool(proved),
            created_ns=now_ns,
            key_proof=wish.proof,
        )
        devices.add(tx, device)
        join_tokens.use(tx, found.token.secret_hash, new_id)
        events.add(tx, Happened(found.account.id, "device-joined", new_id, f"{name} has joined."), now_ns=now_ns)
        return enrolled(device, found.keys)

    return await hive.write(change)


def require_proof(proof: KeyProof | None, *, signing_key: str, wrapping_key: str, owner_key: str) -> None:
    """Return when a Device said nothing of its keys, or signed for them. Whether it is the owner's, his client checks.

    Raises EnrolmentMalformed.
    """
    if proof is None:
        return
    keys = DeviceKeys(device_id(bytes.fromhex(signing_key)), signing_key, wrapping_key, owner_key)
    is_hex = all(_KEY.fullmatch(each) for each in (proof.token, proof.by_token, proof.by_root) if each)
    if not is_hex or not are_signed(keys, proof):
        raise EnrolmentMalformed("what it says of its keys")


def enrolled(device: Device, keys: AccountKeys) -> Enrolled:
    """Return what the Device is told about itself."""
    return Enrolled(
        device=device.id,
        account=device.account,
        name=device.name,
        owner_key=keys.owner_key,
        admitted=device.admission is not None,
        keys=keys,
        root_for_device=device.root_for_device,
    )


async def _proved(hive: Hive, wish: Enrol, now_ns: int) -> str:
    """Return the verifier that the Device's passphrase fits, "" without one. Raises PassphraseDiffers for another."""
    auth_key = wish.auth_key
    if auth_key is None:
        return ""
    found = await hive.write(lambda tx: _open(tx, wish.secret, now_ns))
    verifier = found.account.auth_verifier or ""
    if not _KEY.fullmatch(auth_key) or not await hive.costly(lambda: check_password(auth_key, verifier)):
        raise PassphraseDiffers
    return verifier


def _open(tx: Tx, secret: str, now_ns: int) -> _Joining:
    token = join_tokens.lock(tx, hash_token(secret))
    if token is None:
        raise JoinTokenUnknown
    accounts.lock(tx, token.account)
    account = accounts.get(tx, token.account)
    if account is None or account.keys is None:
        raise PassphraseMissing
    if token.used_by is None and now_ns >= token.expires_ns:
        raise JoinTokenExpired
    return _Joining(token, account, account.keys)


def _free_name(tx: Tx, account: AccountId, wanted: str) -> str:
    name = names.fold(wanted)
    if not name:
        raise NameUnusable(wanted)
    taken = {device.name for device in devices.of_account(tx, account)}
    if name in taken:
        raise DeviceNameTaken(name, names.free(name, taken))
    return name


def _admission(wish: Enrol, found: _Joining, new_id: str) -> OwnerAdmission | None:
    given = found.token.admission or wish.admission
    if given is None:
        return None
    admission.check(given, owner_key=found.keys.owner_key, account=found.account.id)
    if given.subject not in (found.token.secret_hash, new_id):
        raise AdmissionWrong
    return given
