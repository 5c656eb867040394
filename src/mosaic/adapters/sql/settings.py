"""What the Hive remembers about itself, by name: its term, above all."""

from sqlalchemy import select, update

from mosaic.adapters.sql import schema
from mosaic.adapters.sql.engine import Tx

_hive = schema.hive.c


def get(tx: Tx, name: str) -> str | None:
    """Return what was put under the name, None before."""
    return tx.scalar(select(_hive.value).where(_hive.name == name))


def put(tx: Tx, name: str, value: str) -> None:
    """Write the value in place of an older one."""
    written = tx.execute(update(schema.hive).where(_hive.name == name).values(value=value))
    if not written.rowcount:
        tx.execute(schema.hive.insert().values(name=name, value=value))
