"""The gateway that runs beside this Hive: used from the first start, without its owner's asking."""

from pathlib import Path

from mosaic.adapters import log
from mosaic.adapters.sql import gateways
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.gateways import Gateway
from mosaic.core.errors import MosaicError, Refused
from mosaic.crypto.tokens import new_id
from mosaic.hive.config import OwnGateway
from mosaic.hive.runtime import Hive


class GatewayRootUnreadable(Refused):
    """The file that says whom to trust at the gateway is not there, or no certificate."""

    code = "gateway-root-unreadable"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path} has no certificate to trust the gateway by: {reason}",
            hint="give a PEM file with `--gateway-root`, or leave it away for the public authorities",
        )


async def have(hive: Hive) -> None:
    """Use the Hive's own gateway, if it was told one. Whoever removed it from the list has it there again."""
    own = hive.config.own_gateway
    if own is None:
        return
    try:
        known = await hive.in_thread(lambda: _known(own))
    except MosaicError as error:
        # A gateway is no reason for a Hive not to run.
        log.warning("own_gateway_not_used", code=error.code, reason=error.message)
        return
    url, certificate, fingerprint = known

    def write(tx: Tx) -> None:
        found = gateways.by_url(tx, url)
        if found is not None and found.certificate == certificate:
            return
        added_ns, about = (found.added_ns, found.about) if found else (hive.clock.wall_ns(), None)
        gateways.put(tx, Gateway(found.id if found else new_id(), url, added_ns, fingerprint, certificate, about))

    await hive.write(write)


def _known(own: OwnGateway) -> tuple[str, str | None, str | None]:
    """Return its address in its one spelling, and the certificate to trust there with its fingerprint."""
    # Imported here: an HTTP client takes memory, and most Hives never ask a gateway.
    from mosaic.adapters import gateway_client

    url = gateway_client.checked_address(own.url)
    if own.root is None:
        return url, None, None
    try:
        text = own.root.read_text()
        return url, text, gateway_client.fingerprint_of(text)
    except (OSError, ValueError) as error:
        raise GatewayRootUnreadable(own.root, str(error)) from None
