"""Join tokens, admission and removal of Devices."""

import re
from collections.abc import Mapping, Sequence

from mosaic.adapters.sql import accounts, devices, events, installations, join_tokens, placements, sessions
from mosaic.adapters.sql.devices import Device
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened
from mosaic.adapters.sql.join_tokens import JoinToken
from mosaic.core.errors import Conflict, Refused
from mosaic.core.failover import TRASH_NS
from mosaic.core.ids import AccountId, DeviceId, InstallationId
from mosaic.core.placement import Phase
from mosaic.crypto import admission
from mosaic.crypto.admission import AdmissionWrong
from mosaic.hive import names, roll_call
from mosaic.hive.actions.root_key import require_present_root
from mosaic.hive.finding import find_device
from mosaic.hive.keys_check import PassphraseMissing
from mosaic.hive.present import sight
from mosaic.hive.present.devices import device as presented
from mosaic.hive.present.devices import newest_report
from mosaic.hive.runtime import Hive
from mosaic.wire import api
from mosaic.wire.report import Report

JOIN_NS = 15 * 60 * 10**9
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_ENVELOPE = re.compile(r"(?:[0-9a-f]{2}){1,512}", re.ASCII)


class JoinTokenMalformed(Refused):
    """The secret's hash is not one, or was used before."""

    code = "join-token-malformed"

    def __init__(self, reason: str) -> None:
        super().__init__(f"this join token cannot be taken: {reason}", hint="make a new one: `mosaic device add`")


class DeviceInUse(Conflict):
    """Installations belong on the Device, or it has the only copy of something."""

    code = "device-in-use"

    def __init__(self, device: str, why: str, *, hint: str) -> None:
        super().__init__(f"{device} cannot be removed: {why}", hint=hint)


class OnlyCopy(Conflict):
    """The Device has set aside what no other machine has (G5)."""

    code = "only-copy"

    def __init__(self, device: str, kept: Mapping[str, Sequence[str]]) -> None:
        app, names = next(iter(kept.items()))
        what = "; ".join(f"{', '.join(each)} of {name}" for name, each in kept.items())
        super().__init__(
            f"{device} has the only copy of what it set aside when another device took over: {what}",
            hint=f"put it back first: `mosaic move {app} --to {device}`, then `mosaic volume restore {app} --conflict"
            f" {names[0]}`; to give it up: `mosaic device remove {device} --force`",
        )


class RootKeyMalformed(Refused):
    """The wrapped root key is not an envelope."""

    code = "root-key-malformed"

    def __init__(self) -> None:
        super().__init__("the wrapped root key is not hex, or too long", hint="update the program that made it")


async def new_join_token(hive: Hive, who: AccountId, token: api.NewJoinToken) -> None:
    """Let one Device in within 15 minutes, by a secret of which only the hash is known here."""
    if not _HASH.fullmatch(token.secret_hash):
        raise JoinTokenMalformed("the secret's hash is not 64 hex characters")
    name = names.check(token.name) if token.name else ""
    now_ns = hive.clock.wall_ns()

    def change(tx: Tx) -> None:
        owner_key = _owner_key(tx, who)
        if token.admission is not None:
            admission.check(token.admission, owner_key=owner_key, account=who)
            if token.admission.subject != token.secret_hash:
                raise AdmissionWrong
        new = JoinToken(token.secret_hash, who, name, token.admission, now_ns + JOIN_NS)
        if not join_tokens.add(tx, new, now_ns=now_ns):
            raise JoinTokenMalformed("its secret was used before")

    await hive.write(change)


async def admit(hive: Hive, who: AccountId, device: str, admit: api.Admit) -> api.Device:
    """Admit a Device by the owner's signature; from now on it gets work."""
    if admit.root_for_device is not None and not _ENVELOPE.fullmatch(admit.root_for_device):
        raise RootKeyMalformed
    seen = sight.take(hive)

    def change(tx: Tx) -> api.Device:
        found = find_device(tx, who, device)
        admission.check(admit.admission, owner_key=_owner_key(tx, who), account=who)
        if admit.admission.subject != found.id:
            raise AdmissionWrong
        if admit.root_for_device is not None:
            require_present_root(tx, who, admit.root_id)
        devices.admit(tx, found.id, admit.admission, admit.root_for_device)
        happened = Happened(who, "device-admitted", found.id, f"{found.name} was admitted.")
        events.add(tx, happened, now_ns=seen.now_ns)
        return presented(tx, find_device(tx, who, found.id), seen)

    admitted = await hive.write(change)
    hive.connections.wake({DeviceId(admitted.device)})
    return admitted


async def remove_device(hive: Hive, who: AccountId, device: str, *, force: bool = False) -> None:
    """Remove a Device that nothing belongs on. `force` gives up what it set aside."""
    seen = sight.take(hive)
    now_ns = seen.now_ns

    def change(tx: Tx) -> DeviceId:
        roll_call.require_none(tx)
        found = find_device(tx, who, device)
        _require_unused(tx, found, now_ns=now_ns)
        if not force:
            _require_nothing_set_aside(tx, found, newest_report(found, seen))
        devices.remove(tx, found.id, now_ns=now_ns)
        sessions.end_all(tx, found.id)
        events.add(tx, Happened(who, "device-removed", found.id, f"{found.name} was removed."), now_ns=now_ns)
        return found.id

    hive.connections.forget(await hive.write(change))


def _require_unused(tx: Tx, device: Device, *, now_ns: int) -> None:
    name = device.name
    for installation, placement in placements.concerning(tx, device.id).items():
        known = installations.get(tx, installation)
        what = known.name if known else installation
        if placement.phase is not Phase.TRASHED:
            raise DeviceInUse(
                name,
                f"{what} belongs on it",
                hint=f"`mosaic move {what} --to DEVICE` or `mosaic uninstall {what}` first",
            )
        if not placement.lease.released and now_ns < placement.since_ns + TRASH_NS:
            raise DeviceInUse(
                name,
                f"it has not handed over the last data of {what}, which is in the trash",
                hint="start the device and wait until `mosaic trash list` says that it is saved; if it will not come"
                f" back, `mosaic trash restore {what} --device DEVICE --force` first",
            )


def _require_nothing_set_aside(tx: Tx, device: Device, report: Report | None) -> None:
    """Return when the Device said last that it has no conflict snapshots. Raises OnlyCopy."""
    kept: dict[str, list[str]] = {}
    for volume in report.volumes if report else []:
        known = None if "\0" in volume.installation else installations.get(tx, InstallationId(volume.installation))
        if volume.conflicts and known is not None and known.account == device.account:
            kept.setdefault(known.name, []).extend(one.name for one in volume.conflicts)
    if kept:
        raise OnlyCopy(device.name, kept)


def _owner_key(tx: Tx, who: AccountId) -> str:
    account = accounts.get(tx, who)
    if account is None or account.keys is None:
        raise PassphraseMissing
    return account.keys.owner_key
