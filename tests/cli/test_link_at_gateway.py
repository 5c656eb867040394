"""A Hive and a gateway as they are, together: from the owner's word to a route, and from his taking it back to none."""

from pathlib import Path

import pytest

from mosaic.adapters.sql.gateway import hives
from mosaic.core.ids import LinkId
from mosaic.crypto import link_tokens
from mosaic.wire.link_api import AddGateway, LinkGateway
from mosaic.wire.links import DesiredLink
from support.gateway_world import MadeLink, Refusal, RunningGateway, Session, config_of, running_gateway
from support.link_world import link_world
from support.waiting import eventually

BASE = "homes.example.net"


def test_what_an_owner_wants_of_a_link_is_what_the_gateway_lets_in(tmp_path: Path) -> None:
    with link_world(tmp_path) as world, running_gateway(config_of(tmp_path), world.clock) as gateway:
        with world.owner.client() as client:
            client.order("DELETE", "/api/link-gateways/gw")
            stranger = client.send("POST", "/api/link-gateways", AddGateway(gateway.url), LinkGateway)
            assert stranger.about is None, stranger
            with gateway.running.database.write() as tx:
                hives.allow(tx, stranger.hive_key, (BASE,), vouches=True, now_ns=world.clock.wall_ns())
            known = client.send("POST", "/api/link-gateways", AddGateway(gateway.url), LinkGateway)
            assert known.about is not None and known.about.domains == [BASE]
        world.write_txt("notes.example.com")
        link = world.add("notes.example.com", label="brave-otter")
        eventually(lambda: world.link().token_known and world.link().gateways[0].taken)
        token = str(link_tokens.derive(world.device.root, LinkId(link.id), 1))
        epoch = world.owner.installation().epoch
        made = MadeLink(DesiredLink(0, "ada", [], []), "")
        session = Session(made, token, epoch=epoch)
        given = session.register(gateway, f"notes.brave-otter.{BASE}")
        assert set(given.names) == {f"notes.brave-otter.{BASE}", "notes.example.com"}
        world.look(seconds=61)
        standing = world.link().gateways[0].standing
        assert standing is not None and standing.registered and standing.epoch == epoch
        world.rotate(now=True)
        eventually(lambda: world.link().token == 2 and world.link().token_known and world.link().gateways[0].taken)
        with pytest.raises(Refusal) as refused:
            session.register(gateway)
        assert refused.value.code == "link-token-unknown"
        session.token = str(link_tokens.derive(world.device.root, LinkId(link.id), 2))
        session.register(gateway)
        world.remove()
        eventually(lambda: _is_unknown(session, gateway))


def _is_unknown(session: Session, gateway: RunningGateway) -> bool:
    try:
        session.register(gateway)
    except Refusal as error:
        return error.code == "link-token-unknown"
    return False
