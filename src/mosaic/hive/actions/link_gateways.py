"""The gateways that this Hive uses: for all its accounts, so the account that set it up decides."""

from mosaic.adapters.sql import accounts, gateways, link_pushes, links
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.gateways import Gateway
from mosaic.core.errors import Conflict, MosaicError, NotFound, Refused, Unavailable
from mosaic.core.ids import AccountId
from mosaic.crypto.tokens import new_id
from mosaic.hive.links import asking
from mosaic.hive.own_threads import in_own_thread
from mosaic.hive.runtime import Hive
from mosaic.wire.link_api import AddGateway, LinkGateway

MOST_GATEWAYS = 8


class GatewaysNotYours(Refused):
    """An account that did not set the Hive up wants to change its gateways."""

    code = "gateways-not-yours"

    def __init__(self) -> None:
        super().__init__(
            "gateways serve all accounts of this Hive, so only the account that set it up changes them",
            hint="ask its owner; `mosaic link gateway list` shows those that there are",
        )


class GatewayUnknown(NotFound):
    """The Hive uses no such gateway."""

    code = "gateway-unknown"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no gateway {name[:80]!r}", hint="`mosaic link gateway list` shows them")


class GatewayInUse(Conflict):
    """Links are at the gateway, or it has not forgotten them yet."""

    code = "link-gateway-in-use"

    def __init__(self, name: str, count: int) -> None:
        super().__init__(
            f"{count} of this Hive's links are at {name}",
            hint="`mosaic link list` shows them; `mosaic link move NAME --to GATEWAY` has another gateway carry one",
        )


class TooManyGateways(Refused):
    """The Hive uses as many as it can."""

    code = "gateways-too-many"

    def __init__(self) -> None:
        super().__init__(
            f"this Hive uses {MOST_GATEWAYS} gateways, and that is the most",
            hint="remove one first: `mosaic link gateway remove NAME`",
        )


async def list_gateways(hive: Hive) -> list[LinkGateway]:
    """Return them, the first that was added first."""
    return [_shown(hive, one) for one in await hive.read(gateways.every)]


async def add_gateway(hive: Hive, who: AccountId, wish: AddGateway) -> LinkGateway:
    """Use a gateway, and ask it who it is. One that does not let this Hive in yet is kept, and says so.

    Raises:
        GatewaysNotYours, TooManyGateways, GatewayAddressUnusable.
        GatewayUntrusted: nobody vouches for its certificate, or it is another one.
        GatewaySilent: nothing answers there, and it was not used before.
    """
    # Imported here: an HTTP client takes memory, and most Hives never ask a gateway.
    from mosaic.adapters import gateway_client

    await hive.read(lambda tx: _require_owner(tx, who))
    url, fingerprint = gateway_client.checked_address(wish.url), wish.fingerprint
    known = await hive.read(lambda tx: gateways.by_url(tx, url))
    gateway = known or Gateway(new_id(), url, hive.clock.wall_ns())
    if fingerprint is not None:
        certificate = await in_own_thread(lambda: gateway_client.pinned_certificate(url, fingerprint))
        pinned = gateway_client.fingerprint_of(certificate)
        gateway = Gateway(gateway.id, url, gateway.added_ns, pinned, certificate, gateway.about)
    elif gateway.certificate is None:
        await in_own_thread(lambda: gateway_client.require_trusted(url))
    asked = await _asked(hive, gateway)

    def write(tx: Tx) -> None:
        _require_owner(tx, who)
        if len(gateways.every(tx)) >= MOST_GATEWAYS and gateways.get(tx, asked.id) is None:
            raise TooManyGateways
        gateways.put(tx, asked)

    await hive.write(write)
    hive.links.ask_again(asked.id)
    return _shown(hive, asked)


async def remove_gateway(hive: Hive, who: AccountId, name: str) -> None:
    """Use a gateway no more. Raises GatewaysNotYours, GatewayUnknown, GatewayInUse."""

    def change(tx: Tx) -> str:
        _require_owner(tx, who)
        found = next((one for one in gateways.every(tx) if name in (one.id, one.name, one.url)), None)
        if found is None:
            raise GatewayUnknown(name)
        count = gateways.count_links(tx, found.id)
        if count:
            raise GatewayInUse(found.name, count)
        for push in link_pushes.of_gateway(tx, found.id):
            # Of links that left it: it has been told, or it does not answer and is not waited for.
            link_pushes.forget(tx, push)
            if not link_pushes.of_link(tx, push.link):
                links.forget(tx, push.link)
        gateways.remove(tx, found.id)
        return found.id

    hive.links.forget(await hive.write(change))


async def _asked(hive: Hive, gateway: Gateway) -> Gateway:
    """Return the gateway with what it says of itself, or why it does not let this Hive in."""
    about, problem = gateway.about, ""
    try:
        about = await asking.answered(gateway, lambda: asking.about(hive, gateway))
        if not about.domains:
            problem = "it lets this Hive in, and gives it no domain"
    except Unavailable:
        raise
    except MosaicError as error:
        about, problem = None, error.message
    return Gateway(gateway.id, gateway.url, gateway.added_ns, gateway.fingerprint, gateway.certificate, about, problem)


def _shown(hive: Hive, gateway: Gateway) -> LinkGateway:
    return LinkGateway(gateway.id, gateway.name, gateway.url, hive.key.public, gateway.about, gateway.problem)


def _require_owner(tx: Tx, who: AccountId) -> None:
    if not accounts.is_first(tx, who):
        raise GatewaysNotYours
