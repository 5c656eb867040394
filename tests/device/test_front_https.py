"""HTTPS of the LAN front, with a real Caddy: what is certified, who may come, and what stands in its way."""

import http.client
import shutil
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import anyio
import pytest
from cryptography import x509

from mosaic.adapters.lan_interfaces import lan_interfaces
from mosaic.adapters.private_file import FileNotWritten
from mosaic.crypto import lan_authority
from mosaic.device import front
from mosaic.device.checks import check_front
from mosaic.device.config import DeviceConfig
from mosaic.device.front_authority import authority
from mosaic.device.front_folder import FrontFolder
from mosaic.device.records import Records
from support.fronts import OneFront, one_front
from support.visitors import App, app, asked, staying
from support.waiting import eventually

pytestmark = pytest.mark.long

LOOPBACK = "127.0.0.1"


@pytest.fixture
def web() -> Iterator[App]:
    with app() as made:
        yield made


@pytest.fixture
def one(tmp_path: Path) -> Iterator[OneFront]:
    with one_front(tmp_path / "state") as made:
        yield made


@pytest.fixture
def own_address() -> str:
    """Return an address of this machine that is not loopback: whoever comes to it comes from it."""
    found = lan_interfaces()
    if not found:
        pytest.skip("this machine has no network")
    return found[0].address


def secured(one: OneFront, host: str, *, sni: str = "", to: str = LOOPBACK) -> tuple[int, str]:
    """Ask once over TLS, trusting the front's root alone. `sni` is what the hello names, the host if not given."""
    trust = ssl.create_default_context(cafile=str(one.folder.authority / "root.crt"))
    port = one.secure_port
    assert port is not None
    with (
        socket.create_connection((to, port), timeout=60) as plain,
        trust.wrap_socket(plain, server_hostname=sni or host) as line,
    ):
        line.sendall(f"GET / HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        answer = http.client.HTTPResponse(line)
        answer.begin()
        return answer.status, answer.read().decode()


def has_certificate(one: OneFront, host: str) -> bool:
    """Whether the front shows one for the name. It is made with the configuration, a moment after it was taken."""
    try:
        secured(one, host)
    except ssl.SSLError:
        return False
    return True


@pytest.mark.engine
def test_each_app_has_https_by_the_devices_own_authority(one: OneFront, web: App) -> None:
    port = one.tell({"notes": web.port}, https=["https"])
    eventually(lambda: has_certificate(one, "notes.localhost"), seen=lambda: one.log)

    assert secured(one, "notes.localhost") == (200, f"page for notes.localhost:{one.secure_port}")
    assert asked(port, "notes.localhost")[0] == 200


@pytest.mark.engine
def test_a_closed_entrance_is_closed_over_https_as_well(one: OneFront, web: App) -> None:
    one.tell({"notes": web.port}, closed=["notes"], https=["https"])
    eventually(lambda: has_certificate(one, "notes.localhost"), seen=lambda: one.log)
    assert secured(one, "notes.localhost")[0] == 503


@pytest.mark.engine
def test_a_name_that_no_app_has_is_shown_no_certificate(one: OneFront, web: App) -> None:
    one.tell({"notes": web.port}, https=["https"])
    eventually(lambda: has_certificate(one, "notes.localhost"), seen=lambda: one.log)
    with pytest.raises(ssl.SSLError):
        secured(one, "other.localhost")


@pytest.mark.engine
def test_nothing_is_reached_from_the_network_before_an_app_is_opened(one: OneFront, web: App, own_address: str) -> None:
    one.tell({"notes": web.port}, https=["https"])
    eventually(lambda: has_certificate(one, "notes.localhost"), seen=lambda: one.log)
    with pytest.raises(ConnectionRefusedError):
        secured(one, "notes.localhost", to=own_address)


@pytest.mark.engine
def test_from_the_network_an_app_that_is_open_is_reached_and_no_other(
    one: OneFront, web: App, own_address: str
) -> None:
    one.tell({"notes": web.port, "blog": web.port}, https=["https", "open:notes=notes.local"])
    eventually(lambda: has_certificate(one, "notes.local"), seen=lambda: one.log)

    assert secured(one, "notes.local", to=own_address)[0] == 200
    # Neither by the names of this machine, nor by saying one name in the hello and another after it.
    for name in ("notes.localhost", "blog.localhost"):
        # Not even a certificate says that there is such an app.
        with pytest.raises(ssl.SSLError):
            secured(one, name, to=own_address)
        assert secured(one, name, sni="notes.local", to=own_address)[0] == 404
    assert secured(one, "blog.local", sni="notes.local", to=own_address)[0] == 404
    assert secured(one, "blog.localhost")[0] == 200


@pytest.mark.engine
def test_an_app_that_is_closed_again_is_refused_again(one: OneFront, web: App, own_address: str) -> None:
    one.tell({"notes": web.port}, https=["https", "open:notes=notes.local"])
    eventually(lambda: has_certificate(one, "notes.local"), seen=lambda: one.log)
    one.kill_device()
    port = one.secure_port
    one.tell({"notes": web.port}, https=["https"])

    assert one.secure_port == port
    with pytest.raises(ConnectionRefusedError):
        secured(one, "notes.local", to=own_address)


@pytest.mark.engine
def test_turning_https_on_and_an_app_open_interrupts_nobody(one: OneFront, web: App) -> None:
    port = one.tell({"notes": web.port})
    with staying(port, "notes.localhost", web) as stays:
        for words in (["https"], ["https", "open:notes=notes.local"], []):
            one.kill_device()
            assert one.tell({"notes": web.port}, https=words) == port
    assert stays.lost == [] and one.secure_port is None


@pytest.mark.engine
def test_the_root_is_given_to_this_machines_visitors(one: OneFront, web: App) -> None:
    port = one.tell({"notes": web.port}, https=["https"])
    status, root = asked(port, "localhost", "/mosaic-root.crt")
    assert (status, root) == (200, (one.folder.authority / "root.crt").read_text())
    # An app's own path of that name stays the app's.
    assert asked(port, "notes.localhost", "/mosaic-root.crt")[1] == f"page for notes.localhost:{port}"


@pytest.mark.engine
def test_https_goes_on_without_a_device_and_after_the_front_was_killed(one: OneFront, web: App) -> None:
    one.tell({"notes": web.port}, https=["https"])
    eventually(lambda: has_certificate(one, "notes.localhost"), seen=lambda: one.log)
    port = one.secure_port
    one.kill_device()
    one.kill()
    one.start()

    eventually(lambda: has_certificate(one, "notes.localhost"), seen=lambda: one.log)
    assert one.secure_port == port


@pytest.mark.engine
def test_a_secure_port_that_another_program_took_keeps_no_plain_name_from_answering(one: OneFront, web: App) -> None:
    port = one.tell({"notes": web.port}, https=["https"])
    taken = one.secure_port
    assert taken is not None
    one.kill_device()
    one.kill()
    with socket.create_server((LOOPBACK, taken)):
        one.start_again(port)
        assert asked(port, "notes.localhost")[0] == 200
        assert one.secure_port is None

        one.tell({"notes": web.port}, https=["https"])
        eventually(lambda: has_certificate(one, "notes.localhost"), seen=lambda: one.log)
        assert one.secure_port not in (None, taken)


@pytest.mark.engine
def test_an_authority_that_was_deleted_keeps_no_plain_name_from_answering_and_is_made_anew(
    one: OneFront, web: App
) -> None:
    port = one.tell({"notes": web.port}, https=["https"])
    before = (one.folder.authority / "root.crt").read_text()
    one.kill_device()
    one.kill()
    shutil.rmtree(one.folder.authority)
    one.start_again(port)
    assert asked(port, "notes.localhost")[0] == 200

    one.tell({"notes": web.port}, https=["https"])
    eventually(lambda: has_certificate(one, "notes.localhost"), seen=lambda: one.log)
    assert (one.folder.authority / "root.crt").read_text() != before


@pytest.mark.engine
def test_two_devices_of_one_machine_have_a_secure_port_each(tmp_path: Path, web: App) -> None:
    with one_front(tmp_path / "a") as one, one_front(tmp_path / "b") as other:
        for each in (one, other):
            each.begin_to_tell({"notes": web.port}, https=["https"])
        for each in (one, other):
            each.told()
            eventually(partial(has_certificate, each, "notes.localhost"), seen=lambda: one.log + other.log)
        assert one.secure_port != other.secure_port


@pytest.mark.engine
def test_an_authority_that_cannot_be_kept_leaves_plain_names_as_they_are(one: OneFront, web: App) -> None:
    # What a full disk does to whoever writes there.
    one.folder.authority.with_name("authority.new").write_text("")
    port = one.tell({"notes": web.port}, https=["https"])
    assert asked(port, "notes.localhost")[0] == 200
    assert one.secure_port is None and "front_without_https" in one.log


@pytest.mark.engine
def test_a_full_disk_leaves_plain_names_as_they_are(
    one: OneFront, web: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise FileNotWritten(one.folder.authority, "No space left on device")

    monkeypatch.setattr(front, "authority", refuse)
    with Records(tmp_path / "ledger") as records:
        config = DeviceConfig("attic", one.state, one.state / "s", front=one.layout.front)
        told = front.Front(config, records, lambda: {"notes": web.port}, secured=dict)
        anyio.run(told.refresh)
    assert told.port is not None and asked(told.port, "notes.localhost")[0] == 200
    assert "No space left" in told.secure_problem


def test_the_key_of_the_authority_is_for_root_alone_and_it_is_kept(tmp_path: Path) -> None:
    place = FrontFolder(tmp_path)
    now_ns = int(datetime(2027, 1, 1, tzinfo=UTC).timestamp() * 1e9)
    files, root = authority(place, "attic", now_ns)

    assert authority(place, "attic", now_ns) == (files, root)
    assert files.key.stat().st_mode & 0o777 == 0o600 and place.authority.stat().st_mode & 0o777 == 0o700


def test_an_authority_that_ends_within_the_year_is_replaced_under_another_name(tmp_path: Path) -> None:
    place = FrontFolder(tmp_path)
    begin = datetime(2027, 1, 1, tzinfo=UTC)
    early, late = (int((begin + timedelta(days=days)).timestamp() * 1e9) for days in (0, 3650 - 300))
    files, root = authority(place, "attic", early)
    again, another = authority(place, "attic", late)

    assert another != root and again.known_as != files.known_as


def test_the_authority_may_certify_no_name_of_the_public_dns_and_no_address() -> None:
    made = lan_authority.make("Mosaic on attic", datetime.now(UTC))
    for pem in (made.root_pem, made.intermediate_pem):
        certificate = x509.load_pem_x509_certificate(pem.encode())
        found = certificate.extensions.get_extension_for_class(x509.NameConstraints)
        assert found.critical
        permitted, excluded = found.value.permitted_subtrees, found.value.excluded_subtrees
        assert permitted == [x509.DNSName("localhost"), x509.DNSName("local")]
        assert excluded is not None and {str(one.value) for one in excluded} == {"0.0.0.0/0", "::/0"}
    assert made.key_pem not in repr(made)
    assert "PRIVATE KEY" in made.key_pem and "PRIVATE KEY" not in made.root_pem + made.intermediate_pem


@pytest.mark.engine
def test_a_browser_refuses_what_a_stolen_key_signs_for_a_public_name(one: OneFront, web: App) -> None:
    # The stolen key serves a name of the DNS, by the same Caddy: an announced name that is not below `local`.
    one.tell({"notes": web.port}, https=["https", "open:notes=bank.example.org"])
    eventually(lambda: has_certificate(one, "notes.localhost"), seen=lambda: one.log)

    def refusal() -> str:
        try:
            secured(one, "bank.example.org")
        except ssl.SSLError as error:
            return str(error)
        return "none"

    eventually(lambda: "permitted subtree violation" in refusal(), seen=refusal)


@pytest.mark.engine
def test_doctor_says_where_https_answers(one: OneFront, web: App) -> None:
    port = one.tell({"notes": web.port}, https=["https"])
    assert anyio.run(check_front, one.folder, "caddy") == (
        f"Caddy answers at port {port}, and by HTTPS at {one.secure_port}"
    )


@pytest.mark.engine
def test_https_that_is_not_wished_listens_nowhere(one: OneFront, web: App) -> None:
    one.tell({"notes": web.port})
    assert one.secure_port is None
    assert not one.folder.authority.exists()
