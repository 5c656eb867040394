"""Removing a Device on the command line: the plan first, then following it to its end."""

from collections.abc import Iterator

from mosaic.adapters.api_client import HiveClient, segment
from mosaic.cli import asking, credentials, known_devices
from mosaic.cli.connection import connected
from mosaic.cli.devices import RemovalNotConfirmed, could_read, find
from mosaic.cli.follow import DEADLINE_SECONDS, Looks, watch
from mosaic.cli.output import Output
from mosaic.cli.units import duration
from mosaic.cli.verdict import Verdict
from mosaic.core.errors import NotFound
from mosaic.wire.api import Device, Volume
from mosaic.wire.removal import LeavingApp, Removal, RemovalPlan
from mosaic.wire.report import Step


def show(out: Output, name: str, wish: Removal) -> None:
    """Print what removing the Device would do."""
    with connected() as hive:
        plan = _plan(hive, find(hive, name), wish)
    out.result(plan, "\n".join([*lines(plan, by_force=wish.force), "Nothing was changed."]))


def keep(out: Output, name: str) -> None:
    """Take a removal back that is under way."""
    with connected() as hive:
        found = find(hive, name)
        hive.order("DELETE", f"/api/devices/{segment(found.device)}/removal")
        found = find(hive, name)
    out.result(found, f"{found.name} stays. Moves that had begun go on; what was stopped for it starts again on it.")


def remove(out: Output, name: str, wish: Removal, *, yes: bool, waits: bool) -> None:
    """Show the plan, ask, and follow the removal until the Device is gone.

    Raises:
        RemovalNotConfirmed: nobody agreed.
        WorkFailed: an app could not leave; it runs where it was, and so does the Device.
    """
    with connected() as hive:
        found = find(hive, name)
        plan = _plan(hive, found, wish)
        if not yes:
            out.remark("\n".join(lines(plan, by_force=wish.force)))
        if not asking.agree(f"Remove the Device {found.name}?", yes=yes):
            raise RemovalNotConfirmed(found.name)
        readable = sorted({one.name for one in hive.get("/api/volumes", list[Volume])}) if found.has_root_key else []
        lose = {app.installation: app.lose_seconds for app in plan.apps if app.lose_seconds is not None}
        wanted = Removal(wish.to, wish.stop, wish.force, lose if wish.force else {})
        begun = hive.send("POST", _path(found), wanted, RemovalPlan)
        if not begun.removed and waits:
            out.remark(f"Ctrl-C stops watching, not the removal; `mosaic device remove {found.name} --keep` does.")
            _follow(hive, found, begun)
        is_gone = begun.removed or waits
    if is_gone:
        known_devices.note_removed(credentials.load().account, found.device)
    _tell(out, found, plan, readable, is_gone=is_gone, by_force=wish.force)


def lines(plan: RemovalPlan, *, by_force: bool) -> Iterator[str]:
    """Yield the plan for people: every app, what would be lost, what speaks against it."""
    if not plan.reachable:
        yield f"{plan.name} is not connected: it can hand nothing over."
    elif by_force:
        yield f"{plan.name} is connected, and could hand everything over; by force it is not asked."
    for app in plan.apps:
        yield f"{app.name} {_fate(app)}{_loss(app)}"
        if app.problem:
            yield f"  {app.problem}"
    for app in plan.in_trash:
        yield f"{app.name}, in the trash, has not been handed over{_loss(app)}"
    for app_name, kept in plan.set_aside.items():
        yield f"only {plan.name} has {', '.join(kept)} of {app_name}, which it set aside"
    if not (plan.apps or plan.in_trash or plan.set_aside):
        yield f"No app belongs on {plan.name}."
    yield f"Then {plan.name} is no Device of this account any more, and its key opens nothing."


def _fate(app: LeavingApp) -> str:
    match app.does:
        case "move":
            return f"moves to {app.to_name}"
        case "stop":
            return "is stopped, until `mosaic move` says where it goes; its data stays in the store"
        case "lost":
            return "is lost, for nothing of it was ever replicated"


def _loss(app: LeavingApp) -> str:
    if app.does == "lost" and app.lose_seconds is None:
        return ""
    if app.lose_seconds is None:
        return "; all of its data is lost"
    return f"; what was written in the last {duration(app.lose_seconds)} is lost" if app.lose_seconds else ""


def _plan(hive: HiveClient, found: Device, wish: Removal) -> RemovalPlan:
    asked = {"stop": str(wish.stop).lower(), "force": str(wish.force).lower()}
    return hive.get(_path(found), RemovalPlan, query=asked | ({"to": wish.to} if wish.to is not None else {}))


def _path(found: Device) -> str:
    return f"/api/devices/{segment(found.device)}/removal"


def _follow(hive: HiveClient, found: Device, begun: RemovalPlan) -> None:
    def look() -> RemovalPlan:
        nonlocal begun
        try:
            begun = hive.get(_path(found), RemovalPlan)
        except NotFound:
            # It is removed: nobody knows it any more.
            return RemovalPlan(found.device, found.name, False, begun.asked_ns, True, [], {}, [])
        return begun

    command = f"mosaic device remove {found.name} --dry-run"
    watch(found.name, Looks(look, DEADLINE_SECONDS), _verdict, _no_steps, command=command)


def _no_steps(_: RemovalPlan) -> list[Step]:
    return []


def _verdict(plan: RemovalPlan) -> Verdict:
    if plan.removed:
        return Verdict("done")
    if plan.asked_ns is None:
        return Verdict("failed", "somebody took its removal back", "`mosaic device list` shows the devices")
    stuck = next((app for app in plan.apps if app.problem), None)
    if stuck is not None:
        again = f"name another one: `mosaic device remove {plan.name} --move-to DEVICE`, or `--stop`"
        return Verdict("failed", f"{stuck.name} has not left: {stuck.problem}", again)
    if plan.set_aside and not plan.apps:
        return Verdict("failed", f"it has the only copy of what it set aside of {', '.join(plan.set_aside)}", "")
    return Verdict("working")


def _tell(out: Output, found: Device, plan: RemovalPlan, readable: list[str], *, is_gone: bool, by_force: bool) -> None:
    following = ["mosaic keys renew"] if found.has_root_key else []
    value = {"device": found.device, "name": found.name, "could_read": readable, "if_stolen": following}
    told = [
        f"{found.name} is no longer a Device of this account."
        if is_gone
        else f"{found.name} is being removed; `mosaic device remove {found.name} --dry-run` says how it stands."
    ]
    if plan.apps:
        told += [f"  {app.name} {_fate(app)}{_loss(app)}" for app in plan.apps]
    if by_force and plan.set_aside:
        # Named also where nobody was asked.
        kept = "; ".join(f"{', '.join(names)} of {app}" for app, names in plan.set_aside.items())
        value["given_up"] = kept
        told.append(f"Given up: {kept}.")
    out.result(value, "\n".join([*told, could_read(readable)] if following else told))
