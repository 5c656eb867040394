"""A later version of Mosaic: this source with a higher version, one more step for the database, and what a test wants.

Its Python is a small program beside it, as a new virtual environment has one.
"""

import shutil
import sys
from pathlib import Path

import mosaic

_STEP = '''"""One more table."""

from alembic import op
from sqlalchemy import Column, Text

revision = "{new}"
down_revision = "{old}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("later", Column("id", Text, primary_key=True))
    {more}
'''


def write_newer(folder: Path, *, step: str = "", serve: str = "") -> Path:
    """Write the version and return its Python. `step` runs in the migration, `serve` when its Hive starts."""
    write_source(folder, step=step, serve=serve)
    others = ":".join(path for path in sys.path if path and not (Path(path) / "mosaic").is_dir())
    program = folder / "python"
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{folder}:{others}" exec "{sys.executable}" "$@"\n')
    program.chmod(0o755)
    return program


def write_source(folder: Path, *, step: str = "", serve: str = "") -> None:
    """Write its source alone into `folder`/mosaic."""
    from mosaic.adapters.sql import migrations

    source = Path(mosaic.__file__).parent
    shutil.copytree(source, folder / "mosaic", ignore=shutil.ignore_patterns("__pycache__"))
    there = folder / "mosaic/adapters/sql/migrations"
    old, new = migrations.NEWEST, f"{int(migrations.NEWEST) + 1:04}"
    written = (there / "__init__.py").read_text()
    (there / "__init__.py").write_text(written.replace(f'NEWEST = "{old}"', f'NEWEST = "{new}"'))
    (there / f"versions/{new}_later.py").write_text(_STEP.format(old=old, new=new, more=step))
    serving = folder / "mosaic/hive/serve.py"
    serving.write_text(serving.read_text() + f"\n{serve}\n")
