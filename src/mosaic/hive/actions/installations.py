"""Installing apps; starting, stopping and opening them."""

import re
from collections.abc import Callable

from mosaic.adapters.sql import accounts, events, installations, placements
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened, Orderer
from mosaic.adapters.sql.installations import Installation
from mosaic.core import lease, placement
from mosaic.core.errors import Conflict, Refused
from mosaic.core.ids import AccountId, InstallationId
from mosaic.core.placement import Placement, Wish
from mosaic.crypto.tokens import new_id
from mosaic.hive import names, roll_call, sources
from mosaic.hive.actions.policy import require_signed
from mosaic.hive.app_check import require_new
from mosaic.hive.approved import require_approved
from mosaic.hive.finding import find_device, find_installation
from mosaic.hive.forecast import require_ready
from mosaic.hive.keys_check import PassphraseMissing
from mosaic.hive.present import sight
from mosaic.hive.present.installations import installation as presented
from mosaic.hive.present.installations import one_installation
from mosaic.hive.runtime import Hive
from mosaic.wire import api

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
_MOST_VALUES = 200
_LONGEST_VALUE = 16 * 1024


class InstallationNameTaken(Conflict):
    """Another installation has the name."""

    code = "installation-name-taken"

    def __init__(self, name: str, free: str) -> None:
        super().__init__(
            f"there is an installation named {name} already",
            hint=f"give it another name: {free!r} is free (`--name {free}`)",
        )


class InstallationStopped(Conflict):
    """Only what runs can be restarted."""

    code = "installation-stopped"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is stopped", hint=f"`mosaic start {name}` starts it")


class ConfigUnusable(Refused):
    """A config value cannot be a variable of a compose file."""

    code = "config-unusable"

    def __init__(self, reason: str) -> None:
        super().__init__(reason, hint="write values as KEY=text; the app's compose file names its variables as ${KEY}")


async def install(hive: Hive, who: AccountId, wish: api.Install) -> api.Installation:
    """Install an app from the catalog. With `dry_run` only check, and return what would be."""
    _check_config(wish.config)
    installation_id = InstallationId(new_id())
    choice = await sources.choose(hive, who, wish.app, wish.device)
    name = names.check(wish.name if wish.name is not None else choice.app)
    # All that can be wrong is looked at before anything large is fetched, and it is here before anything is written.
    await hive.in_thread(lambda: require_new(choice.file, wish, installation=installation_id, name=name))
    seen = sight.take(hive)

    def change(tx: Tx, *, is_meant: bool) -> api.Installation:
        roll_call.require_none(tx)
        sources.require_still_there(tx, who, choice)
        account = accounts.get(tx, who)
        if account is None or account.keys is None:
            raise PassphraseMissing
        device = find_device(tx, who, wish.device)
        require_ready(device, seen)
        if wish.grant is not None:
            require_signed(tx, who, name, wish.grant)
        taken = {
            each.name for each in installations.of_account(tx, who) if installations.name_taken(tx, who, each.name)
        }
        if name in taken:
            raise InstallationNameTaken(name, names.free(name, taken))
        approval = choice.approval
        if wish.approval is not None:
            require_approved(tx, who, choice.app, choice.digest, wish.approval)
            approval = wish.approval.signature
        new = Installation(
            id=installation_id,
            account=who,
            name=name,
            app=choice.app,
            app_digest=choice.digest,
            config=wish.config,
            config_revision=1,
            open=False,
            images={},
            ports=[],
            restart_count=0,
            created_ns=seen.now_ns,
            grant=wish.grant,
            catalog=choice.catalog,
            approval=approval,
            label=choice.label,
        )
        where = placement.install(lease.new_lease({}), device.id, seen.now_ns)
        if not is_meant:
            return presented(new, where, {device.id: device}, seen)
        placements.add(tx, new, where)
        events.add(tx, Happened(who, "installed", new.id, f"{name} comes up on {device.name}."), now_ns=seen.now_ns)
        return one_installation(tx, new, seen)

    planned = await hive.read(lambda tx: change(tx, is_meant=False))
    if wish.dry_run:
        return planned
    await sources.keep(hive, choice)
    made = await hive.write(lambda tx: change(tx, is_meant=True))
    hive.carry_on([installation_id])
    return made


async def start(hive: Hive, who: AccountId, installation: str) -> api.Installation:
    """Want it running."""
    return await _want(hive, who, installation, Wish.RUN)


async def stop(hive: Hive, who: AccountId, installation: str) -> api.Installation:
    """Want it stopped, with its volumes replicated."""
    return await _want(hive, who, installation, Wish.STOP)


async def restart(hive: Hive, who: AccountId, installation: str) -> api.Installation:
    """Stop and start it once. Raises InstallationStopped: a count that no Device acts on would be no restart."""

    def change(tx: Tx, found: Installation) -> tuple[str, str]:
        before = placements.get(tx, found.id)
        if before is not None and before.wish is Wish.STOP:
            raise InstallationStopped(found.name)
        installations.count_restart(tx, found.id)
        return "restarting", f"{found.name} is restarted."

    return await changed(hive, who, installation, change)


async def set_open(hive: Hive, who: AccountId, installation: str, *, open_ports: bool) -> api.Installation:
    """Bind its ports beyond loopback, or on loopback only. It is started anew for it: a running container keeps its."""

    def change(tx: Tx, found: Installation) -> tuple[str, str] | None:
        if found.open == open_ports:
            return None
        installations.set_open(tx, found.id, open_ports=open_ports)
        # Of one that is stopped too: it is rendered for a start, and would be started as it was.
        installations.count_restart(tx, found.id)
        if open_ports:
            return "opened", f"{found.name} is reachable from the network of its device."
        return "closed", f"{found.name} is reachable from its device only."

    return await changed(hive, who, installation, change)


async def _want(hive: Hive, who: AccountId, installation: str, wish: Wish) -> api.Installation:
    def change(tx: Tx, found: Installation) -> tuple[str, str] | None:
        if not change_placement(tx, found.id, lambda before: placement.want(before, wish)):
            return None
        if wish is Wish.RUN:
            return "started", f"{found.name} shall run."
        return "stopped", f"{found.name} shall stop."

    return await changed(hive, who, installation, change)


async def changed(
    hive: Hive,
    who: AccountId,
    installation: str,
    change: Callable[[Tx, Installation], tuple[str, str] | None],
    *,
    by: Orderer = "owner",
) -> api.Installation:
    """Change one installation, tell the event that `change` returns (None: nothing changed), and carry it on."""
    seen = sight.take(hive)

    def write(tx: Tx) -> api.Installation:
        found = find_installation(tx, who, installation)
        placements.lock(tx, found.id)
        # What it was before the lock another Hive over this database may have changed.
        told = change(tx, installations.get(tx, found.id) or found)
        if told is not None:
            kind, text = told
            events.add(tx, Happened(who, kind, found.id, text), now_ns=seen.now_ns, by=by)
        return one_installation(tx, installations.get(tx, found.id) or found, seen)

    after = await hive.write(write)
    hive.carry_on([InstallationId(after.installation)])
    return after


def change_placement(tx: Tx, installation: InstallationId, step: Callable[[Placement], Placement]) -> bool:
    """Take one step of an installation's placement under its lock; say whether it changed anything."""
    roll_call.require_none(tx)
    before = placements.lock(tx, installation)
    assert before is not None
    after = step(before)
    placements.save(tx, installation, before, after)
    return after != before


def _check_config(config: dict[str, str]) -> None:
    if len(config) > _MOST_VALUES:
        raise ConfigUnusable(f"there are {len(config)} config values, and at most {_MOST_VALUES} are kept")
    for key, value in config.items():
        if not _KEY.fullmatch(key):
            raise ConfigUnusable(f"{key[:80]!r} cannot be the name of a variable")
        if len(value) > _LONGEST_VALUE or "\0" in value:
            raise ConfigUnusable(f"the value of {key} is longer than 16 KiB or has a zero byte")
