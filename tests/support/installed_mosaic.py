"""A later version of Mosaic as its owner installs it: a wheel, and an environment made from the lock file."""

import re
import shutil
import sys
from pathlib import Path

from mosaic.adapters import process
from support.newer_mosaic import write_source

ROOT = Path(__file__).parents[2]
_PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet")
_SECONDS = 300.0


def write_lock(file: Path) -> Path:
    """Write what the installed program needs, with the hashes of the lock file."""
    words = [sys.executable, str(ROOT / "script/lib/locked.py"), str(ROOT), "run"]
    file.write_bytes(process.run(words, deadline_seconds=_SECONDS).stdout)
    return file


def build_wheel(folder: Path, version: str, *, step: str = "", serve: str = "") -> Path:
    """Build that version from this source. `step` and `serve` as in `write_source`."""
    source = folder / "source"
    write_source(source / "src", step=step, serve=serve)
    own = source / "src/mosaic/__init__.py"
    own.write_text(re.sub(r'__version__ = ".*"', f'__version__ = "{version}"', own.read_text()))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    project = source / "pyproject.toml"
    project.write_text(re.sub(r'(?m)^version = ".*"', f'version = "{version}"', project.read_text()))
    words = ["wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder), f"{source}/"]
    process.run([sys.executable, *_PIP, *words], deadline_seconds=_SECONDS)
    (wheel,) = folder.glob(f"mosaic-{version}-*.whl")
    return wheel


def make_beside(folder: Path, other: Path) -> Path:
    """Make an environment that reads the packages of another one, for a version that differs in nothing else."""
    process.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], deadline_seconds=_SECONDS)
    (packages,) = folder.glob("lib/python*/site-packages")
    (others,) = other.glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(f"{others}\n")
    return folder / "bin/python"


def put_into(python: Path, wheel: Path) -> None:
    """Install the version itself into an environment without pip."""
    words = ["install", "--no-deps", "--no-index", "--ignore-installed", str(wheel)]
    process.run([sys.executable, *_PIP, "--python", str(python), *words], deadline_seconds=_SECONDS)
