"""The supervisor of a link, with a real Caddy and a gateway whose faults are made."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio
import pytest

from mosaic.adapters.caddy_link import Certificates, Serving
from mosaic.adapters.gateway_registration import (
    GatewayRegistration,
    LinkModeRefused,
    LinkTokenUnknown,
    LinkWasSuperseded,
)
from mosaic.adapters.look_from_outside import no_trust
from mosaic.core.errors import MosaicError
from mosaic.core.expose import parse
from mosaic.core.link_healing import Probe
from mosaic.core.link_settings import LinkSettings
from mosaic.link import health
from mosaic.link.caddy_process import CaddyProcess
from mosaic.link.parts import Pace, Way
from mosaic.link.self_check import Outside
from mosaic.link.supervise import Means, Supervisor
from mosaic.wire.links import Mode
from support.link_gateway import GatewayDouble, TunnelDouble, gateway_double
from support.link_sites import AskedApp, Site, asked_app
from support.waiting import eventually

NAME = "chat.example.org"
OTHER = "files.example.org"
TOKEN = "lk_abcdefgh2345_" + "s3cret" * 8
SESSION = "5e55" * 8
QUICK = Pace(
    register_pause=0.02,
    longest_pause=0.1,
    patience=0.2,
    first_probe=0.05,
    check_pause=0.05,
    check_deadline=5,
    refresh=0.2,
)

pytestmark = pytest.mark.long


@dataclass
class Run:
    """A supervisor in a thread of its own, until it ends or is told to."""

    folder: Path
    gateway: GatewayDouble
    app: AskedApp
    modes: tuple[Mode, ...] = ("kernel",)
    pace: Pace = QUICK
    ended: MosaicError | None = None
    caddy: CaddyProcess | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    async def run(self) -> None:
        names = (NAME,)
        serving = Serving(parse(f"127.0.0.1:{self.app.port}"))
        settings = LinkSettings(names, TOKEN, (self.gateway.url,), serving.exposed)
        self.caddy = CaddyProcess(self.folder)
        means = Means(
            apis=[GatewayRegistration(self.gateway.url, TOKEN)],
            ways=[Way(mode, self._maker(mode)) for mode in self.modes],
            caddy=self.caddy,
            certificates=Certificates(self.folder / "data", tls="internal"),
            serving=serving,
            outside=Outside(no_trust(), SESSION, self.pace.check_deadline),
            run_folder=self.folder,
            version="0",
            random=lambda: 0.5,
            pace=self.pace,
        )

        async def stop_when_told(scope: anyio.CancelScope) -> None:
            while not self.stop.is_set():
                await anyio.sleep(0.01)
            scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stop_when_told, tasks.cancel_scope)
            try:
                await Supervisor(settings, means).run()
            except MosaicError as error:
                self.ended = error
            tasks.cancel_scope.cancel()

    def _maker(self, mode: Mode) -> Callable[[], TunnelDouble]:
        return lambda: TunnelDouble(self.gateway, mode)

    @property
    def site(self) -> Site:
        return Site(self.gateway.place, self.folder)

    def state(self) -> str:
        found = health.read(self.folder)
        return found.state if found else "nothing"

    def wait_for(self, state: str) -> None:
        eventually(lambda: self.state() == state, seen=lambda: health.read(self.folder))


@contextmanager
def link(folder: Path, gateway: GatewayDouble, app: AskedApp, *modes: Mode, pace: Pace = QUICK) -> Iterator[Run]:
    made = Run(folder, gateway, app, modes or ("kernel",), pace)
    thread = threading.Thread(target=lambda: anyio.run(made.run))
    thread.start()
    try:
        yield made
    finally:
        made.stop.set()
        thread.join(60)
        assert not thread.is_alive()


@pytest.fixture
def gateway() -> Iterator[GatewayDouble]:
    with gateway_double(NAME) as double:
        yield double


@pytest.fixture
def app() -> Iterator[AskedApp]:
    with asked_app() as made:
        yield made


def test_a_link_is_ready_when_its_name_leads_to_it_and_says_so_when_it_stops(
    tmp_path: Path, gateway: GatewayDouble, app: AskedApp
) -> None:
    with link(tmp_path, gateway, app) as run:
        run.wait_for("ready")
        assert run.site.ask(NAME, "/page").told("X-Forwarded-For") == "192.0.2.44"
        said = health.read(tmp_path)
        assert said is not None
        assert (said.names, said.missing, said.mode) == ([NAME], {}, "kernel")
        assert health.judged(tmp_path, said.at)[0]
    asked = gateway.registers[0]
    assert (asked.session, asked.epoch, asked.names, asked.mode) == (SESSION, "0.0", [NAME], "kernel")
    assert gateway.tokens == {TOKEN}
    assert gateway.left == [f"{SESSION[:8]}-kernel"]
    assert run.caddy is not None
    assert run.caddy.pid is None


def test_a_link_is_not_ready_before_its_name_leads_to_it(tmp_path: Path, gateway: GatewayDouble, app: AskedApp) -> None:
    elsewhere, gateway.public = gateway.public, "127.0.0.1:1"
    with link(tmp_path, gateway, app) as run:
        run.wait_for("checking")
        eventually(lambda: NAME in (health.read(tmp_path) or pytest.fail("no file")).missing)
        is_well, sentence = health.judged(tmp_path, health.boot_seconds())
        assert not is_well
        assert sentence.startswith(f"{NAME} does not lead here yet")
        gateway.public = elsewhere
        run.wait_for("ready")


def test_who_was_superseded_ends_at_once_and_does_not_register_again(
    tmp_path: Path, gateway: GatewayDouble, app: AskedApp
) -> None:
    with link(tmp_path, gateway, app) as run:
        run.wait_for("ready")
        gateway.refusal = (409, "link-superseded")
        eventually(lambda: run.ended)
        asked = len(gateway.registers)
        assert isinstance(run.ended, LinkWasSuperseded)
        assert run.state() == "ended"
    assert len(gateway.registers) == asked


def test_a_probe_that_says_superseded_ends_it_too(tmp_path: Path, gateway: GatewayDouble, app: AskedApp) -> None:
    with link(tmp_path, gateway, app) as run:
        run.wait_for("ready")
        gateway.probes["kernel"] = Probe.SUPERSEDED
        eventually(lambda: run.ended)
    assert isinstance(run.ended, LinkWasSuperseded)


def test_a_token_that_nobody_knows_ends_it_after_some_patience(
    tmp_path: Path, gateway: GatewayDouble, app: AskedApp
) -> None:
    gateway.refusal = (401, "link-token-unknown")
    with link(tmp_path, gateway, app) as run:
        eventually(lambda: run.ended)
    assert isinstance(run.ended, LinkTokenUnknown)
    assert len(gateway.registers) > 1
    assert TOKEN not in run.ended.message + run.ended.hint


def test_a_gateway_that_hears_of_the_link_late_is_waited_for(
    tmp_path: Path, gateway: GatewayDouble, app: AskedApp
) -> None:
    gateway.refusal = (401, "link-token-unknown")
    with link(tmp_path, gateway, app, pace=replace(QUICK, patience=60)) as run:
        eventually(lambda: len(gateway.registers) > 1)
        gateway.refusal = None
        run.wait_for("ready")


def test_a_gateway_that_is_away_is_waited_for_and_the_link_comes_back_by_itself(
    tmp_path: Path, gateway: GatewayDouble, app: AskedApp
) -> None:
    gateway.is_away = True
    with link(tmp_path, gateway, app) as run:
        run.wait_for("registering")
        gateway.is_away = False
        run.wait_for("ready")
        gateway.is_away = True
        run.wait_for("healing")
        eventually(lambda: gateway.renewed == ["east"])
        gateway.is_away = False
        run.wait_for("ready")


def test_a_network_that_lets_no_udp_out_is_left_for_tcp(tmp_path: Path, gateway: GatewayDouble, app: AskedApp) -> None:
    gateway.probes = {"kernel": Probe.SILENT, "userspace": Probe.SILENT}
    with link(tmp_path, gateway, app, "kernel", "userspace", "tcp") as run:
        eventually(lambda: (said := health.read(tmp_path)) and (said.mode, said.state) == ("tcp", "ready"))
        assert run.ended is None
    assert [asked.mode for asked in gateway.registers if asked.mode == "userspace"] == []
    assert all(asked.public_key is None for asked in gateway.registers if asked.mode == "tcp")


def test_a_mode_that_the_gateway_does_not_offer_is_left_for_the_next(
    tmp_path: Path, gateway: GatewayDouble, app: AskedApp
) -> None:
    gateway.lacks = {"kernel", "userspace"}
    with link(tmp_path, gateway, app, "kernel", "userspace", "tcp") as run:
        run.wait_for("ready")
    assert [asked.mode for asked in gateway.registers[:3]] == ["kernel", "userspace", "tcp"]


def test_a_gateway_that_offers_no_mode_of_this_link_ends_it(
    tmp_path: Path, gateway: GatewayDouble, app: AskedApp
) -> None:
    gateway.lacks = {"kernel"}
    with link(tmp_path, gateway, app) as run:
        eventually(lambda: run.ended)
    assert isinstance(run.ended, LinkModeRefused)


def test_a_caddy_that_was_killed_is_started_again(tmp_path: Path, gateway: GatewayDouble, app: AskedApp) -> None:
    with link(tmp_path, gateway, app) as run:
        run.wait_for("ready")
        assert run.caddy is not None
        first = run.caddy.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        eventually(lambda: run.caddy is not None and run.caddy.pid not in (None, first))
        eventually(lambda: run.site.serial(NAME))
        assert run.site.ask(NAME).status == 200


def test_a_name_that_is_added_is_served_without_a_restart(
    tmp_path: Path, gateway: GatewayDouble, app: AskedApp
) -> None:
    with link(tmp_path, gateway, app) as run:
        run.wait_for("ready")
        gateway.names.append(OTHER)
        eventually(lambda: (said := health.read(tmp_path)) and set(said.names) == {NAME, OTHER})
        assert run.site.ask(OTHER).status == 200


def test_no_secret_is_in_caddys_environment_or_files(
    tmp_path: Path,
    gateway: GatewayDouble,
    app: AskedApp,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LINK_TOKEN", TOKEN)
    with link(tmp_path, gateway, app) as run:
        run.wait_for("ready")
        assert run.caddy is not None
        environment = Path(f"/proc/{run.caddy.pid}/environ").read_bytes()
        words = Path(f"/proc/{run.caddy.pid}/cmdline").read_bytes()
    written = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    said = "".join(capfd.readouterr()).encode()
    assert all(b"s3cret" not in text for text in [environment, words, said, *written])
