"""Setting up, logging in and out, the account. Routes only; see `mosaic.wire.api`."""

from litestar import get, post, put
from litestar.di import Provide
from litestar.params import FromQuery, JSONBody

from mosaic import __version__
from mosaic.hive import actions, views
from mosaic.hive.http import Asked, TheHive, address_of
from mosaic.hive.signed_in import Owner, signed_in
from mosaic.wire import api, root_key
from mosaic.wire.enrol import HiveIdentity

_WHO = {"who": Provide(signed_in)}


@get("/api/hive")
async def identity(hive: TheHive, nonce: FromQuery[str] = "") -> HiveIdentity:
    """Say who this Hive is, signed over the asker's nonce."""
    nonce = nonce[:128]
    ca_pem = hive.address.ca_pem
    signature = hive.key.sign_identity(nonce, ca_pem)
    public_url = hive.address.url if hive.config.url else None
    return HiveIdentity(hive.key.public, nonce, ca_pem, signature, __version__, public_url, hive.clock.wall_ns())


@get("/api/setup")
async def setup_state(hive: TheHive) -> api.SetupState:
    """Say whether the Hive still waits for its first account."""
    return await views.setup_state(hive)


@post("/api/setup", status_code=200)
async def set_up(data: JSONBody[api.Setup], request: Asked, hive: TheHive) -> api.LoggedIn:
    """Make the first account, once, with the code that `mosaic up` prints."""
    return await actions.set_up(hive, data, address=address_of(request), browser=None)


@post("/api/login", status_code=200)
async def log_in(data: JSONBody[api.Login], request: Asked, hive: TheHive) -> api.LoggedIn:
    """Get an API token for a name and a password."""
    return await actions.log_in(hive, data, address=address_of(request), browser=None)


@post("/api/logout", status_code=204, dependencies=_WHO)
async def log_out(hive: TheHive, who: Owner) -> None:
    """Forget the token that came with the request."""
    await actions.log_out(hive, who.token)


@get("/api/account", dependencies=_WHO)
async def account(hive: TheHive, who: Owner) -> api.Account:
    """Return the account and its keys: ciphertext and public parts."""
    return await views.account(hive, who.account)


@put("/api/account/keys", dependencies=_WHO)
async def set_keys(data: JSONBody[api.SetKeys], hive: TheHive, who: Owner) -> api.Account:
    """Set the keys, or replace their wrappings after the old passphrase was proved."""
    return await actions.set_keys(hive, who.account, data)


@get("/api/account/root", dependencies=_WHO)
async def root_reach(hive: TheHive, who: Owner) -> root_key.RootReach:
    """Return all that hangs on the root key."""
    return await actions.root_reach(hive, who.account)


@put("/api/account/root", dependencies=_WHO)
async def renew_root(data: JSONBody[root_key.RenewRoot], hive: TheHive, who: Owner) -> api.Account:
    """Replace the root key and all that hangs on it, after the passphrase was proved."""
    return await actions.renew_root(hive, who.account, data)


handlers = [identity, setup_state, set_up, log_in, log_out, account, set_keys, root_reach, renew_root]
