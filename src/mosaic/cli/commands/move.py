"""`mosaic move NAME --to DEVICE`: another machine takes over, with the data; `--cancel` calls it off."""

import click

from mosaic.adapters.api_client import HiveClient, segment
from mosaic.cli import asking, verdict
from mosaic.cli.connection import connected
from mosaic.cli.devices import find
from mosaic.cli.follow import follow
from mosaic.cli.output import Output, json_option
from mosaic.cli.shown import describe
from mosaic.cli.units import duration
from mosaic.core.errors import Refused
from mosaic.wire.api import Installation, Move, MoveForecast


class LossNotAccepted(Refused):
    """Nobody accepted what a forced move would lose."""

    code = "loss-not-accepted"

    def __init__(self, loss: str) -> None:
        super().__init__(
            f"nobody accepted that {loss}; nothing was changed",
            hint="pass `--yes` to accept it, or leave `--force` away while the Device still answers",
        )


@click.command()
@click.argument("name")
@click.option("--to", "target", help="The Device (name or id) that takes over.")
@click.option("--cancel", is_flag=True, help="Call off a move that has not arrived yet.")
@click.option("--force", is_flag=True, help="Do not wait for the Device that has it: it is gone.")
@click.option("--yes", is_flag=True, help="Accept the loss that a forced move may bring.")
@click.option("--no-wait", is_flag=True, help="Return as soon as the Hive has accepted it.")
@json_option
def move(out: Output, name: str, target: str | None, cancel: bool, force: bool, yes: bool, no_wait: bool) -> None:
    """Move NAME with its data to another Device and wait until it is healthy there."""
    if cancel == (target is not None):
        raise click.UsageError("say either where to, with --to, or --cancel")
    with connected() as hive:
        if target is None:
            path = f"/api/installations/{segment(name)}/cancel-move"
            called_off = follow(hive, hive.send("POST", path, None, Installation).installation, verdict.called_off)
            out.result(called_off, f"The move is off. {describe(called_off)}")
            return
        device = find(hive, target)
        wish = Move(device.device)
        if force:
            wish = Move(device.device, force=True, lose_seconds=_accepted_loss(hive, name, device.device, yes=yes))
        moved = hive.send("POST", f"/api/installations/{segment(name)}/move", wish, Installation)
        if not no_wait:
            out.remark(f"Moving {moved.name} to {device.name}; Ctrl-C stops watching, not the move.")
            moved = follow(hive, moved.installation, lambda seen: verdict.arrived(seen, device.device))
    out.result(moved, describe(moved))


def _accepted_loss(hive: HiveClient, name: str, device: str, *, yes: bool) -> float | None:
    path = f"/api/installations/{segment(name)}/move-forecast"
    forecast = hive.get(path, MoveForecast, query={"to": device})
    accept_loss(forecast.lose_seconds, yes=yes)
    return forecast.lose_seconds


def accept_loss(lose_seconds: float | None, *, yes: bool) -> None:
    """Ask whether what goes with force may be lost. Raises LossNotAccepted."""
    loss = _loss(lose_seconds)
    if not asking.agree(f"By force, {loss}. Go on?", yes=yes):
        raise LossNotAccepted(loss)


def _loss(lose_seconds: float | None) -> str:
    if lose_seconds is None:
        return "everything is lost, for nothing of it was ever replicated"
    return f"what was written in the last {duration(lose_seconds)} is lost"
