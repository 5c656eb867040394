"""Alembic's entry: run the steps inside the transaction that `upgrade` opened."""

from alembic import context

from mosaic.adapters.sql.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,
    render_as_batch=True,
)
context.run_migrations()
