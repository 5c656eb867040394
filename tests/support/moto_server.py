"""moto's S3 server on loopback: `moto_server.py PORT`.

Requests are carried out one after another, since moto itself looks first and
writes then. A bucket named `no-conditions` answers conditional writes like the
stores that do not know them.
"""

import sys
import threading
from collections.abc import Callable, Iterable

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

_UNKNOWN = b"<Error><Code>NotImplemented</Code><Message>A header you gave is not known.</Message></Error>"


def one_by_one(answer: Callable[..., Iterable[bytes]]) -> Callable[..., list[bytes]]:
    lock = threading.Lock()

    def app(request: dict[str, object], start: Callable[..., object]) -> list[bytes]:
        conditional = "HTTP_IF_NONE_MATCH" in request or "HTTP_IF_MATCH" in request
        if conditional and str(request["PATH_INFO"]).startswith("/no-conditions/"):
            start("501 Not Implemented", [("Content-Length", str(len(_UNKNOWN)))])
            return [_UNKNOWN]
        with lock:
            return list(answer(request, start))

    return app


if __name__ == "__main__":
    run_simple(
        "127.0.0.1", int(sys.argv[1]), one_by_one(DomainDispatcherApplication(create_backend_app)), threaded=True
    )
