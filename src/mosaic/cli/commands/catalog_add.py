"""`mosaic catalog add NAME URL`: look at a repository's first root, agree, and sign that it is believed."""

from pathlib import Path

import click

from mosaic.adapters.trust.first_root import FirstRoot, fetch_first_root, read_first_root
from mosaic.adapters.trust.refusals import RepositoryUnavailable
from mosaic.cli import asking, credentials
from mosaic.cli.catalog_view import catalog_page
from mosaic.cli.connection import connected
from mosaic.cli.output import Output, json_option
from mosaic.cli.units import day
from mosaic.cli.unlocking import unlock
from mosaic.core.catalog_address import require_catalog_address
from mosaic.core.errors import Refused, Unavailable
from mosaic.crypto import approvals
from mosaic.hive import names
from mosaic.wire.versions import AddCatalog, Catalog

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class RootNotConfirmed(Refused):
    """Nobody agreed that a catalog begins with this root."""

    code = "root-not-confirmed"

    def __init__(self, sha256: str) -> None:
        super().__init__(
            "nobody agreed that this is the root, so the catalog was not added",
            hint=f"compare the root with what its publisher says, and pass `--fingerprint {sha256}`",
        )


class RootDiffers(Refused):
    """The root is not the one whose fingerprint was given."""

    code = "root-differs"

    def __init__(self, found: str, wanted: str) -> None:
        super().__init__(
            f"the root's SHA-256 is {found}, and {wanted[:80]} was given",
            hint="do not add it: ask its publisher which root is right, and fetch that one with `--root FILE`",
        )


class FirstRootAway(Unavailable):
    """Nobody answers with the first root, so there is nothing to look at and to sign."""

    code = "first-root-away"

    def __init__(self, away: RepositoryUnavailable) -> None:
        super().__init__(
            f"{away.message}; the catalog was not added",
            hint="look at the address; with the first root's file, `--root FILE`, it is added before it answers",
        )


@click.command()
@click.argument("name")
@click.argument("url")
@click.option("--channel", default="stable", show_default=True, help="The channel to take versions from.")
@click.option("--root", "root_file", type=_FILE, help="The first root's file; fetched from URL if not given.")
@click.option("--fingerprint", metavar="SHA256", help="What the root's SHA-256 must be; nobody is asked then.")
@click.option("--passphrase-file", type=_FILE, help="Read the passphrase from a file.")
@click.option("--yes", is_flag=True, help="Believe the root without being asked.")
@json_option
def add(
    out: Output,
    name: str,
    url: str,
    channel: str,
    root_file: Path | None,
    fingerprint: str | None,
    passphrase_file: Path | None,
    yes: bool,
) -> None:
    """Believe the catalog at URL, and call it NAME.

    URL is the folder of a repository of signed Targets, as its publisher serves it. Whoever has the keys of its
    root decides from now on what the apps of this catalog are, so compare the root's SHA-256 with what its
    publisher says in another place. Your passphrase signs that you believe it; every Device checks that itself.
    """
    names.check(name)
    require_catalog_address(url)
    with connected() as hive:
        root = root_file.read_bytes() if root_file is not None else _first_root(url)
        seen = read_first_root(root, where=str(root_file or url))
        _confirm(out, seen, fingerprint, yes=yes)
        opened, _ = unlock(hive, passphrase_file)
        account = credentials.load().account
        trust = approvals.trust(opened.owner_seed, account=account, name=name, channel=channel, root_sha256=seen.sha256)
        made = hive.send("POST", "/api/catalogs", AddCatalog(trust, url, root), Catalog)
    last = made.problem and f"It is added, and was not refreshed: {made.problem}"
    out.result(made, f"{catalog_page(made)}\n{last or '`mosaic catalog list` shows its apps.'}")


def _first_root(url: str) -> bytes:
    try:
        return fetch_first_root(url)
    except RepositoryUnavailable as error:
        raise FirstRootAway(error) from error


def _confirm(out: Output, seen: FirstRoot, fingerprint: str | None, *, yes: bool) -> None:
    if fingerprint is not None:
        if fingerprint.strip().lower().removeprefix("sha256:") != seen.sha256:
            raise RootDiffers(seen.sha256, fingerprint)
        return
    if not out.as_json:
        click.echo(_page(seen), err=True)
    if not asking.agree("Is this the root that its publisher names?", yes=yes):
        raise RootNotConfirmed(seen.sha256)


def _page(seen: FirstRoot) -> str:
    return "\n".join(
        [
            f"The root (version {seen.version}) is signed by {seen.threshold} of {len(seen.keys)} keys:",
            *(f"  {key}" for key in seen.keys),
            f"Its SHA-256:  {seen.sha256}",
            f"It is good until {day(seen.expires_at * 10**9)}.",
        ]
    )
