"""Setting up, logging in and out, and the account's keys."""

from mosaic.adapters.sql import accounts, devices, events, tokens
from mosaic.adapters.sql.accounts import Account
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened
from mosaic.adapters.sql.tokens import Token
from mosaic.core.errors import Conflict, Refused
from mosaic.core.ids import AccountId, DeviceId
from mosaic.crypto.password import check_password, hash_password
from mosaic.crypto.tokens import hash_token, new_id, new_token
from mosaic.hive import names, setup_code, views
from mosaic.hive.keys_check import PassphraseDiffers, check_new_keys
from mosaic.hive.password import LONGEST, check_strength
from mosaic.hive.runtime import Hive
from mosaic.hive.setup_code import SetupCodeWrong, SetupDone
from mosaic.hive.signed_in import SESSION_SECONDS, browser_token
from mosaic.wire import api

_API_TOKEN_SECONDS = 365 * 24 * 3600
_SETUP = "(set-up)"
# What an unknown name's password is compared with, so that it takes as long as a known one's.
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


class LoginWrong(Refused):
    """The name or the password is wrong; which of them is not said."""

    code = "login-wrong"

    def __init__(self) -> None:
        super().__init__(
            "the name or the password is wrong",
            hint="if the password is lost, run `mosaic hive reset-password NAME` on the Hive's machine",
        )


class KeysChanged(Conflict):
    """The keys were changed by somebody else since they were read."""

    code = "keys-changed"

    def __init__(self) -> None:
        super().__init__(
            "the account's keys have changed since they were read, or this is not the version after theirs",
            hint="read the account again, and wrap the keys anew",
        )


async def set_up(hive: Hive, setup: api.Setup, *, address: str, browser: str | None) -> api.LoggedIn:
    """Make the first account. `browser` is the scheme over which a Console session begins, None makes an API token."""
    if not (await views.setup_state(hive)).needed:
        raise SetupDone
    hive.limits.check(_SETUP, address, hive.clock.boot_ns())
    try:
        setup_code.check(hive.config.setup_code_file, setup.code)
    except SetupCodeWrong:
        hive.limits.failed(_SETUP, address, hive.clock.boot_ns())
        raise
    name = names.check_account(setup.name)
    check_strength(setup.password)
    keys = setup.keys
    if keys is not None:
        check_new_keys(keys, previous=None)
    verifier = await hive.costly(lambda: hash_password(setup.password))
    auth_verifier = await hive.costly(lambda: hash_password(keys.auth_key)) if keys else None
    account = Account(AccountId(new_id()), name, verifier, keys.keys if keys else None, auth_verifier)
    token = _made(browser)
    now_ns = hive.clock.wall_ns()

    def change(tx: Tx) -> None:
        if accounts.count(tx):
            raise SetupDone
        accounts.add(tx, account, now_ns=now_ns)
        tokens.add(tx, _token(token, account.id, "set-up", now_ns, browser=browser is not None), now_ns=now_ns)

    await hive.write(change)
    setup_code.withdraw(hive.config.setup_code_file)
    return api.LoggedIn(token, account.id, name)


async def log_in(hive: Hive, login: api.Login, *, address: str, browser: str | None) -> api.LoggedIn:
    """Check name and password, and begin what `set_up` begins.

    Raises LoginWrong, LoginTooOften (by name and by address).
    """
    name = login.name[:64].replace("\0", "")
    hive.limits.check(name, address, hive.clock.boot_ns())
    # Counted before it is checked: tries that come at once must not slip through together.
    at_ns = hive.clock.boot_ns()
    hive.limits.failed(name, address, at_ns)
    account = await hive.read(lambda tx: accounts.by_name(tx, name))
    password = login.password[: LONGEST + 1]
    right = await hive.costly(lambda: check_password(password, account.password if account else _NOBODY))
    if account is None or not right:
        raise LoginWrong
    hive.limits.succeeded(name, address, at_ns)
    token = _made(browser)
    now_ns = hive.clock.wall_ns()
    label = login.label[:80].replace("\0", "")

    def change(tx: Tx) -> None:
        tokens.add(tx, _token(token, account.id, label, now_ns, browser=browser is not None), now_ns=now_ns)
        where = f" on {label}" if label else ""
        events.add(tx, Happened(account.id, "login", account.id, f"{account.name} logged in{where}."), now_ns=now_ns)

    await hive.write(change)
    return api.LoggedIn(token, account.id, account.name)


async def log_out(hive: Hive, token: str) -> None:
    """Forget the token. Doing it twice is fine."""
    await hive.write(lambda tx: tokens.forget(tx, hash_token(token)))


async def set_keys(hive: Hive, who: AccountId, change: api.SetKeys) -> api.Account:
    """Set the account's keys, or replace their wrappings after the old passphrase was proved."""
    account = await hive.read(lambda tx: accounts.get(tx, who))
    assert account is not None
    check_new_keys(change.new, previous=account.keys)
    if account.auth_verifier is not None:
        verifier, proof = account.auth_verifier, change.previous_auth_key
        if proof is None or not await hive.costly(lambda: check_password(proof, verifier)):
            raise PassphraseDiffers
    auth_verifier = await hive.costly(lambda: hash_password(change.new.auth_key))
    now_ns = hive.clock.wall_ns()

    def write(tx: Tx) -> set[DeviceId]:
        if not accounts.set_keys(tx, who, change.new.keys, auth_verifier):
            raise KeysChanged
        events.add(tx, Happened(who, "keys-set", who, "The passphrase was set."), now_ns=now_ns)
        return {each.id for each in devices.of_account(tx, who)}

    own = await hive.write(write)
    # They pass it on: stores receive the wrapping that the present recovery code opens.
    hive.connections.wake(own)
    return api.Account(account.id, account.name, change.new.keys)


def _made(browser: str | None) -> str:
    return new_token() if browser is None else browser_token(new_token(), browser)


def _token(token: str, account: AccountId, label: str, now_ns: int, *, browser: bool) -> Token:
    seconds = SESSION_SECONDS if browser else _API_TOKEN_SECONDS
    return Token(hash_token(token), account, browser, label, now_ns + seconds * 10**9)
