"""Running a Hive, a storage daemon and a Device in the foreground: `mosaic up` and `mosaic device run`."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from mosaic.adapters import process
from mosaic.cli.output import is_watched
from mosaic.cli.up import lock, own_engine, own_gateway, pool_size, preflight, services, settings
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.services import Service
from mosaic.cli.up.settings import Settings
from mosaic.cli.up.supervise import Stopping, Supervisor
from mosaic.cli.upgrading import journal, own_choice
from mosaic.device.front_folder import FrontFolder

_FORGET_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the person asked of this start, beside the settings."""

    demo: bool
    port: int | None
    password_file: Path | None
    passphrase_file: Path | None
    as_json: bool


def up(layout: Layout, change: Callable[[Settings], Settings], wanted: Wanted) -> None:
    """Run all three until Ctrl-C or SIGTERM. `change` lays this start's options over what was kept."""
    preflight.check(layout.state)
    chosen = prepare(layout, change, wanted.port)
    with Supervisor(layout, tell) as supervisor:
        try:
            _run(supervisor, layout, chosen, wanted)
        except Stopping:
            _rest(supervisor, layout)
    _forget(layout)


def device(layout: Layout, chosen: Settings) -> None:
    """Run a storage daemon and a Device until Ctrl-C or SIGTERM."""
    own_choice.forget_if_overtaken(layout)
    with Supervisor(layout, tell) as supervisor:
        try:
            first, ours = services.storage(layout, chosen), services.device(layout, chosen, parent=os.getpid())
            front = _front(layout)
            if chosen.own_engine:
                own_engine.prepare(layout, chosen)
                # One after the other: its container is given the pool that the storage daemon mounts, and a Device
                # whose engine does not answer ends.
                supervisor.start([first])
                supervisor.start([own_engine.service(layout, chosen)])
                supervisor.start([front, ours])
            else:
                # Side by side: the Device waits for the storage daemon by itself, and both take longest to import.
                supervisor.start([first, front, ours])
            remark("The Device runs. Ctrl-C stops it and its apps.")
            supervisor.watch()
        except Stopping:
            _rest(supervisor, layout)
    if not chosen.own_engine:
        _forget(layout)


def prepare(layout: Layout, change: Callable[[Settings], Settings], port: int | None) -> Settings:
    """Take the folder for this process and settle what is kept. Nothing is made when an option is refused."""
    if layout.state.exists():
        lock.take(layout.lock)
    kept = settings.load(layout.settings)
    chosen = own_gateway.checked(settings.with_port(change(kept), port))
    pool_size.check(layout, kept, chosen)
    if not layout.state.exists():
        layout.make()
        lock.take(layout.lock)
    layout.make()
    if journal.put_back(layout):
        tell("An upgrade was cut short: the Hive's database is as it was before it.")
    # From now on everything is run by this very program, but a Device that has upgraded itself to a later one.
    journal.forget(layout)
    own_choice.forget_if_overtaken(layout)
    settings.save(layout.settings, chosen)
    return chosen


def _run(supervisor: Supervisor, layout: Layout, chosen: Settings, wanted: Wanted) -> None:
    parent = os.getpid()
    layout.address.unlink(missing_ok=True)
    is_device: Callable[[], bool] = layout.identity.exists
    our_device = services.device(layout, chosen, parent=parent)
    first = [services.hive(layout, chosen, parent=parent), services.storage(layout, chosen), _front(layout)]
    remark("Starting…")
    # A Device that has joined waits for the other two by itself; starting takes longest to import.
    supervisor.start([*first, our_device] if is_device() else first)
    if chosen.gateway_host is not None:
        # It lets the Hive in by its key, which is made at the Hive's first start.
        supervisor.start([own_gateway.service(layout, parent=parent)])
    argv, env = _welcome(layout, chosen, wanted)
    # At the first start the welcome makes the identity, and then waits for the Device that needs it.
    supervisor.run(argv, env, when=is_device, then=our_device)
    supervisor.watch(until=is_device)
    supervisor.start([our_device])
    supervisor.watch()


def _front(layout: Layout) -> Service:
    """Return the LAN front, which may have ended with a Device that was removed from here."""
    FrontFolder(layout.front).wanted()
    return services.front(layout)


def _rest(supervisor: Supervisor, layout: Layout) -> None:
    """Stop the Device, bring the apps to rest, and leave the rest to the supervisor's end."""
    remark("\nStopping the apps and saving their data; Ctrl-C again skips that.")
    supervisor.stop(services.REPLACER)
    supervisor.stop("device")
    supervisor.stop("front")
    supervisor.settle([*services.MOSAIC, "up-settle", "--state", str(layout.state)])


def _forget(layout: Layout) -> None:
    """Take the volumes from the engine: it would ask for their driver, 15 s for each, if it started without us."""
    words = [*services.MOSAIC, "up-forget", "--state", str(layout.state)]
    done = process.attempt(words, deadline_seconds=_FORGET_SECONDS)
    if done.last_lines():
        tell(done.last_lines())


def _welcome(layout: Layout, chosen: Settings, wanted: Wanted) -> tuple[list[str], dict[str, str]]:
    argv = [*services.MOSAIC, "up-welcome", "--state", str(layout.state), "--name", chosen.name or "device"]
    argv += ["--demo"] if wanted.demo else []
    argv += ["--json"] if wanted.as_json else []
    for option, file in (("--password-file", wanted.password_file), ("--passphrase-file", wanted.passphrase_file)):
        argv += [] if file is None else [option, str(file)]
    terminal = terminal_path()
    return argv, ({"MOSAIC_TERMINAL": terminal} if terminal is not None else {})


def terminal_path() -> str | None:
    """Return the terminal that a person looks at, even when our output is piped into something."""
    for stream in (sys.stdout, sys.stderr, sys.stdin):
        if stream is not None and stream.isatty():
            return os.ttyname(stream.fileno())
    return None


def tell(text: str) -> None:
    """Say something that a person must know, terminal or not."""
    click.echo(text, err=True)


def remark(text: str) -> None:
    """Say something to a person who watches."""
    if is_watched():
        click.echo(text, err=True)
