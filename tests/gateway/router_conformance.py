"""What every Router of a gateway must do, against real sockets.

A Router's tests subclass `RouterConformance` and give it a fixture `doors`
(support.router_world.Doors): a Router that runs with its usual limits. It may be
one for many tests: each makes names, tunnel addresses and sources of its own.
"""

from gateway.router_limits import LimitsConformance
from gateway.router_plain import PlainConformance
from gateway.router_routes import RoutesConformance
from gateway.router_streams import StreamsConformance


class RouterConformance(RoutesConformance, StreamsConformance, PlainConformance, LimitsConformance):
    """The obligations of `mosaic.gateway.router.Router`, one test each."""
