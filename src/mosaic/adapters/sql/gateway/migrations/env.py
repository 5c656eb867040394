"""Alembic's entry for a gateway group's tables: run the steps inside the transaction that is open."""

from alembic import context

from mosaic.adapters.sql.gateway.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="gw_alembic_version",
    transactional_ddl=False,
    render_as_batch=True,
)
context.run_migrations()
