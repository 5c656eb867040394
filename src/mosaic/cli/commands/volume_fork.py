"""`mosaic volume fork`: the same app once more, with the data of a snapshot."""

from pathlib import Path

import click

from mosaic.adapters.api_client import HiveClient, segment
from mosaic.cli import granting, verdict
from mosaic.cli.connection import connected
from mosaic.cli.follow import follow
from mosaic.cli.output import Output, json_option
from mosaic.cli.past.asked import Asked
from mosaic.cli.past.opening import chosen, past_of, warn_of_suspects
from mosaic.cli.shown import describe
from mosaic.cli.units import second
from mosaic.cli.unlocking import at_first_need
from mosaic.wire.api import Fork, Installation, Policy
from mosaic.wire.grants import PolicyGrant

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("name")
@click.option("--at", metavar="WHEN", help="The snapshot: a number, a hash, `2026-11-20 14:00`; without, the newest.")
@click.option("--as", "fork_name", metavar="NEWNAME", required=True, help="What to call the new app.")
@click.option("--device", help="The Device (name or id) to run it on; without, the one that NAME runs on.")
@click.option("--passphrase-file", type=_FILE, help="Read the passphrase from a file, where NAME has grants.")
@click.option("--no-wait", is_flag=True, help="Return as soon as the Hive has accepted it.")
@json_option
def fork(
    out: Output,
    name: str,
    at: str | None,
    fork_name: str,
    device: str | None,
    passphrase_file: Path | None,
    no_wait: bool,
) -> None:
    """Install the app NAME once more, as NEWNAME, with the data of a snapshot. NAME goes on as it is.

    NEWNAME has keys, ports and a history of its own. What NAME was granted
    beyond policy is signed for NEWNAME too, which needs the passphrase.
    """
    with past_of(Asked(name, at, None, None, None, None)) as past:
        snapshot = chosen(past, at)
        warn_of_suspects(past, snapshot)
    with connected() as hive:
        wish = Fork(fork_name, snapshot.hash, device, _grant(hive, name, fork_name, passphrase_file))
        made = hive.send("POST", f"/api/installations/{segment(name)}/fork", wish, Installation)
        if not no_wait:
            when = second(snapshot.head.instant_ns)
            out.remark(f"{made.name} comes up with {name} as it was at {when}; Ctrl-C stops watching, not the work.")
            made = follow(hive, made.installation, verdict.running)
    out.result(made, describe(made))


def _grant(hive: HiveClient, name: str, fork_name: str, passphrase_file: Path | None) -> PolicyGrant | None:
    granted = hive.get(f"/api/installations/{segment(name)}/policy", Policy).grants
    return granting.sign(at_first_need(hive, passphrase_file), fork_name, granted) if granted else None
