"""Ports of a tunnel address, which in TCP mode are the gateway's own loopback."""

from mosaic.core.link_routes import CHALLENGE_PORT, TLS_PORT
from mosaic.core.raw_ports import INNER_PORTS
from mosaic.device.front import FIRST_PORT, FIRST_SECURE_PORT, LAST_PORT, LAST_SECURE_PORT
from mosaic.gateway.carrying.own_caddy import CADDY_TLS_PORT


def test_a_device_and_a_gateway_on_one_machine_take_no_port_from_each_other() -> None:
    of_tunnels = {TLS_PORT, CHALLENGE_PORT, CADDY_TLS_PORT, *INNER_PORTS}
    of_front = {*range(FIRST_PORT, LAST_PORT + 1), *range(FIRST_SECURE_PORT, LAST_SECURE_PORT + 1)}
    assert len(of_tunnels) == 3 + len(INNER_PORTS)
    assert not of_tunnels & of_front
