"""`mosaic policy NAME`: what an app may do beyond policy, and what is kept of its snapshots, as its owner says."""

from pathlib import Path

import click

from mosaic.adapters.api_client import segment
from mosaic.cli import approving, granting, keeping
from mosaic.cli.connection import connected
from mosaic.cli.output import Output, json_option
from mosaic.cli.unlocking import at_first_need
from mosaic.core.grants import GrantUnusable, require_asked
from mosaic.wire.api import Policy

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("name")
@click.option("--grant", "granted", multiple=True, metavar="KEY", help="Grant what a refusal named; may be repeated.")
@click.option("--revoke", "revoked", multiple=True, metavar="KEY", help="Take a grant back; may be repeated.")
@click.option("--approve", is_flag=True, help="Sign for the version that it runs; needs the passphrase.")
@click.option("--passphrase-file", type=_FILE, help="Read the passphrase from a file.")
@click.option("--keep", metavar="RULE", help="Which snapshots to keep, like last=40,daily=30; or `default`.")
@click.option("--dry-run", is_flag=True, help="With --keep: say what would be let go, and change nothing.")
@click.option("--yes", is_flag=True, help="With --keep: agree to keep less.")
@json_option
def policy(
    out: Output,
    name: str,
    granted: tuple[str, ...],
    revoked: tuple[str, ...],
    approve: bool,
    passphrase_file: Path | None,
    keep: str | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """List what NAME is granted beyond policy and what is kept of its snapshots, or change one of them.

    Granting needs the passphrase, and stops the app: it is checked and started again with what it is granted then.

    --approve is for an app that nobody signed, on a Device that did not get it from its own machine's folders.

    What --keep does not name stays as it is. Nothing is let go before the next collection, once a day.
    """
    if approve and (granted or revoked or keep is not None):
        raise click.UsageError("say --approve alone: it is for one version, the others are for the name")
    if keep is not None and (granted or revoked):
        raise click.UsageError("say --keep alone: grants are signed with the passphrase")
    if keep is None and (dry_run or yes):
        raise click.UsageError("--dry-run and --yes are for --keep")
    with connected() as hive:
        opened = at_first_need(hive, passphrase_file)
        if approve:
            made = approving.approve_installed(hive, out, opened, name)
            out.result(
                made, f"{made.app} {made.app_digest} is approved; a Device that refused {made.name} tries again."
            )
            return
        if keep is not None:
            out.result(*keeping.change(hive, name, keep, yes=yes, dry_run=dry_run))
            return
        path = f"/api/installations/{segment(name)}/policy"
        found = hive.get(path, Policy)
        if not granted and not revoked:
            out.result(found, _listed(found))
            return
        wanted = _changed(found, granted, revoked)
        if wanted == set(found.grants):
            out.result(found, f"Nothing was changed. {_listed(found)}")
            return
        after = hive.send("PUT", path, granting.sign(opened, found.name, wanted), Policy)
    out.result(
        after, f"{_listed(after)}\nIt is checked and started again with that; `mosaic show {after.name}` says how."
    )


def _changed(found: Policy, granted: tuple[str, ...], revoked: tuple[str, ...]) -> set[str]:
    before = set(found.grants)
    for key in revoked:
        if key not in before:
            has = f"it is granted {', '.join(found.grants)}" if before else "it is granted nothing"
            raise GrantUnusable(f"{found.name} is not granted {key!r}", hint=has)
    require_asked(set(granted) - before, set(found.asks))
    return (before | set(granted)) - set(revoked)


def _listed(found: Policy) -> str:
    kept = [f"  kept:         {found.keep}"] if found.keep else []
    if not found.grants and not found.asks:
        return "\n".join([f"{found.name} asks for nothing beyond policy, and is granted nothing.", *kept])
    granted = [f"  granted:      {key}" for key in found.grants]
    missing = [f"  not granted:  {key}" for key in found.asks if key not in found.grants]
    return "\n".join([found.name, *granted, *missing, *kept])
