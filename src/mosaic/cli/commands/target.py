"""`mosaic target list|show|roll-out|withdraw`: the signed versions of a repository."""

import click

from mosaic.adapters.clock import SystemClock
from mosaic.adapters.trust import publishing
from mosaic.adapters.trust.publishing import VersionMissing
from mosaic.adapters.trust.repository import Repository
from mosaic.adapters.trust.standing import standing, warnings
from mosaic.cli.output import Output, json_option
from mosaic.cli.signing_keys import signs_every_day
from mosaic.cli.target_view import roll_out_words, target_page
from mosaic.core.roll_out import RollOut
from mosaic.core.target import Target, custom, instant


@click.group()
def target() -> None:
    """The signed versions of a repository."""


@target.command("list")
@signs_every_day
@json_option
def list_(out: Output, repository: Repository) -> None:
    """List all versions, the newest first, and warn of what expires."""
    found = repository.targets()
    rows = [
        [str(one.version), one.channel, one.hardware, instant(one.created_at), str(len(one.apps)), _who(one)]
        for one in found
    ]
    columns = ["VERSION", "CHANNEL", "HARDWARE", "CREATED", "APPS", "WHO TAKES IT"]
    out.table([_plain(one) for one in found], columns, rows, empty="Nothing was published yet.")
    for sentence in warnings(standing(repository, now_ns=SystemClock().wall_ns())):
        click.echo(f"warning: {sentence}", err=True)


@target.command()
@click.argument("version", type=int)
@signs_every_day
@json_option
def show(out: Output, repository: Repository, version: int) -> None:
    """Show one version: its Targets, and the table of their apps."""
    found = _listed(repository, version)
    out.result([_plain(one) for one in found], target_page(found))


@target.command("roll-out")
@click.argument("version", type=int)
@signs_every_day
@click.option("--percentage", type=click.IntRange(0, 100), help="The share of Devices.")
@click.option("--group", "groups", multiple=True, help="A group of Devices that takes it in any case, and no other.")
@click.option("--pause/--resume", "paused", default=None, help="Let no further Device take it, or let them again.")
@json_option
def roll_out(
    out: Output,
    repository: Repository,
    version: int,
    percentage: int | None,
    groups: tuple[str, ...],
    paused: bool | None,
) -> None:
    """Change who takes VERSION; what is not said stays. Devices that have it keep it."""
    if percentage is None and not groups and paused is None:
        raise click.UsageError("Say what is to change: --percentage, --group, --pause or --resume.")
    now = _listed(repository, version)[0].roll_out
    wish = RollOut(
        now.percentage if percentage is None else percentage,
        frozenset(groups) or now.groups,
        now.paused if paused is None else paused,
    )
    found = publishing.set_roll_out(repository, version, wish, now_ns=SystemClock().wall_ns())
    out.result([_plain(one) for one in found], f"Version {version}: {roll_out_words(wish)}.")


@target.command()
@click.argument("version", type=int)
@signs_every_day
@json_option
def withdraw(out: Output, repository: Repository, version: int) -> None:
    """Take VERSION from the list. Devices that have it go on running it."""
    found = publishing.withdraw(repository, version, now_ns=SystemClock().wall_ns())
    out.result([_plain(one) for one in found], f"Version {version} is withdrawn.")


def _listed(repository: Repository, version: int) -> list[Target]:
    found = [one for one in repository.targets() if one.version == version]
    if not found:
        raise VersionMissing(version)
    return found


def _who(one: Target) -> str:
    return roll_out_words(one.roll_out)


def _plain(one: Target) -> dict[str, object]:
    return {"target": one.path, "custom": custom(one)}
