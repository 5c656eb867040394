"""A link's configuration, in a real Caddy: who visits, what passes, what is refused."""

import json
import ssl
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.adapters import caddy, caddy_link
from mosaic.adapters.caddy_link import CHECK_PATH, Certificates, Place, Serving
from mosaic.core.expose import Exposed, parse
from mosaic.core.link_guards import BasicUser, ForwardAuth, Guards
from support.link_sites import STRANGER, AskedApp, Site, a_place, ask_on, asked_app, running_site
from support.unshared import free_port
from support.waiting import eventually

NAME = "chat.example.org"
OTHER = "files.example.org"
SESSION = "5e55" * 8
# `hiccup`, by bcrypt with the least cost.
HASH = "$2b$04$JcRiUtyu2zPEWj35Ls5YsuS/ZqP4.6epmPpP.38Xse.THr.1Uxmoi"

pytestmark = pytest.mark.long


def configured(folder: Path, place: Place, serving: Serving, names: tuple[str, ...] = (NAME,)) -> caddy.Json:
    certificates = Certificates(folder / "data", tls="internal")
    return caddy_link.link(folder / "admin.sock", place, names, serving, certificates, session=SESSION)


def exposing(app: AskedApp) -> Exposed:
    return parse(f"127.0.0.1:{app.port}")


def ready(site: Site, name: str = NAME) -> Site:
    """Wait until it has a certificate for a name."""
    eventually(lambda: site.serial(name), seen=(site.folder / "caddy.log").read_text)
    return site


def test_the_app_is_told_who_visits_as_the_gateway_said(tmp_path: Path) -> None:
    place = a_place()
    with asked_app() as app, running_site(tmp_path, place, configured(tmp_path, place, Serving(exposing(app)))) as site:
        answer = ready(site).ask(NAME, "/page?x=1", headers={"X-Forwarded-For": "203.0.113.66"})
    assert answer.status == 200
    assert json.loads(answer.body)["path"] == "/page?x=1"
    assert answer.told("X-Forwarded-For") == "192.0.2.44"
    assert (answer.told("X-Forwarded-Proto"), answer.told("Host")) == ("https", NAME)
    assert "Alt-Svc" not in answer.headers


def test_who_is_no_gateway_cannot_say_that_somebody_else_visits(tmp_path: Path) -> None:
    place = a_place()
    with asked_app() as app, running_site(tmp_path, place, configured(tmp_path, place, Serving(exposing(app)))) as site:
        ready(site)
        with pytest.raises(OSError):
            site.ask(NAME, source=STRANGER)
        with pytest.raises(OSError):
            site.ask_plain(NAME, source=STRANGER)
        # Without such a header it is itself, and nobody else.
        assert site.ask(NAME, visitor=None, source=STRANGER).told("X-Forwarded-For") == STRANGER
        assert len(app.asked) == 1


def test_plain_requests_are_led_to_https(tmp_path: Path) -> None:
    place = a_place()
    with asked_app() as app, running_site(tmp_path, place, configured(tmp_path, place, Serving(exposing(app)))) as site:
        answer = site.ask_plain(NAME, "/page?x=1")
        assert (answer.status, answer.headers["Location"]) == (308, f"https://{NAME}/page?x=1")
        assert app.asked == []


def test_http_2_is_spoken_and_a_name_that_is_not_the_links_is_shown_no_certificate(tmp_path: Path) -> None:
    place = a_place()
    with asked_app() as app, running_site(tmp_path, place, configured(tmp_path, place, Serving(exposing(app)))) as site:
        with ready(site).secure(NAME, alpn="h2") as line:
            assert line.selected_alpn_protocol() == "h2"
            line.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + bytes([4, 0]) + bytes(4))
            settings = line.recv(9)
            assert settings[3] == 4
        with pytest.raises(ssl.SSLError):
            site.secure("other.example.org")


def test_events_come_as_they_are_told(tmp_path: Path) -> None:
    place = a_place()
    with (
        asked_app() as app,
        running_site(tmp_path, place, configured(tmp_path, place, Serving(exposing(app)))) as site,
        ready(site).secure(NAME) as line,
    ):
        line.sendall(f"GET /events HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
        said = b""
        while b"first" not in said:
            piece = line.recv(4096)
            assert piece
            said += piece
        assert b"second" not in said
        app.told.set()
        while b"second" not in said:
            piece = line.recv(4096)
            assert piece
            said += piece


def test_a_websocket_outlives_another_name_of_the_link(tmp_path: Path) -> None:
    place = a_place()
    with (
        asked_app() as app,
        running_site(tmp_path, place, configured(tmp_path, place, Serving(exposing(app)))) as site,
        ready(site).secure(NAME) as line,
    ):
        line.sendall(
            f"GET /socket HTTP/1.1\r\nHost: {NAME}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert b"101 Switching Protocols" in line.recv(4096)
        site.load(configured(tmp_path, place, Serving(exposing(app)), (NAME, OTHER)))
        ready(site, OTHER)
        line.sendall(b"hello")
        assert line.recv(5) == b"hello"


def test_each_name_and_path_leads_to_its_service(tmp_path: Path) -> None:
    place = a_place()
    with asked_app() as web, asked_app() as api, asked_app() as files:
        exposed = parse(
            f"127.0.0.1:{web.port}, /api=127.0.0.1:{api.port}, {OTHER}=http://127.0.0.1:{files.port}",
        )
        with running_site(tmp_path, place, configured(tmp_path, place, Serving(exposed), (NAME, OTHER))) as site:
            ready(site, NAME)
            ready(site, OTHER)
            for name, path in (
                (NAME, "/"),
                (NAME, "/apis"),
                (NAME, "/api"),
                (NAME, "/api/x"),
                (OTHER, "/y"),
                (OTHER, "/api/z"),
            ):
                assert site.ask(name, path).status == 200
    assert (web.asked, api.asked, files.asked) == (["/", "/apis"], ["/api", "/api/x", "/api/z"], ["/y"])


def test_an_app_that_is_not_up_yet_is_said_to_be_away(tmp_path: Path) -> None:
    place = a_place()
    with asked_app() as gone:
        exposed = exposing(gone)
    with running_site(tmp_path, place, configured(tmp_path, place, Serving(exposed))) as site:
        answer = ready(site).ask(NAME)
        assert (answer.status, answer.headers["Retry-After"]) == (502, "5")
        assert "The app is away" in answer.body
        # The link itself is well, and says so.
        assert site.ask(NAME, CHECK_PATH).body == SESSION


def test_a_password_is_asked_for_everything_but_the_links_own_answer(tmp_path: Path) -> None:
    place, guards = a_place(), Guards(users=(BasicUser("ada", HASH),))
    with asked_app() as app:
        serving = Serving(exposing(app), guards)
        with running_site(tmp_path, place, configured(tmp_path, place, serving)) as site:
            refused = ready(site).ask(NAME, "/page")
            assert (refused.status, refused.headers["Www-Authenticate"][:5]) == (401, "Basic")
            assert site.ask(NAME, headers={"Authorization": "Basic YWRhOndyb25n"}).status == 401
            assert app.asked == []
            assert site.ask(NAME, headers={"Authorization": "Basic YWRhOmhpY2N1cA=="}).status == 200
            assert site.ask(NAME, CHECK_PATH).body == SESSION
            assert site.ask(NAME, f"{CHECK_PATH}/../../../page").status != 200


def test_only_visitors_of_the_list_come_and_the_gateways_word_counts(tmp_path: Path) -> None:
    place, guards = a_place(), Guards(allowed=("192.0.2.0/24",))
    with asked_app() as app:
        serving = Serving(exposing(app), guards)
        with running_site(tmp_path, place, configured(tmp_path, place, serving)) as site:
            assert ready(site).ask(NAME, visitor="192.0.2.9").status == 200
            assert site.ask(NAME, visitor="198.51.100.9").status == 403
            assert site.ask(NAME, visitor="198.51.100.9", headers={"X-Forwarded-For": "192.0.2.9"}).status == 403
            assert site.ask(NAME, CHECK_PATH, visitor="198.51.100.9").body == SESSION
            assert len(app.asked) == 1


def test_another_service_decides_and_says_who_it_is(tmp_path: Path) -> None:
    def decide(path: str) -> tuple[int, Mapping[str, str]]:
        if path.startswith("/oauth2/auth"):
            return (200, {"Remote-User": "ada"}) if decisions.pop() else (401, {})
        return 200, {}

    decisions: list[bool] = [True, True, False]
    place = a_place()
    with asked_app(decide) as gate, asked_app() as app:
        upstream = parse(f"127.0.0.1:{gate.port}").sites[0].upstream
        forward = ForwardAuth(
            upstream, "/oauth2/auth", ("Remote-User", "Remote-Email"), "/oauth2", "/oauth2/sign_in?rd={url}"
        )
        serving = Serving(exposing(app), Guards(forward=forward))
        with running_site(tmp_path, place, configured(tmp_path, place, serving)) as site:
            turned_away = ready(site).ask(NAME, "/page?a=1&b=2")
            assert turned_away.status == 302
            assert turned_away.headers["Location"] == f"/oauth2/sign_in?rd=https://{NAME}%2Fpage%3Fa%3D1%26b%3D2"
            assert app.asked == []
            let_in = site.ask(NAME, "/page", headers={"Remote-User": "root", "Remote-Email": "root@example.org"})
            assert (let_in.told("Remote-User"), let_in.told("Remote-Email")) == ("ada", None)
            # What the service is for itself is not asked about.
            assert site.ask(NAME, "/oauth2/callback?code=1").status == 200
            assert gate.asked == ["/oauth2/auth", "/oauth2/auth", "/oauth2/callback?code=1"]
            assert site.ask(NAME, CHECK_PATH).body == SESSION


def test_nobody_is_let_in_while_the_service_that_decides_is_away(tmp_path: Path) -> None:
    place = a_place()
    with asked_app() as gone:
        upstream = exposing(gone).sites[0].upstream
    with asked_app() as app:
        serving = Serving(exposing(app), Guards(forward=ForwardAuth(upstream, "/auth")))
        with running_site(tmp_path, place, configured(tmp_path, place, serving)) as site:
            assert ready(site).ask(NAME).status == 502
            assert app.asked == []


def test_on_the_lan_any_name_is_answered_in_the_clear(tmp_path: Path) -> None:
    place = a_place()
    with asked_app() as app:
        lan = caddy_link.lan(tmp_path / "admin.sock", Serving(exposing(app)), listen=f"127.0.0.1:{place.tls_port}")
        with running_site(tmp_path, place, lan) as site, site.connect(place.tls_port, visitor=None) as line:
            assert ask_on(line, "notes.localhost", "/x").status == 200
    assert app.asked == ["/x"]


def test_the_lan_is_served_beside_a_gateway_and_without_one_and_the_gateway_gets_nothing_in_the_clear(
    tmp_path: Path,
) -> None:
    place, port = a_place(), free_port()
    with asked_app() as app:
        serving = Serving(exposing(app), lan_port=port)
        for name, found in (
            ("idle", caddy_link.idle(tmp_path / "idle" / "admin.sock", serving)),
            ("link", configured(tmp_path / "link", place, serving)),
        ):
            (tmp_path / name).mkdir()
            with running_site(tmp_path / name, place, found) as site:
                with site.connect(port, visitor=None, source=STRANGER) as line:
                    assert ask_on(line, "notes.localhost", f"/{name}").status == 200
                if name == "link":
                    with site.connect(port, visitor=None) as line, pytest.raises(OSError):
                        ask_on(line, "notes.localhost", "/by-tunnel")
    assert app.asked == ["/idle", "/link"]


def test_on_the_lan_a_name_of_its_own_leads_where_it_says(tmp_path: Path) -> None:
    place = a_place()
    with asked_app() as app, asked_app() as files:
        serving = Serving(parse(f"127.0.0.1:{app.port}, files.localhost=127.0.0.1:{files.port}"))
        lan = caddy_link.lan(tmp_path / "admin.sock", serving, listen=f"127.0.0.1:{place.tls_port}")
        with running_site(tmp_path, place, lan) as site:
            for name in ("notes.localhost", "files.localhost"):
                with site.connect(place.tls_port, visitor=None) as line:
                    assert ask_on(line, name, f"/{name}").status == 200
    assert (app.asked, files.asked) == (["/notes.localhost"], ["/files.localhost"])


@given(st.lists(st.sampled_from([NAME, OTHER, "a.b"]), unique=True), st.booleans())
def test_nothing_listens_but_on_the_tunnel_and_nobody_is_believed_but_its_gateway(names: list[str], acme: bool) -> None:
    place = Place(("10.100.1.0", "fd00::1"), ("10.100.0.1/32", "10.100.0.2/32"))
    certificates = Certificates(Path("/data"), tls="acme" if acme else "internal")
    made = caddy_link.link(Path("/run/a.sock"), place, names, Serving(parse("a:1")), certificates, session=SESSION)
    text = caddy.write(made).decode()
    assert '"listen":"unix//run/a.sock|0600"' in text
    for server in json.loads(text)["apps"]["http"]["servers"].values():
        assert all(listen.startswith(("10.100.1.0:", "[fd00::1]:")) for listen in server["listen"])
        first = server["listener_wrappers"][0]
        assert (first["allow"], first["fallback_policy"]) == (["10.100.0.1/32", "10.100.0.2/32"], "reject")
    assert ("h3" in text, "on_demand" in text) == (False, False)


def test_a_link_without_a_gateway_to_believe_is_not_configured() -> None:
    with pytest.raises(ValueError, match="believe"):
        caddy_link.link(
            Path("/a"), Place(("10.0.0.1",), ()), [NAME], Serving(Exposed()), Certificates(Path("/d")), session=SESSION
        )
