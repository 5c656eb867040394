"""Having nobody start this Device again once it has ended: it was removed, or another process took its place.

The engine and systemd would try for ever. A supervisor knows the code that it ends with.
"""

import os
from contextlib import suppress

from mosaic.adapters import process
from mosaic.cli.up import install, systemd
from mosaic.cli.up.device_contained import is_contained
from mosaic.core.device_container import ENGINE_SOCKET
from mosaic.core.errors import MosaicError

_SYSTEMCTL_SECONDS = 30.0


def stay_ended() -> None:
    """Tell whoever runs this process. Call it last, for systemd may end us; what cannot be told is told the next time.

    With the machine the unit is started again, and ends in the same way.
    """
    with suppress(MosaicError):
        if is_contained():
            _by_engine()
        elif install.has_systemd():
            _by_systemd()


def _by_engine() -> None:
    from mosaic.adapters.docker.api import Api
    from mosaic.adapters.docker.own_container import own_container, stay_ended

    engine = Api(f"unix://{ENGINE_SOCKET}")
    stay_ended(engine, own_container(engine))


def _by_systemd() -> None:
    words = ["systemctl", "show", "--property", "MainPID", "--value", systemd.DEVICE]
    if process.attempt(words, deadline_seconds=_SYSTEMCTL_SECONDS).text.strip() != str(os.getpid()):
        return
    # The path unit as well: the identity is still there, so it would start the Device at once.
    words = ["systemctl", "stop", "--no-block", *systemd.PATHS, systemd.DEVICE]
    process.attempt(words, deadline_seconds=_SYSTEMCTL_SECONDS)
