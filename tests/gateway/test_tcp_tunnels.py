"""A gateway's tunnels by TCP, and what a link hears through them of its registration."""

import pytest

from mosaic.adapters.loop_thread import LoopThread
from mosaic.adapters.tcp_tunnel.client import Probe
from mosaic.adapters.tcp_tunnel.server import listen
from mosaic.gateway.carrying.tunnels import TcpTunnels
from mosaic.gateway.parts import Tunnel
from mosaic.wire.links import Peer, Registered
from support.tcp_link import TcpLink
from support.waiting import eventually

NAME, KEY = "5e55", "07" * 32


@pytest.mark.parametrize(("answer", "heard"), [(200, Probe.NEWEST), (404, Probe.NEWEST), (409, Probe.SUPERSEDED)])
def test_a_link_is_ended_by_nothing_but_another_that_took_its_place(answer: int, heard: Probe) -> None:
    with listen("127.0.0.1", 0) as listener, LoopThread("tunnels") as loop, LoopThread("link") as home:
        tunnels = TcpTunnels(listener, loop)
        tunnels.answer_by(lambda _: answer)
        tunnels.put({NAME: Tunnel("127.70.1.1", KEY)})
        peer = Peer("one", "10.100.0.1", "127.0.0.1:443", tunnel=[f"tcp://127.0.0.1:{listener.getsockname()[1]}"])
        link = TcpLink(Registered(NAME, "127.70.1.1", [], [peer], tunnel_key=KEY), home)
        eventually(lambda: link.probes)
        assert set(link.probes) == {heard}
