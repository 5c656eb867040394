"""Environments of versions of Mosaic in which the Device is a few lines that do what a test wants."""

import sys
import venv
from pathlib import Path

DEVICE = """
import os, pathlib, signal, sys
root = pathlib.Path(sys.executable).parents[1]
does = (root / "does").read_text()
print("the Device of", root.name, flush=True)
if does == "ends":
    print("no such module, today", flush=True)
    os._exit(1)
if does == "refuses":
    os._exit(3)
if does == "reports":
    from mosaic.device.upgrading import journal
    folder = pathlib.Path(sys.argv[1])
    found = journal.read(folder)
    if found is not None and found.new.start == sys.executable:
        journal.note_reported(folder, found)
signal.pause()
"""


def make_version(versions: Path, version: str, does: str, *, argument: Path | None = None) -> Path:
    """Make one and return its Python. What it `does` is in a file, and may be changed.

    With an `argument`, `-m mosaic.cli.main` of it is that Device, and is given it.
    """
    folder = versions / version
    venv.create(folder, with_pip=False, symlinks=True)
    (folder / "does").write_text(does)
    (packages,) = folder.glob("lib/python*/site-packages")
    # Where these tests find Mosaic and its libraries.
    (packages / "here.pth").write_text("\n".join(path for path in sys.path if path and Path(path).is_dir()))
    if argument is not None:
        # Before anything else is looked for: the module of that name is never reached.
        (folder / "device.py").write_text(DEVICE)
        run = f"import runpy; sys.argv[1:] = [{str(argument)!r}]; runpy.run_path({str(folder / 'device.py')!r})"
        line = f"import sys; '-m' in sys.orig_argv and exec({run!r})"
        (packages / "zz.pth").write_text(f"{line}\n")
    return folder / "bin/python"


def write_device(file: Path) -> Path:
    """Write the Device's lines, which each environment runs."""
    file.write_text(DEVICE)
    return file
