"""The tables of a gateway group as they are now.

Instants are nanoseconds since 1970 UTC. Of tokens there are hashes only; a
registration's tunnel key is here in clear, because every gateway of the group
has to check it, and it is good for that tunnel alone. A change here needs a
migration; a test compares the two.
"""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, MetaData, Table, Text, text

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

state = Table(
    "gw_state",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

counters = Table(
    "gw_counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

hives = Table(
    "gw_hives",
    metadata,
    Column("key", Text, primary_key=True),
    Column("vouches", Boolean, nullable=False),
    Column("allowed_ns", BigInteger, nullable=False),
)

domains = Table(
    "gw_domains",
    metadata,
    Column("domain", Text, primary_key=True),
    Column("hive", Text, ForeignKey("gw_hives.key"), nullable=False, index=True),
)

links = Table(
    "gw_links",
    metadata,
    Column("id", Text, primary_key=True),
    # Without a foreign key: who removed a Hive still knows whose a removed link was.
    Column("hive", Text, nullable=False, index=True),
    Column("revision", BigInteger, nullable=False),
    Column("wanted", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("epoch", Text, nullable=False),
    Column("change", BigInteger, nullable=False, index=True),
    Column("removed_ns", BigInteger),
)

names = Table(
    "gw_names",
    metadata,
    Column("name", Text, primary_key=True),
    Column("link", Text, ForeignKey("gw_links.id"), nullable=False, index=True),
)

tokens = Table(
    "gw_tokens",
    metadata,
    Column("link", Text, ForeignKey("gw_links.id"), primary_key=True),
    Column("sha256", Text, primary_key=True),
    Column("until_ns", BigInteger),
)

ports = Table(
    "gw_ports",
    metadata,
    Column("protocol", Text, primary_key=True),
    Column("public", Integer, primary_key=True, autoincrement=False),
    Column("link", Text, ForeignKey("gw_links.id"), nullable=False, index=True),
    Column("inner", Integer, nullable=False),
    Column("chosen", Boolean, nullable=False),
)

registrations = Table(
    "gw_registrations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("link", Text, ForeignKey("gw_links.id"), nullable=False, index=True),
    Column("n", BigInteger, nullable=False),
    Column("epoch", Text, nullable=False),
    Column("session", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("public_key", Text),
    Column("number", BigInteger, nullable=False),
    Column("tunnel_key", Text),
    Column("token", Text, nullable=False),
    Column("gateways", Text, nullable=False),
    Column("at_ns", BigInteger, nullable=False),
    Column("superseded_ns", BigInteger),
    Column("ended_ns", BigInteger),
    # Two tunnels with one key or one address would each get half of what is sent.
    Index("uq_gw_registrations_number", "number", unique=True, sqlite_where=text("ended_ns IS NULL")),
    Index("uq_gw_registrations_public_key", "public_key", unique=True, sqlite_where=text("ended_ns IS NULL")),
)

freed = Table(
    "gw_freed",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at_ns", BigInteger, nullable=False, index=True),
)

gateways = Table(
    "gw_gateways",
    metadata,
    Column("name", Text, primary_key=True),
    Column("number", Integer, nullable=False, unique=True),
    Column("about", Text, nullable=False),
    Column("lease_until_ns", BigInteger, nullable=False),
    Column("applied", BigInteger, nullable=False),
)

endpoints = Table(
    "gw_endpoints",
    metadata,
    Column("gateway", Text, primary_key=True),
    Column("public_key", Text, primary_key=True),
    Column("endpoint", Text, nullable=False),
)

seen = Table(
    "gw_seen",
    metadata,
    Column("gateway", Text, primary_key=True),
    Column("link", Text, primary_key=True),
    Column("seen_ns", BigInteger, nullable=False),
    Column("received_bytes", BigInteger, nullable=False),
    Column("sent_bytes", BigInteger, nullable=False),
)
