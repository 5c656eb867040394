"""`mosaic volume rekey`: new keys for an app's data, which nobody can read who has only the older ones."""

import click

from mosaic.adapters.api_client import HiveClient, segment
from mosaic.cli import asking
from mosaic.cli.connection import connected
from mosaic.cli.follow import DEADLINE_SECONDS, Looks, watch
from mosaic.cli.output import Output, json_option
from mosaic.cli.verdict import Verdict
from mosaic.core.errors import MosaicError, Refused
from mosaic.wire.api import Installation, Rekeying
from mosaic.wire.report import Step


class RekeyingNotConfirmed(Refused):
    """Nobody confirmed that the app stops for a while."""

    code = "rekeying-not-confirmed"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} was not given new keys, for nobody confirmed that it stops meanwhile",
            hint="pass `--yes` to confirm",
        )


class NotRekeyed(MosaicError):
    """The app is, or will be, as it was."""

    code = "not-rekeyed"

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"{name} was not given new keys and is as it was: {why.rstrip('.')}",
            hint=f"`mosaic show {name}` says how it is; `mosaic volume rekey {name}` tries again",
        )


@click.command()
@click.argument("name")
@click.option("--cancel", is_flag=True, help="Call it off: the app comes back as it was, unless it runs already.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--no-wait", is_flag=True, help="Return as soon as the Hive has accepted it.")
@json_option
def rekey(out: Output, name: str, cancel: bool, yes: bool, no_wait: bool) -> None:
    """Give NAME new keys: after `mosaic keys renew`, nobody who had the older root key can read what it writes.

    NAME stops, hands over its last snapshot, and comes up again with that
    data under new keys; all of it is stored once more. Should it not come up,
    it is brought back as it was. Its past stays in the trash for 30 days,
    readable, as it is to whoever has the older keys and a store's copy.
    """
    with connected() as hive:
        if cancel:
            called = hive.send("POST", f"/api/rekeyings/{segment(name)}/cancel", None, Rekeying)
            out.result(called, f"{called.name} comes back as it was.")
            return
        installation = hive.get(f"/api/installations/{segment(name)}", Installation)
        if not asking.agree(f"Stop {installation.name} until its data is under new keys?", yes=yes):
            raise RekeyingNotConfirmed(installation.name)
        path = f"/api/installations/{installation.installation}/rekey"
        begun = hive.send("POST", path, None, Rekeying)
        if not no_wait:
            out.remark(f"{begun.name} is given new keys; Ctrl-C stops watching, not the work.")
            begun = _followed(hive, begun)
    out.result(begun, _told(begun))


def _followed(hive: HiveClient, begun: Rekeying) -> Rekeying:
    """Wait until it is over. Raises NotRekeyed when everything is as it was."""
    looks = Looks(lambda: hive.get(f"/api/rekeyings/{begun.installation}", Rekeying), DEADLINE_SECONDS)
    ended = watch(begun.name, looks, _judge, _steps)
    if ended.failure is not None:
        raise NotRekeyed(ended.name, ended.failure)
    return ended


def _judge(seen: Rekeying) -> Verdict:
    return Verdict("working" if seen.ended_ns is None else "done")


def _steps(_: Rekeying) -> list[Step]:
    return []


def _told(seen: Rekeying) -> str:
    if seen.ended_ns is None:
        return f"{seen.name} is being given new keys. `mosaic volume rekey {seen.name} --cancel` calls it off."
    return (
        f"{seen.name} has new keys. What it was until now is in the trash for 30 days, as {seen.installation}.\n"
        "Passwords and keys that it kept in its data are to be changed in the app: they may have been read."
    )
