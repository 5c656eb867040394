"""Telling the service manager that a service is ready (sd_notify's protocol): what waits for it may start now."""

import contextlib
import os
import socket

_VARIABLE = "NOTIFY_SOCKET"


def tell_ready() -> None:
    """Say that the service is ready, where somebody wants to know. Said once; processes started later don't say it."""
    address = os.environ.pop(_VARIABLE, "")
    if not address:
        return
    path = "\0" + address[1:] if address.startswith("@") else address
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.sendto(b"READY=1", path)
