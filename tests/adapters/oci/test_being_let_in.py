"""Logins and tokens: asked for once, kept while they are good, and shown to nobody else."""

import base64
import json
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from mosaic.adapters.oci.credentials import Login, NoCredentials
from mosaic.adapters.oci.failures import RegistryRefused, RegistryUnreadable, RegistryUntrusted
from mosaic.adapters.oci.hosts import Trusts
from mosaic.adapters.oci.registry import Registry
from mosaic.core.oci_types import OCI_MANIFEST, Descriptor, digest_of
from mosaic.crypto import ca
from support.manual_clock import ManualClock
from support.opens_registries import Opens
from support.registry_server import PASSWORD, USERNAME, registry_server
from support.scripted_registry import Reply, Request, ScriptedRegistry, scripted_registry

LOGIN = Login("somebody", "the-secret-password")
BASIC = "Basic " + base64.b64encode(b"somebody:the-secret-password").decode()
MANIFEST = Reply(headers={"Content-Type": OCI_MANIFEST}, body=b"{}")
CONTENT = b"content"
BLOB = Descriptor("", digest_of(CONTENT), len(CONTENT))


@dataclass
class Logins:
    """Knows one login for every registry, and counts how often it was asked."""

    known: Login | None = LOGIN
    asked: list[str] = field(default_factory=list)

    def login(self, host: str) -> Login | None:
        self.asked.append(host)
        return self.known


@dataclass
class TokenRegistry:
    """Hands out tokens at /token to whom it lets in, and serves who has the newest of them for the right scope."""

    lets_in: str | None = BASIC
    lasts: int = 300
    given: list[tuple[str, list[str]]] = field(default_factory=list)
    server: ScriptedRegistry | None = None

    def __call__(self, request: Request) -> Reply:
        parts = urlsplit(request.path)
        if parts.path == "/token":
            return self._hand_out(request, parse_qs(parts.query))
        assert self.server is not None
        wanted = "pull,push" if request.method in ("POST", "PUT", "PATCH") else "pull"
        repository = parts.path.split("/")[2]
        for token, scopes in self.given:
            if request.headers.get("authorization") == f"Bearer {token}" and any(
                f"repository:{repository}:{wanted}" in scope or f"repository:{repository}:pull,push" in scope
                for scope in scopes
            ):
                return Reply(201) if request.method == "PUT" else MANIFEST
        challenge = f'Bearer realm="http://{self.server.host}/token",service="a registry",scope="ignored:me:pull"'
        return Reply(401, {"WWW-Authenticate": challenge}, b'{"errors":[]}')

    def _hand_out(self, request: Request, query: dict[str, list[str]]) -> Reply:
        if self.lets_in is not None and request.headers.get("authorization") != self.lets_in:
            return Reply(401)
        assert query["service"] == ["a registry"]
        token = f"token-{len(self.given)}"
        self.given.append((token, query["scope"]))
        return Reply(body=json.dumps({"token": token, "expires_in": self.lasts}).encode())


def authorizations(server: ScriptedRegistry) -> list[str | None]:
    return [request.headers.get("authorization") for request in server.asked]


@pytest.mark.registry
def test_a_real_registry_with_a_login_serves_who_has_it_and_says_what_to_type_to_others(tmp_path: Path) -> None:
    with registry_server(tmp_path, login=True) as server:
        with Registry(server.host, credentials=Logins(Login(USERNAME, PASSWORD))) as registry:
            pushed = registry.push_blob("private", CONTENT)
            assert registry.blob("private", pushed, most_bytes=100) == CONTENT
        for credentials in (NoCredentials(), Logins(Login(USERNAME, "another-password"))):
            with (
                Registry(server.host, credentials=credentials) as registry,
                pytest.raises(RegistryRefused, match=f"{server.host} refuses access to private") as refused,
            ):
                registry.blob("private", pushed, most_bytes=100)
            assert f"docker login {server.host}" in refused.value.hint
            assert "another-password" not in repr(refused.value)


def test_a_token_is_asked_for_once_per_repository_and_right_until_it_ends(opens: Opens, clock: ManualClock) -> None:
    answers = TokenRegistry()
    with scripted_registry(answers) as server:
        answers.server = server
        registry = opens(server.host, credentials=Logins())
        for _ in range(3):
            registry.manifest("a", "1")
        registry.manifest("b", "1")
        assert [scopes[0] for _, scopes in answers.given] == ["repository:a:pull", "repository:b:pull"]
        registry.push_manifest("a", b"{}", "application/vnd.oci.image.index.v1+json")
        assert answers.given[-1][1][0] == "repository:a:pull,push"
        clock.advance(301)
        registry.manifest("a", "1")
        assert len(answers.given) == 4


def test_a_token_that_ends_early_is_replaced_and_the_request_made_again(opens: Opens) -> None:
    answers = TokenRegistry()
    with scripted_registry(answers) as server:
        answers.server = server
        registry = opens(server.host, credentials=Logins())
        registry.manifest("a", "1")
        answers.given = [("revoked", scopes) for _, scopes in answers.given]
        assert registry.manifest("a", "1").content == b"{}"


def test_who_has_no_login_gets_a_token_for_everybody(opens: Opens) -> None:
    answers = TokenRegistry(lets_in=None)
    with scripted_registry(answers) as server:
        answers.server = server
        assert opens(server.host).manifest("a", "1").content == b"{}"
        assert authorizations(server) == [None, None, "Bearer token-0"]


def test_an_identity_token_is_exchanged_in_a_form_and_never_in_a_url(opens: Opens) -> None:
    def answer(request: Request) -> Reply:
        if request.path == "/token":
            form = dict(parse_qsl(request.content.decode()))
            assert form["grant_type"] == "refresh_token"
            assert form["scope"] == "repository:a:pull"
            return Reply(body=json.dumps({"access_token": form["refresh_token"] + "-exchanged"}).encode())
        if request.headers.get("authorization") == "Bearer the-identity-exchanged":
            return MANIFEST
        return Reply(401, {"WWW-Authenticate": f'Bearer realm="http://{server.host}/token"'})

    with scripted_registry(answer) as server:
        opens(server.host, credentials=Logins(Login(identity_token="the-identity"))).manifest("a", "1")
        assert all("the-identity" not in request.path for request in server.asked)


@pytest.mark.parametrize("challenge", ['Basic realm="r"', 'Bearer realm="http://{host}/token"'])
def test_a_registry_that_lets_nobody_in_is_asked_a_few_times_and_no_more(opens: Opens, challenge: str) -> None:
    def answer(request: Request) -> Reply:
        if request.path.startswith("/token"):
            return Reply(body=b'{"token": "no-good"}')
        return Reply(401, {"WWW-Authenticate": challenge.format(host=server.host)})

    with scripted_registry(answer) as server:
        registry = opens(server.host, credentials=Logins())
        for _ in range(2):
            with pytest.raises(RegistryRefused):
                registry.manifest("a", "1")
        assert len(server.asked) <= 6


@pytest.mark.parametrize(
    ("challenge", "reply"),
    [
        ("Negotiate", MANIFEST),
        ("", MANIFEST),
        ('Bearer realm="nowhere"', MANIFEST),
        ('Bearer realm="http://{host}/token"', Reply(body=b"<html>")),
        ('Bearer realm="http://{host}/token"', Reply(body=b'{"token": "with\\r\\nlines"}')),
    ],
)
def test_a_challenge_or_token_that_makes_no_sense_is_one_clear_error(
    opens: Opens, challenge: str, reply: Reply
) -> None:
    def answer(request: Request) -> Reply:
        if request.path.startswith("/token"):
            return reply
        return Reply(401, {"WWW-Authenticate": challenge.format(host=server.host)})

    with scripted_registry(answer) as server, pytest.raises(RegistryUnreadable):
        opens(server.host).manifest("a", "1")


def test_a_redirect_to_another_host_carries_no_login_and_the_range_all_the_same(opens: Opens, into: Path) -> None:
    into.with_name("blob.part").write_bytes(CONTENT[:3])
    rest = Reply(206, {"Content-Range": f"bytes 3-{len(CONTENT) - 1}/{len(CONTENT)}"}, CONTENT[3:])
    with scripted_registry(lambda _: rest) as elsewhere:

        def answer(request: Request) -> Reply:
            if request.headers.get("authorization") != BASIC:
                return Reply(401, {"WWW-Authenticate": 'Basic realm="r"'})
            return Reply(307, {"Location": f"http://{elsewhere.host}/blob?signature=x"})

        with scripted_registry(answer) as server:
            opens(server.host, credentials=Logins()).fetch_blob("a", BLOB, into)
        assert authorizations(elsewhere) == [None]
        assert elsewhere.asked[0].headers["range"] == "bytes=3-"
    assert into.read_bytes() == CONTENT


def test_what_was_led_elsewhere_stays_without_a_login_when_it_is_led_back(opens: Opens) -> None:
    def answer(request: Request) -> Reply:
        if request.path.startswith("/v2/a/"):
            if request.headers.get("authorization") != BASIC:
                return Reply(401, {"WWW-Authenticate": 'Basic realm="r"'})
            return Reply(302, {"Location": f"http://{elsewhere.host}/there"})
        return MANIFEST

    with (
        scripted_registry(lambda _: Reply(302, {"Location": f"http://{server.host}/back"})) as elsewhere,
        scripted_registry(answer) as server,
    ):
        opens(server.host, credentials=Logins()).manifest("a", "1")
        assert authorizations(server) == [None, BASIC, None]


def test_a_signed_address_that_has_ended_is_asked_for_anew(opens: Opens, into: Path) -> None:
    replies = iter([Reply(403), Reply(body=CONTENT)])
    with (
        scripted_registry(lambda _: next(replies)) as elsewhere,
        scripted_registry(lambda _: Reply(307, {"Location": f"http://{elsewhere.host}/blob"})) as server,
    ):
        opens(server.host).fetch_blob("a", BLOB, into)
        assert len(server.asked) == 2
    assert into.read_bytes() == CONTENT


def test_an_upload_that_goes_on_at_another_host_carries_no_login_there(opens: Opens) -> None:
    with scripted_registry(lambda _: Reply(201)) as elsewhere:

        def answer(request: Request) -> Reply:
            if request.headers.get("authorization") != BASIC:
                return Reply(401, {"WWW-Authenticate": 'Basic realm="r"'})
            if request.method == "HEAD":
                return Reply(404)
            return Reply(202, {"Location": f"http://{elsewhere.host}/upload?state=1"})

        with scripted_registry(answer) as server:
            opens(server.host, credentials=Logins()).push_blob("a", CONTENT)
        assert authorizations(elsewhere) == [None]
        assert elsewhere.asked[0].content == CONTENT
        assert elsewhere.asked[0].path.startswith("/upload?state=1&digest=sha256%3A")


def test_threads_share_a_token_and_each_gets_its_own_answer(opens: Opens) -> None:
    answers = TokenRegistry()
    with scripted_registry(answers) as server:
        answers.server = server
        registry = opens(server.host, credentials=Logins())
        registry.manifest("a", "1")
        with ThreadPoolExecutor(8) as pool:
            assert {found.content for found in pool.map(lambda _: registry.manifest("a", "1"), range(40))} == {b"{}"}
        assert len(answers.given) == 1


class _OnePage(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", OCI_MANIFEST)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


def test_a_certificate_counts_only_when_its_authority_is_trusted(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    authority = ca.make_ca("a registry's own", now)
    issued = ca.issue(authority, ["localhost", "127.0.0.1"], now)
    (tmp_path / "cert.pem").write_text(issued.certificate_pem)
    (tmp_path / "key.pem").write_text(issued.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with HTTPServer(("127.0.0.1", 0), _OnePage) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign] # a client that trusts nobody hangs up
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        host = f"127.0.0.1:{server.server_address[1]}"
        trusted = Registry(host, credentials=NoCredentials(), trusts=Trusts(authority.certificate_pem))
        other = Trusts(ca.make_ca("somebody else's", now).certificate_pem)
        with trusted, Registry(host, credentials=NoCredentials(), trusts=other) as doubted:
            assert trusted.manifest("a", "1").content == b"{}"
            with pytest.raises(RegistryUntrusted, match=host):
                doubted.manifest("a", "1")
        server.shutdown()
        thread.join(60)
