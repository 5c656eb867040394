"""Joining a Hive: keys are made, the Hive is pinned, and the identity is stored. All or nothing."""

import platform
import secrets
from pathlib import Path

import msgspec

from mosaic.adapters.api_client import fingerprint, read_untrusted_identity
from mosaic.adapters.hive_client import DeviceClient
from mosaic.adapters.private_file import write_private
from mosaic.core.errors import Conflict, MosaicError, Refused, Unavailable
from mosaic.crypto import device_keys, envelope, tokens, unwrap, x25519
from mosaic.crypto.account import root_id_of
from mosaic.crypto.device_keys import DeviceKeys
from mosaic.crypto.passphrase import derive
from mosaic.crypto.secret import Secret
from mosaic.device import identity as identities
from mosaic.device.identity import Identity
from mosaic.wire.account import OwnerAdmission
from mosaic.wire.enrol import Enrol, Enrolled, HiveIdentity, JoinSecret, JoinToken


class AlreadyEnrolled(Refused):
    """The state folder is a Device's already."""

    code = "already-enrolled"

    def __init__(self, found: Identity) -> None:
        super().__init__(
            f"this state folder is already the Device {found.name!r} of {found.hive_url}",
            hint="run `mosaic device run` without a join token, or name another folder with `--state`",
        )


class PassphraseDiffers(Refused):
    """The passphrase is not the one that the account's other Devices have."""

    code = "passphrase-differs"

    def __init__(self) -> None:
        super().__init__(
            "this is not the passphrase of this account",
            hint="every device of an account has the same one: check the words and their order, and run the same "
            "line again; nothing was started, and the join token is still good",
        )


class HiveNotPinned(Refused):
    """What answers at the join token's address is not the Hive that made the token."""

    code = "hive-not-pinned"

    def __init__(self, url: str) -> None:
        super().__init__(
            f"what answers at {url} has another key than the join token says",
            hint="get a new token from the Hive's own Console; if it happens again, somebody is in the middle",
        )


class OwnerDiffers(Refused):
    """The Hive named another owner key than the one that wrapped the account's keys."""

    code = "owner-differs"

    def __init__(self) -> None:
        super().__init__(
            "the Hive named two different owner keys",
            hint="do not use this Hive before whoever runs it explains that; nothing was stored here",
        )


class _Draft(msgspec.Struct, frozen=True):
    """The keys of a join under way. A killed join goes on with the same ones, so that the Hive sees one Device."""

    secret: str
    signing_seed: str
    wrapping_private: str

    def __repr__(self) -> str:
        return "_Draft(…)"


def enrol(
    state: Path,
    token: JoinToken,
    name: str,
    *,
    passphrase: str | None = None,
    admission: OwnerAdmission | None = None,
) -> Identity:
    """Make this machine a Device of the Hive that `token` names, and store who it is in `state` (0600).

    With `passphrase` the Device takes the account's root key by it, and keeps
    neither the passphrase nor what it derives. Without, the owner wraps the
    root key to the Device at its admission. `admission` is the owner's
    signature over the join token's secret, when the caller has it.

    Nothing is stored, and the token stays good, when this raises before the
    Hive accepted it: for a wrong passphrase, a name that is taken, a token
    that was used, or a Hive whose key is not the one in the token.

    Raises:
        AlreadyEnrolled, HiveNotPinned, OwnerDiffers: see above.
        PassphraseDiffers: it is not this account's.
        Refused, Conflict: the Hive's own refusal, word for word.
        Unavailable: no answer. Calling again goes on where this ended.
    """
    path = state / "identity.json"
    if path.exists():
        raise AlreadyEnrolled(identities.load(path))
    hive = _pinned(token)
    with DeviceClient(token.url, ca_pem=hive.ca_pem) as client:
        auth_key, root, owner_key = _unlocked(client, token, passphrase)
        state.mkdir(parents=True, exist_ok=True)
        draft = _draft(state, token)
        try:
            request = _request(
                draft, token, name, auth_key=auth_key, admission=admission, root=root, owner_key=owner_key
            )
            joined = client.enrol(request)
            if owner_key is not None and joined.owner_key != owner_key:
                raise OwnerDiffers
        except Unavailable:
            raise
        except MosaicError:
            _draft_path(state).unlink(missing_ok=True)
            raise
    found = _identity(draft, token, hive, joined, root)
    identities.store(path, found)
    _draft_path(state).unlink(missing_ok=True)
    return found


def with_root(found: Identity, seen: Enrolled) -> Identity | None:
    """Return the identity with the root key that the owner has wrapped to us since; None when there is none yet.

    One that was renewed since is not taken, though the owner signed it once:
    a Hive that hands it out again came back from an older copy, or is not to
    be trusted.

    Raises EnvelopeDamaged when it is not signed by the owner that was pinned,
    or is not the root key that the Hive names.
    """
    if seen.root_for_device is None:
        return None
    private = Secret(bytes.fromhex(found.wrapping_private))
    root = unwrap.open_root_for_device(seen.root_for_device, private, owner_key=found.owner_key)
    if seen.keys.root_id not in ("", root_id_of(root)):
        raise unwrap.EnvelopeDamaged("the root key for this Device")
    key = root.reveal().hex()
    if key in found.former_roots:
        return None
    before = [found.root_key] if found.root_key is not None and found.root_key != key else []
    return msgspec.structs.replace(found, root_key=key, former_roots=[*before, *found.former_roots])


def _pinned(token: JoinToken) -> HiveIdentity:
    hive = read_untrusted_identity(token.url)
    if fingerprint(hive.key) != token.hive_fingerprint:
        raise HiveNotPinned(token.url)
    return hive


def _unlocked(
    client: DeviceClient, token: JoinToken, passphrase: str | None
) -> tuple[str | None, Secret | None, str | None]:
    """Return the proof of the passphrase, the root key, and the owner key that both hang on.

    Without a passphrase the owner key is what the Hive says, for his client to
    check; None when the token was used, perhaps by this Device itself.
    """
    if passphrase is None:
        try:
            return None, None, client.account_keys(JoinSecret(token.secret)).owner_key
        except Conflict:
            return None, None, None
    keys = client.account_keys(JoinSecret(token.secret))
    derived = derive(passphrase, keys.kdf)
    try:
        root = unwrap.unlock_root(keys, derived.kek)
    except unwrap.PassphraseWrong:
        raise PassphraseDiffers from None
    return derived.auth_key.reveal().hex(), root, keys.owner_key


def _draft_path(state: Path) -> Path:
    return state / "identity.joining"


def _draft(state: Path, token: JoinToken) -> _Draft:
    path = _draft_path(state)
    if path.exists():
        draft = msgspec.json.decode(path.read_bytes(), type=_Draft)
        if draft.secret == token.secret:
            return draft
    wrapping = x25519.generate()
    seed = secrets.token_bytes(envelope.KEY_BYTES)
    draft = _Draft(token.secret, seed.hex(), wrapping.private.reveal().hex())
    write_private(path, msgspec.json.encode(draft))
    return draft


def _request(
    draft: _Draft,
    token: JoinToken,
    name: str,
    *,
    auth_key: str | None,
    admission: OwnerAdmission | None,
    root: Secret | None,
    owner_key: str | None,
) -> Enrol:
    keys = identities.keys_of(draft.signing_seed, draft.wrapping_private, owner_key or "")
    proof = device_keys.prove(
        keys,
        Secret(bytes.fromhex(draft.signing_seed)),
        token=tokens.hash_token(token.secret),
        by_token=_by_token(keys, token),
        root=root,
    )
    return Enrol(
        secret=token.secret,
        name=name,
        signing_key=keys.signing_key,
        wrapping_key=keys.wrapping_key,
        architecture=platform.machine(),
        version="",
        auth_key=auth_key,
        admission=admission,
        # Where it is not known yet whose Device this will be, that is told with the first connection.
        proof=proof if owner_key is not None else None,
    )


def _by_token(keys: DeviceKeys, token: JoinToken) -> str:
    return device_keys.by_token(keys, Secret(token.binding.encode())) if token.binding else ""


def _identity(draft: _Draft, token: JoinToken, hive: HiveIdentity, joined: Enrolled, root: Secret | None) -> Identity:
    keys = identities.keys_of(draft.signing_seed, draft.wrapping_private, joined.owner_key)
    found = Identity(
        device=keys.device,
        name=joined.name,
        account=joined.account,
        hive_url=token.url,
        hive_key=hive.key,
        ca_pem=hive.ca_pem,
        owner_key=joined.owner_key,
        signing_seed=draft.signing_seed,
        wrapping_private=draft.wrapping_private,
        root_key=root.reveal().hex() if root else None,
        joined_by=tokens.hash_token(token.secret),
        by_token=_by_token(keys, token),
    )
    return with_root(found, joined) or found
