"""`mosaic upgrade`: another version of Mosaic on a Hive's machine, or none."""

import sys
from pathlib import Path

import click

from mosaic.cli.output import Output, json_option

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.option(
    "--to", "program", metavar="PYTHON", help="The Python of the new version; this command's own if not given."
)
@click.option("--state", type=_FOLDER, help="The state folder of `mosaic up`. [env MOSAIC_STATE; /var/lib/mosaic]")
@click.option("--gate-seconds", type=click.FloatRange(0, 3600), help="How long it has to be well before it is kept.")
@json_option
def upgrade(out: Output, program: str | None, state: Path | None, gate_seconds: float | None) -> None:
    """Upgrade the Hive of `mosaic up` on this machine; when the new version is not well, nothing has changed.

    Install the new version beside the one that runs, and run this command of it. Apps go on meanwhile.
    """
    from mosaic.cli.up.layout import Layout, state_folder
    from mosaic.cli.upgrading import keepers
    from mosaic.cli.upgrading.upgrade import GATE_SECONDS, alone
    from mosaic.cli.upgrading.upgrade import upgrade as run

    layout = Layout(state_folder(state))
    keepers.require_there(layout)
    with alone(layout):
        keeper = keepers.find(layout)
        seconds = GATE_SECONDS if gate_seconds is None else gate_seconds
        done = run(layout, program or sys.executable, keeper, out.remark, gate_seconds=seconds)
    late = "".join(f"\n{name} could not be started in it yet; `mosaic doctor` says why." for name in done.late)
    out.result(done, f"The Hive runs mosaic {done.after}.{late}")
