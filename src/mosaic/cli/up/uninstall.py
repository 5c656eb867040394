"""`mosaic up --uninstall`: stop, remove the units, and do with the data what the person says.

Nothing is deleted without an answer, and nothing at all happens before it.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import click

from mosaic.cli.output import to_json
from mosaic.cli.up import lock, own_engine, services
from mosaic.cli.up.device_contained import is_contained
from mosaic.cli.up.install import UNIT_FOLDER, has_systemd, remove, stop, stop_device
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.orphans import find
from mosaic.cli.up.running import end
from mosaic.cli.up.settings import load
from mosaic.core.errors import Refused

_GRACE_SECONDS = 30.0


class DataUndecided(Refused):
    """Nobody said what to do with the data."""

    code = "data-undecided"

    def __init__(self, state: Path) -> None:
        super().__init__(
            f"nobody said what is to become of the data in {state}; nothing was changed",
            hint="add `--keep-data` to keep it, or `--delete-data` to delete it for good",
        )


class NothingInstalled(Refused):
    """There is nothing to uninstall."""

    code = "nothing-installed"

    def __init__(self, state: Path) -> None:
        super().__init__(
            f"Mosaic is not installed here: there are no units and no {state}",
            hint="name the state folder with `--state` if it is elsewhere",
        )


def uninstall(layout: Layout, *, keep_data: bool | None, as_json: bool) -> None:
    """Take Mosaic off this machine, apps included."""
    has_state = layout.settings.exists()
    has_units = (UNIT_FOLDER / "mosaic-hive.service").exists()
    if not has_state and not has_units:
        raise NothingInstalled(layout.state)
    keep = _answer(layout.state, keep_data) if has_state else True
    pool = load(layout.settings).own_pool if has_state else None
    # Read while the Hive may run: one that ends in order takes the file with it.
    url = layout.address.read_text().strip() if layout.address.exists() else None
    by_systemd = has_units and has_systemd()
    if by_systemd:
        stop_device()
    if has_state and is_contained():
        from mosaic.cli.up.uninstall_contained import end_device, end_everything

        # It holds the lock as long as it runs.
        end_device(layout)
        lock.take(layout.lock)
        end_everything(layout)
    elif has_state:
        lock.take(layout.lock)
        _end_everything(layout, stop if by_systemd else _nothing)
    removed = remove()
    keys = [] if keep else [str(path) for path in _delete(layout, pool, url)]
    value = {"units_removed": [str(file) for file in removed], "data": "kept" if keep else "deleted", "keys_kept": keys}
    places = f"{layout.state} and {pool}" if pool is not None else str(layout.state)
    kept = f"The data is still in {places}." if has_state and keep else f"{places}: the data was deleted."
    if keys:
        kept += "\nThese keys were kept; without them nobody can read the stores of the volumes that no Hive knows:"
        kept += "".join(f"\n  {path}" for path in keys)
    click.echo(to_json(value) if as_json else f"Mosaic is uninstalled. {kept if has_state else ''}".rstrip())


def _answer(state: Path, keep_data: bool | None) -> bool:
    if keep_data is not None:
        return keep_data
    if not sys.stdin.isatty():
        raise DataUndecided(state)
    answer = click.prompt(
        f"Keep the data in {state}, or delete it for good?", type=click.Choice(["keep", "delete"]), err=True
    )
    return bool(answer == "keep")


def _end_everything(layout: Layout, stop_services: Callable[[], None]) -> None:
    """Stop the apps with a last snapshot, then the services and what a killed supervisor may have left, then mounts."""
    from mosaic.cli.up.removing import forget_volumes, remove_containers, unmount_pool

    chosen = load(layout.settings)
    _end(layout, "device")
    _end(layout, "front")
    with_storage = services.storage(layout, chosen).is_ready()
    # Where the Device's own engine has ended, so have its containers.
    if not chosen.own_engine or services.answers_at(layout.engine_socket):
        remove_containers(layout, engine=own_engine.address(layout, chosen), with_storage=with_storage)
    stop_services()
    if chosen.own_engine:
        _end(layout, "engine")
        own_engine.remove(layout, chosen)
    for name in ("gateway", "storage", "hive"):
        _end(layout, name)
    if not chosen.own_engine:
        forget_volumes(layout, chosen)
    unmount_pool(layout)


def _nothing() -> None:
    """No unit runs anything."""


def _end(layout: Layout, service: str) -> None:
    listens = {
        "storage": layout.storage_socket,
        "engine": layout.engine_socket,
        "front": services.front(layout).listens,
    }.get(service)
    left = find(layout.note(service), listens)
    if left is not None:
        end(left, _GRACE_SECONDS)


def _delete(layout: Layout, pool: Path | None, url: str | None) -> list[Path]:
    from mosaic.cli.up.removing import delete_pool, delete_state

    if pool is not None:
        delete_pool(pool)
    keys = delete_state(layout, load(layout.settings))
    _forget_login(url)
    return keys


def _forget_login(url: str | None) -> None:
    from mosaic.cli import credentials
    from mosaic.cli.credentials import CredentialsDamaged, NotLoggedIn

    try:
        known = credentials.load()
    except (NotLoggedIn, CredentialsDamaged):
        return
    # The login was to the Hive that is gone now.
    if known.url == url:
        credentials.forget()
