"""`mosaic policy NAME`: what an app may do beyond policy, granted and taken back by its owner."""

from pathlib import Path

import click

from mosaic.adapters.api_client import segment
from mosaic.cli import granting
from mosaic.cli.connection import connected
from mosaic.cli.output import Output, json_option
from mosaic.core.grants import GrantUnusable, require_asked
from mosaic.wire.api import Policy

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("name")
@click.option("--grant", "granted", multiple=True, metavar="KEY", help="Grant what a refusal named; may be repeated.")
@click.option("--revoke", "revoked", multiple=True, metavar="KEY", help="Take a grant back; may be repeated.")
@click.option("--passphrase-file", type=_FILE, help="Read the passphrase from a file.")
@json_option
def policy(
    out: Output, name: str, granted: tuple[str, ...], revoked: tuple[str, ...], passphrase_file: Path | None
) -> None:
    """List what NAME is granted beyond policy, or change it with the passphrase.

    A change stops the app; it is checked and started again with what it is granted then.
    """
    with connected() as hive:
        path = f"/api/installations/{segment(name)}/policy"
        found = hive.get(path, Policy)
        if not granted and not revoked:
            out.result(found, _listed(found))
            return
        wanted = _changed(found, granted, revoked)
        if wanted == set(found.grants):
            out.result(found, f"Nothing was changed. {_listed(found)}")
            return
        after = hive.send("PUT", path, granting.sign(hive, found.name, wanted, passphrase_file), Policy)
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
    if not found.grants and not found.asks:
        return f"{found.name} asks for nothing beyond policy, and is granted nothing."
    granted = [f"  granted:      {key}" for key in found.grants]
    missing = [f"  not granted:  {key}" for key in found.asks if key not in found.grants]
    return "\n".join([found.name, *granted, *missing])
