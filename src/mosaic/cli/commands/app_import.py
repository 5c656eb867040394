"""`mosaic app import PATH`: an app of one's own, from its folder or from a file."""

import os
import tempfile
from pathlib import Path

import click
import msgspec

from mosaic.adapters import oci_layout
from mosaic.adapters.api_client import HiveClient
from mosaic.cli import asking, credentials, own_packages
from mosaic.cli.approving import approve
from mosaic.cli.commands.app_check import AppHasProblems
from mosaic.cli.connection import connected
from mosaic.cli.output import Output, json_option
from mosaic.cli.own_packages import OwnPackage
from mosaic.cli.package_view import lines_of
from mosaic.cli.publishing import cache_folder, registries, variables_of
from mosaic.cli.unlocking import NoPassphrase, at_first_need
from mosaic.core.errors import Refused
from mosaic.device.config import DEFAULT_ENGINE
from mosaic.hive import names
from mosaic.packager.building import Wish
from mosaic.packager.checking import check_app
from mosaic.packager.own_file import app_name, shown
from mosaic.packager.resolving import Resolver
from mosaic.packager.variables import names_for_own_images
from mosaic.wire.api import Account, CatalogApp
from mosaic.wire.approval import Approval

_UNLISTED = "It is here, signed by its catalog, and another version of it is listed for your Devices."
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class ImportedApp(msgspec.Struct, frozen=True):
    """The catalog's new entry. `unpinned` are services whose image is a name still."""

    app: CatalogApp
    unpinned: list[str]


class NotImported(Refused):
    """Nobody agreed that the app is signed."""

    code = "not-imported"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} was not imported", hint="agree with `--yes` where there is no terminal to ask on")


@click.command("import")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--name", help="What to call it in the catalog; the folder's own name if not given.")
@click.option("--offline", is_flag=True, help="Ask no registry: pin from the lock file, or from this machine's engine.")
@click.option("--plain", multiple=True, metavar="HOST", help="A registry that is spoken to without TLS.")
@click.option("--var", "given", multiple=True, metavar="NAME=VALUE", help="Fill in a variable where an image is named.")
@click.option("--engine", default=DEFAULT_ENGINE, help="The Docker engine of this machine.")
@click.option("--passphrase-file", type=_FILE, help="Read the passphrase from a file.")
@click.option("--yes", is_flag=True, help="Sign it without a question.")
@json_option
def import_(
    out: Output,
    path: Path,
    name: str | None,
    offline: bool,
    plain: tuple[str, ...],
    given: tuple[str, ...],
    engine: str,
    passphrase_file: Path | None,
    yes: bool,
) -> None:
    """Take the app at PATH into your catalog: a folder, or a file from `mosaic app export` or `mosaic app build -o`.

    Your owner key signs this very version, so it needs the passphrase; your Devices run what it signed. Importing
    it again is its next version. What a file brings signed, by you or by a catalog that you added, is only checked.
    """
    variables = variables_of(given)
    with tempfile.TemporaryDirectory(prefix="mosaic-import-") as scratch, connected() as hive:
        if path.is_file():
            found = own_packages.from_file(oci_layout.read(path, Path(scratch) / "export"))
            if found.metadata:
                if name is not None:
                    raise click.UsageError(
                        "an app that a catalog signed has the name that was signed: leave --name out"
                    )
                carried = own_packages.send_carried(hive, found)
                out.result(carried, "\n".join(_listed(one) for one in carried) or _UNLISTED)
                return
        else:
            # The folder's name is the app's.
            folder = Path(os.path.abspath(path))  # noqa: PTH100 (pathlib keeps `..`)
            wish = Wish(folder, engine, {**names_for_own_images(), **variables})
            _require_no_problem(wish.folder, out)
            with registries(plain) as opened:
                resolver = None if offline else Resolver(opened, cache_folder())
                found = own_packages.from_folder(wish, resolver, into=Path(scratch))
        named = names.check(name or found.name)
        approval = _signature(hive, found, named, passphrase_file, yes=yes, out=out)
        made = ImportedApp(own_packages.send(hive, found, named, approval), list(found.unpinned))
    out.result(made, _said(made))


def _signature(
    hive: HiveClient, found: OwnPackage, name: str, passphrase_file: Path | None, *, yes: bool, out: Output
) -> Approval:
    """Return the owner's word on the package: the one that its file brings, else a new one."""
    account = hive.get("/api/account", Account)
    if account.keys is None:
        raise NoPassphrase
    known = own_packages.signature_in(
        found, account=credentials.load().account, owner_key=account.keys.owner_key, name=name
    )
    if known is None:
        lines = lines_of(found.shown())
        if not out.as_json:
            click.echo("\n".join(lines), err=True)
        if not asking.agree(f"Sign it as {name}, so that your Devices run it?", yes=yes):
            raise NotImported(name)
        known = approve(at_first_need(hive, passphrase_file), name, found.digest)
    return known


def _require_no_problem(folder: Path, out: Output) -> None:
    checked = check_app(folder)
    if checked.problems:
        if not out.as_json:
            click.echo("\n".join(f"{problem}\n    {problem.hint}" for problem in checked.problems), err=True)
        raise AppHasProblems(shown(app_name(folder)), len(checked.problems))


def _listed(entry: CatalogApp) -> str:
    return f"{entry.app} {entry.digest}, signed by {entry.source}, is here; `mosaic install {entry.app}` installs it."


def _said(made: ImportedApp) -> str:
    name = made.app.app
    lines = [f"{name} {made.app.digest} is in your catalog; `mosaic install {name}` installs it."]
    if made.unpinned:
        lines.append(
            f"  unpinned:  {', '.join(made.unpinned)} (the first Device that runs it pins them; "
            "import it once more where registries answer)"
        )
    return "\n".join(lines)
