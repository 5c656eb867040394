"""The parts of `mosaic up` that need no engine: settings, checks, lock, notes, units, supervision."""

import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mosaic.adapters import process
from mosaic.adapters.caddy import Caddy
from mosaic.cli.up import (
    device_run,
    install,
    lock,
    notices,
    orphans,
    preflight,
    services,
    settings,
    storage_alone,
    systemd,
)
from mosaic.cli.up import uninstall as uninstalling
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.running import start
from mosaic.cli.up.services import Service, last_words
from mosaic.cli.up.settings import Settings
from mosaic.cli.up.supervise import ServiceFailed, Stopping, Supervisor
from mosaic.cli.up.uninstall import DataUndecided, NothingInstalled, uninstall
from mosaic.core.engine_floor import ComposeMissing, ComposeTooOld, EngineTooOld
from mosaic.core.ids import InstallationId
from mosaic.crypto.volume_keys import volume_id
from mosaic.device.front_folder import FrontFolder
from mosaic.storage.books import Books
from mosaic.storage.hiveless.key_file import write_key_of_our_own, write_new_key
from mosaic.storage.records import Hiveless, VolumeRecord
from support.waiting import eventually


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "state")
    made.make()
    return made


def program(script: str) -> tuple[str, ...]:
    return (sys.executable, "-c", script)


SLEEPER = program("import signal; signal.pause()")


def service(argv: tuple[str, ...], *, name: str = "hive", outlives: bool = False) -> Service:
    return Service(name, name, argv, lambda: True, grace_seconds=5, outlives=outlives)


def test_the_state_folder_is_for_its_owner_alone(layout: Layout) -> None:
    assert layout.state.stat().st_mode & 0o077 == 0


def test_a_chosen_port_is_kept_and_a_taken_one_refused(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with pytest.raises(settings.PortTaken):
            settings.with_port(Settings(), taken)
        with pytest.raises(settings.PortTaken):
            settings.with_port(Settings(port=taken), None)
    chosen = settings.with_port(Settings(), None)
    settings.save(tmp_path / "up.json", chosen)
    assert settings.load(tmp_path / "up.json") == chosen


def test_listening_beyond_loopback_needs_a_url() -> None:
    with pytest.raises(settings.UrlNeeded):
        settings.with_port(Settings(listen="0.0.0.0"), None)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(settings.AddressUnknown):
        settings.with_port(Settings(listen="192.0.2.1", url="https://hive.example"), None)


def test_no_engine_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(preflight.EngineMissing) as refusal:
        preflight.check_engine(tmp_path / "docker.sock")
    assert "script/setup" in refusal.value.hint


@pytest.mark.parametrize("body", ['{"Version": "19.03.1", "ApiVersion": "1.40"}', "hello"])
def test_an_engine_that_is_too_old_or_none_is_refused(tmp_path: Path, body: str) -> None:
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        server.listen()

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(f"HTTP/1.0 200 OK\r\n\r\n{body}".encode())

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises((EngineTooOld, preflight.EngineMissing)):
            preflight.check_engine(path)
        thread.join()


@pytest.mark.parametrize(
    ("plugin", "said"),
    [("exit 1", ComposeMissing), ("echo 2.19.9", ComposeTooOld), ("echo nonsense", ComposeTooOld)],
)
def test_a_compose_plugin_that_is_missing_or_too_old_is_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugin: str, said: type[Exception]
) -> None:
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\n{plugin}\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(said):
        preflight.check_compose()
    docker.write_text("#!/bin/sh\necho v2.20.0\n")
    assert preflight.check_compose() == "v2.20.0"


def test_a_full_disk_is_refused_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "LEAST_FREE_BYTES", 1 << 62)
    with pytest.raises(preflight.DiskFull):
        preflight.check_room(tmp_path / "not" / "there")
    assert list(tmp_path.iterdir()) == []


def test_two_supervisors_on_one_folder_refuse(layout: Layout) -> None:
    held = lock.take(layout.lock)
    try:
        with pytest.raises(lock.StateInUse) as refusal:
            lock.take(layout.lock)
        assert str(os.getpid()) in refusal.value.message
    finally:
        os.close(held)
    os.close(lock.take(layout.lock))


def test_a_note_names_a_process_and_no_later_one_with_its_number(layout: Layout) -> None:
    file = layout.note("storage")
    orphans.write_note(file, os.getpid())
    assert orphans.read_note(file) == orphans.Note(os.getpid(), orphans.started_at(os.getpid()) or "")
    file.write_text(f"{os.getpid()} 1\n")
    assert orphans.read_note(file) is None


def test_a_service_that_crashes_is_started_again(layout: Layout, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    script = f"open({str(seen)!r}, 'a').write('x'); import sys; sys.exit(1)"
    said: list[str] = []
    with Supervisor(layout, said.append) as supervisor:
        supervisor.start([service(program(script))])
        supervisor.watch(until=lambda: seen.exists() and len(seen.read_text()) >= 2)
    assert "started again" in said[0]


def test_a_service_that_crashes_is_started_again_though_the_disk_is_full(layout: Layout, tmp_path: Path) -> None:
    seen, note = tmp_path / "seen", layout.note("hive")
    note.with_suffix(".new").symlink_to("/dev/full")
    script = f"open({str(seen)!r}, 'a').write('x'); import sys; sys.exit(1)"
    with Supervisor(layout, lambda _: None) as supervisor:
        supervisor.start([service(program(script))])
        supervisor.watch(until=lambda: seen.exists() and len(seen.read_text()) >= 2)
    assert not note.exists()


def test_a_service_that_refuses_is_not_started_again(layout: Layout) -> None:
    script = "import sys; print('error: no\\nhint: do this', file=sys.stderr); sys.exit(3)"
    said: list[str] = []
    with Supervisor(layout, said.append) as supervisor:
        supervisor.start([service(program(script), name="device")])
        supervisor.watch(until=lambda: bool(said))
    assert said == ["The device has stopped for good: no (do this)"]


def test_a_service_that_does_not_start_says_why(layout: Layout) -> None:
    script = "import sys; print('error: the port is taken\\nhint: another one', file=sys.stderr); sys.exit(1)"
    never = Service("hive", "Hive", program(script), lambda: False, grace_seconds=1)
    with pytest.raises(ServiceFailed) as failure, Supervisor(layout, print) as supervisor:
        supervisor.start([never])
    assert failure.value.message == "the Hive did not start: the port is taken"
    assert failure.value.hint == "another one"


def test_a_signal_stops_everything(layout: Layout) -> None:
    with Supervisor(layout, print) as supervisor:
        supervisor.start([service(SLEEPER)])
        note = orphans.read_note(layout.note("hive"))
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Stopping):
            supervisor.watch()
    assert note is not None
    assert not note.is_alive
    assert not layout.note("hive").exists()


def test_the_storage_daemon_of_a_killed_supervisor_is_taken_over(layout: Layout) -> None:
    storage = service(SLEEPER, name="storage", outlives=True)
    left = process.spawn(SLEEPER)
    orphans.write_note(layout.note("storage"), left.pid)
    try:
        taken = start(storage, layout)
        assert taken.pid == left.pid
        os.close(taken.pidfd)
    finally:
        left.stop(1)


@pytest.mark.engine
def test_the_front_of_a_killed_supervisor_is_taken_over_noted_or_not_and_ends_with_the_next(layout: Layout) -> None:
    front = services.front(layout)
    left = start(front, layout)
    eventually(Caddy(FrontFolder(layout.front).admin).answers, seen=layout.log("front").read_text)
    noted = start(front, layout)
    layout.note("front").unlink()
    found = start(front, layout)
    assert left.pid == noted.pid == found.pid
    found.stop()
    left.stop()
    assert orphans.started_at(left.pid) is None
    os.close(noted.pidfd)


@pytest.mark.engine
def test_an_uninstall_ends_a_front_that_a_killed_supervisor_left(layout: Layout) -> None:
    settings.save(layout.settings, Settings(port=8930, driver="mosaic-uninstalled"))
    left = start(services.front(layout), layout)
    eventually(Caddy(FrontFolder(layout.front).admin).answers, seen=layout.log("front").read_text)
    layout.note("front").unlink()
    uninstall(layout, keep_data=False, as_json=False)
    assert orphans.started_at(left.pid) is None
    assert not layout.state.exists()
    left.stop()


def test_the_others_start_though_the_front_does_not(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOSAIC_CADDY", "no-such-caddy")
    said: list[str] = []
    with Supervisor(layout, said.append) as supervisor:
        supervisor.start([services.front(layout), service(SLEEPER)])
        supervisor.watch(until=lambda: bool(said))
    assert said[0].startswith("The LAN front has stopped for good: the program 'no-such-caddy' is not installed")


def test_the_hive_of_a_killed_supervisor_is_replaced(layout: Layout) -> None:
    left = process.spawn(SLEEPER)
    orphans.write_note(layout.note("hive"), left.pid)
    taken = start(service(SLEEPER), layout)
    try:
        assert taken.pid != left.pid
        assert left.wait(60) is not None
    finally:
        taken.stop()


def test_a_service_ends_with_the_supervisor_that_was_killed(layout: Layout) -> None:
    script = (
        "import os, signal, subprocess, sys\n"
        'child = \'import os, signal; from mosaic.cli.up.orphans import die_with; die_with(int(os.environ["P"]));'
        "print(os.getpid(), flush=True); signal.pause()'\n"
        "subprocess.Popen([sys.executable, '-c', child], env={**os.environ, 'P': str(os.getpid())})\n"
        "signal.pause()\n"
    )
    supervisor = subprocess.Popen(program(script), stdout=subprocess.PIPE, text=True)
    assert supervisor.stdout is not None
    with supervisor.stdout:
        child = int(supervisor.stdout.readline())
    supervisor.kill()
    supervisor.wait()
    eventually(lambda: orphans.started_at(child) is None)


def test_the_last_words_are_those_of_this_start(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("error: old\nhint: old\n")
    since = log.stat().st_size
    with log.open("a") as file:
        file.write("Traceback…\nerror: new\n")
    assert last_words(log, since) == ("new", f"its log is {log}")


def test_units_leave_apps_running_and_start_in_order() -> None:
    units = systemd.units(Layout(Path("/var/lib/mo saic%")), Settings(port=8930, name="cellar"))
    assert set(units) == {*systemd.SERVICES, *systemd.PATHS}
    device = units["mosaic-device.service"]
    assert "KillMode=process" in device
    assert "KillMode=process" in units["mosaic-storage.service"]
    assert "Before=docker.service" in units["mosaic-storage.service"]
    assert "Type=notify" in units["mosaic-storage.service"]
    assert "After=docker.service mosaic-storage.service mosaic-hive.service" in device
    assert '"/var/lib/mo saic%%"' in device
    assert all("Restart=always" in units[name] for name in systemd.SERVICES)
    front = units["mosaic-front.service"]
    assert 'up-front --folder "/var/lib/mo saic%%/front"' in front
    assert "CapabilityBoundingSet=\n" in front and 'ReadWritePaths="/var/lib/mo saic%%/front"' in front
    assert "RestartPreventExitStatus=3" in front
    # After its Device was removed it is not started, rather than started and refused.
    routes = "/var/lib/mo saic%%/front/routes.json"
    assert f"ConditionPathExists=|!{routes}\nConditionFileNotEmpty=|{routes}\n" in front


def test_a_device_that_somebody_stopped_is_not_started_by_its_identity_being_there() -> None:
    """It starts when that is written, and with the machine."""
    units = systemd.units(Layout(Path("/var/lib/mosaic")), Settings(port=8930, name="cellar"))
    assert "\nPathChanged=/var/lib/mosaic/device/identity.json\n" in units["mosaic-device.path"]
    assert "PathExists" not in units["mosaic-device.path"]
    assert "WantedBy=multi-user.target" in units["mosaic-device.service"]


def test_what_is_said_after_installing_units_speaks_of_no_terminal() -> None:
    assert "Ctrl-C" in notices.apps_and_next([], by_systemd=False)
    said = notices.apps_and_next([], by_systemd=True)
    assert "Ctrl-C" not in said
    assert "stays" in said


def test_a_storage_daemon_alone_is_installed_and_removed_and_leaves_that_of_up_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(install, "has_systemd", lambda: False)
    unit, _ = storage_alone.add(("--state", "/srv/mosaic"), tmp_path)
    assert "storage serve --state /srv/mosaic" in unit.read_text()
    assert storage_alone.take_away(tmp_path)
    assert not unit.exists()
    install.write(systemd.units(Layout(Path("/var/lib/mosaic")), Settings(port=8930, name="cellar")), tmp_path)
    for again in (lambda: storage_alone.add((), tmp_path), lambda: storage_alone.take_away(tmp_path)):
        with pytest.raises(storage_alone.UnitTaken):
            again()


def test_a_daemon_that_was_never_noted_is_found_by_its_socket(tmp_path: Path) -> None:
    """A supervisor may be killed between starting it and noting it."""
    path = tmp_path / "d.sock"
    child = subprocess.Popen(
        [sys.executable, "-c", "import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen();"
         "print(flush=True); sys.stdin.read()", str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with child:
        assert child.stdout is not None
        child.stdout.readline()
        found = orphans.find(tmp_path / "no-note", path)
        assert found == orphans.Note(child.pid, orphans.started_at(child.pid) or "")
        child.kill()
    assert orphans.find(tmp_path / "no-note", path) is None


def test_a_join_anew_whose_answer_was_lost_goes_on_with_the_same_keys(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout.make()
    layout.identity.write_text("the old identity")
    drafts: list[str | None] = []

    def join(_layout: Layout, _joining: object) -> None:
        draft = layout.device / "identity.joining"
        drafts.append(draft.read_text() if draft.exists() else None)
        draft.write_text("the new keys")
        raise ConnectionError("the answer was lost")

    monkeypatch.setattr(device_run, "_join", join)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            device_run._join_anew(layout, device_run.Joining("attic", None, None))
        assert layout.identity.read_text() == "the old identity"
    assert drafts == [None, "the new keys"]


def test_the_image_of_devices_is_kept_and_passed_to_the_hive(layout: Layout) -> None:
    settings.save(layout.settings, Settings(port=8930, device_image="registry.example/device:9"))
    words = services.hive_options(layout, settings.load(layout.settings))
    assert words[words.index("--device-image") + 1] == "registry.example/device:9"


def test_uninstall_deletes_nothing_without_an_answer(layout: Layout) -> None:
    settings.save(layout.settings, Settings(port=8930))
    with pytest.raises(DataUndecided):
        uninstall(layout, keep_data=None, as_json=False)
    assert layout.settings.exists()


def test_uninstalling_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NothingInstalled):
        uninstall(Layout(tmp_path / "nowhere"), keep_data=False, as_json=False)


def test_deleting_the_data_keeps_the_keys_of_volumes_without_a_hive_and_names_them(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.save(layout.settings, Settings(port=8930))
    own = write_key_of_our_own(layout.storage / "keys", "notes")[0]
    chosen, elsewhere = layout.device / "chosen.key", layout.state.parent / "elsewhere.key"
    books = Books(layout.storage / "storage.db")
    for path in (chosen, elsewhere):
        volume = volume_id(write_new_key(path))
        hiveless = Hiveless("notes", "/mnt/nas", str(path), 0, same_machine=False)
        books.put_volume(volume, VolumeRecord(volume, InstallationId("x"), "hiveless", hiveless=hiveless))
    books.close()
    (layout.storage / "pool.img").write_text("much")
    (layout.device / "link").symlink_to(layout.state.parent)
    monkeypatch.setattr(uninstalling, "_end_everything", lambda *_: None)
    monkeypatch.setattr(uninstalling, "remove", list)
    monkeypatch.setattr(uninstalling, "has_systemd", lambda: False)
    uninstall(layout, keep_data=False, as_json=False)
    left = {path for path in layout.state.rglob("*") if not path.is_dir()}
    assert left == {own, chosen}
    assert elsewhere.exists()
    said = capsys.readouterr().out
    assert "without them nobody can read the stores" in said
    assert f"  {own}\n" in said
    assert str(chosen) in said


def test_deleting_the_data_leaves_nothing_where_there_is_no_such_key(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.save(layout.settings, Settings(port=8930))
    monkeypatch.setattr(uninstalling, "_end_everything", lambda *_: None)
    monkeypatch.setattr(uninstalling, "remove", list)
    monkeypatch.setattr(uninstalling, "has_systemd", lambda: False)
    uninstall(layout, keep_data=False, as_json=False)
    assert not layout.state.exists()
    assert "key" not in capsys.readouterr().out


def test_a_device_of_mosaic_up_trusts_the_folders_that_its_hive_lists(layout: Layout) -> None:
    chosen = Settings(catalogs=("/apps", "/more"), trusted=("/own", "/apps"), hardware="board-arm64", group="first")
    words = services.device_options(layout, chosen)
    assert [words[at + 1] for at, word in enumerate(words) if word == "--trust-apps"] == ["/apps", "/more", "/own"]
    assert {("--hardware", "board-arm64"), ("--group", "first")} <= set(itertools.pairwise(words))
    settings.save(layout.settings, chosen)
    assert settings.load(layout.settings) == chosen
