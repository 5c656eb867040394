"""Each way in which an S3 store can fail is one clear error, from a server that fails so."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mosaic.adapters.blobs import ObjectDamaged, ObjectMissing, StoreFull, StoreUnavailable
from mosaic.adapters.s3.blobs import S3Blobs, S3Store
from mosaic.adapters.s3.bucket import S3Bucket
from mosaic.adapters.s3.failures import BucketMissing, ClockDiffers, CredentialsRefused, StoreRefused
from mosaic.adapters.s3.location import S3Location
from mosaic.adapters.s3.self_test import Conditions
from mosaic.core.errors import MosaicError
from mosaic.core.ids import VolumeId
from mosaic.crypto import ca
from support.s3_servers import CREDENTIALS

CREATE_ONLY = Conditions(create_only=True, compare_and_swap=False)


@contextlib.contextmanager
def server(*answers: bytes, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve one answer a connection, the last one again and again; an empty one is never given.

    The answers say that the connection ends: a client that kept it for its next request would lose that one.
    """
    kept: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            rest = list(answers)
            while True:
                try:
                    connection = listening.accept()[0]
                except OSError:
                    return
                kept.append(connection)
                answer = rest.pop(0) if len(rest) > 1 else rest[0]
                # A client may also go away without asking, when it does not trust the certificate.
                with contextlib.suppress(OSError):
                    if answer:
                        connection = tls.wrap_socket(connection, server_side=True) if tls else connection
                        connection.recv(65536)
                        connection.sendall(answer)
                        connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"{'https' if tls else 'http'}://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(60)
    for connection in kept:
        connection.close()


def opened(
    endpoint: str, *, deadline_seconds: float = 0.0, silent_seconds: float = 5.0, ca_pem: str | None = None
) -> S3Store:
    location = S3Location(endpoint, "mosaic", ca_pem=ca_pem)
    bucket = S3Bucket(location, CREDENTIALS, deadline_seconds=deadline_seconds, silent_seconds=silent_seconds)
    return S3Blobs(bucket, CREATE_ONLY).volume(VolumeId("ab" * 32))


def refusal(status: int, code: str) -> bytes:
    body = f"<Error><Code>{code}</Code><AWSAccessKeyId>{CREDENTIALS.access_key_id}</AWSAccessKeyId></Error>".encode()
    return b"HTTP/1.1 %d No\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


def whole(body: bytes, *, length: int | None = None) -> bytes:
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (length or len(body), body)


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (403, "InvalidAccessKeyId", CredentialsRefused),
        (401, "Unauthorized", CredentialsRefused),
        (403, "RequestTimeTooSkewed", ClockDiffers),
        (403, "QuotaExceeded", StoreFull),
        (507, "", StoreFull),
        (404, "NoSuchBucket", BucketMissing),
        (404, "NoSuchKey", ObjectMissing),
        (416, "InvalidRange", ObjectDamaged),
        (400, "AuthorizationHeaderMalformed", StoreRefused),
        (301, "PermanentRedirect", StoreRefused),
        (400, "EntityTooLarge", StoreRefused),
        (500, "InternalError", StoreUnavailable),
        (503, "SlowDown", StoreUnavailable),
        (429, "TooManyRequests", StoreUnavailable),
    ],
)
def test_each_answer_is_one_error_with_a_hint_and_without_the_key(
    status: int, code: str, error: type[MosaicError]
) -> None:
    with server(refusal(status, code)) as endpoint, pytest.raises(error) as refused:
        opened(endpoint).get_range("p-1", 0, 1)
    assert type(refused.value) is error
    assert refused.value.hint
    assert refused.value.__context__ is None
    assert CREDENTIALS.access_key_id not in repr(refused.value)


def test_a_wrong_region_is_named() -> None:
    for answer in (refusal(400, "AuthorizationHeaderMalformed"), refusal(301, "PermanentRedirect")):
        with server(answer) as endpoint, pytest.raises(StoreRefused) as refused:
            opened(endpoint).put("p-1", b"one")
        assert "region" in refused.value.hint


def test_a_silent_server_is_unavailable_within_the_deadline() -> None:
    with server(b"") as endpoint:
        store = opened(endpoint, silent_seconds=0.2)
        started = time.monotonic()
        for verb in (lambda: store.get("p-1"), lambda: store.get_range("p-1", 0, 9), lambda: list(store.list(""))):
            with pytest.raises(StoreUnavailable, match="silent for too long"):
                verb()
        assert time.monotonic() - started < 30, "each was asked for a fifth of a second"


def test_a_store_without_a_name_or_a_certificate_to_trust_says_so() -> None:
    with pytest.raises(StoreUnavailable, match="name is not known"):
        opened("https://s3.mosaic.invalid").get("p-1")
    with server(refusal(200, "")) as endpoint, pytest.raises(StoreUnavailable, match="does not answer in HTTPS"):
        opened(endpoint.replace("http:", "https:")).get("p-1")


def test_an_authority_of_ones_own_is_trusted_where_it_is_named_alone(tmp_path: Path) -> None:
    authority = ca.make_ca("a store of one's own", datetime.now(UTC))
    issued = ca.issue(authority, ["127.0.0.1"], datetime.now(UTC))
    (tmp_path / "both.pem").write_text(issued.certificate_pem + issued.key_pem)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "both.pem")
    with server(whole(b"one"), tls=tls) as endpoint:
        with pytest.raises(StoreUnavailable, match="certificate is not trusted"):
            opened(endpoint).get("p-1")
        assert opened(endpoint, ca_pem=authority.certificate_pem).get("p-1") == b"one"


def test_half_an_object_is_never_returned() -> None:
    with server(whole(b"half", length=8)) as endpoint, pytest.raises(StoreUnavailable, match="in the middle"):
        opened(endpoint).get("p-1")


def test_what_is_longer_than_any_object_is_damaged_and_not_read() -> None:
    with server(whole(b"the beginning", length=2**32)) as endpoint, pytest.raises(ObjectDamaged, match="no object has"):
        opened(endpoint).get("h-1")


def test_a_range_from_a_server_that_knows_none_is_cut_here() -> None:
    with server(whole(b"0123456789")) as endpoint:
        assert opened(endpoint).get_range("p-1", 3, 4) == b"3456"


def test_what_a_busy_server_refused_is_tried_again() -> None:
    with server(refusal(503, "SlowDown"), whole(b"half", length=8), whole(b"all of it")) as endpoint:
        assert opened(endpoint, deadline_seconds=60).get("p-1") == b"all of it"


def test_a_write_whose_reply_was_lost_is_a_success() -> None:
    with server(refusal(500, "InternalError"), refusal(412, "PreconditionFailed"), whole(b"one")) as endpoint:
        opened(endpoint, deadline_seconds=60).put("p-1", b"one")


def test_a_name_that_was_refused_and_is_not_taken_is_worth_another_try() -> None:
    conflict = refusal(409, "ConditionalRequestConflict")
    with (
        server(conflict, refusal(404, "NoSuchKey")) as endpoint,
        pytest.raises(StoreUnavailable, match="does not have it"),
    ):
        opened(endpoint).put("p-1", b"one")


def test_a_closed_bucket_asks_nothing_any_more() -> None:
    bucket = S3Bucket(S3Location("http://127.0.0.1:1", "mosaic"), CREDENTIALS)
    bucket.close()
    with pytest.raises(StoreUnavailable, match="closed here"):
        bucket.read("key")
