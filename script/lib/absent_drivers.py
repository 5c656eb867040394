"""Answer for volume drivers of tests that ended without tidying up, while the Docker engine starts.

    absent_drivers.py NAME…     until SIGTERM, or until who started it ends

An engine remembers volumes for ever, and when it starts it asks the driver of
each, one after another, for 15 seconds where nobody answers: a few interrupted
runs add up to minutes. This says at once that there is no such volume, and the
engine forgets it. Python's own library alone: nothing may be installed yet.
"""

import ctypes
import json
import os
import signal
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

SOCKETS = Path("/run/docker/plugins")
PR_SET_PDEATHSIG = 1  # from <linux/prctl.h>


class Absent(BaseHTTPRequestHandler):
    """A driver that has no volumes."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer one request of the engine."""
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        known = {
            "/Plugin.Activate": {"Implements": ["VolumeDriver"]},
            "/VolumeDriver.Capabilities": {"Capabilities": {"Scope": "local"}},
            "/VolumeDriver.List": {"Volumes": [], "Err": ""},
        }
        body = json.dumps(known.get(self.path, {"Err": "no such volume"})).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def address_string(self) -> str:
        """Return a name for the peer, which a UNIX socket does not give."""
        return "unix"


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """A thread for each connection, which does not hold up the end."""

    daemon_threads = True
    block_on_close = False


def main() -> None:
    """Listen for every name that nobody answers for, until told to stop."""
    SOCKETS.mkdir(mode=0o755, parents=True, exist_ok=True)
    paths = [SOCKETS / f"{name}.sock" for name in sys.argv[1:]]
    for path in paths:
        path.unlink(missing_ok=True)
        threading.Thread(target=Server(str(path), Absent).serve_forever, daemon=True).start()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    for path in paths:
        path.unlink(missing_ok=True)


# Blocked before the threads begin, so that only the wait above sees them.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
# A set-up that fails or is killed would leave this behind, in the place of real drivers and with its terminal.
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
if os.getppid() != 1:
    main()
