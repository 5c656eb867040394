"""The tables as they are now.

Instants are nanoseconds since 1970 UTC, byte strings are hex, documents are
the JSON of a struct in `mosaic.wire`. No column holds a passphrase, a private
key or a token in clear: verifiers, hashes and ciphertext only (G6).
A change here needs a migration; a test compares the two. The conditions of
partial indexes are named for SQLite alone: PostgreSQL's are the migration's,
because naming them here makes every Hive load that driver (2 MB).
"""

from typing import Any, TypeAlias

import sqlalchemy
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)  # fmt: skip

Condition: TypeAlias = sqlalchemy.ColumnElement[bool]
Row: TypeAlias = "sqlalchemy.Row[*tuple[Any, ...]]"
"""A row of a whole table; its columns have no types, so each module turns it into its own dataclass at once."""
Value: TypeAlias = "str | int | bool | ColumnElement[int] | None"

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

# SQLite numbers rows by itself only in a column that is declared INTEGER.
_Serial = BigInteger().with_variant(Integer, "sqlite")

hive = Table(
    "hive",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("password", Text, nullable=False),
    Column("keys", Text),
    Column("keys_version", Integer, nullable=False, default=0),
    Column("auth_verifier", Text),
    Column("created_ns", BigInteger, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("account", Text, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("browser", Boolean, nullable=False),
    Column("label", Text, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("expires_ns", BigInteger, nullable=False),
)

join_tokens = Table(
    "join_tokens",
    metadata,
    Column("secret_hash", Text, primary_key=True),
    Column("account", Text, ForeignKey("accounts.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("admission", Text),
    Column("expires_ns", BigInteger, nullable=False),
    Column("used_by", Text),
)

devices = Table(
    "devices",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account", Text, ForeignKey("accounts.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("signing_key", Text, nullable=False),
    Column("wrapping_key", Text, nullable=False),
    Column("architecture", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("admission", Text),
    Column("root_for_device", Text),
    Column("proved_passphrase", Boolean, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("removed_ns", BigInteger),
    Column("reported_ns", BigInteger),
    Column("report", Text),
    Column("key_proof", Text),
    Index(
        "uq_devices_name",
        "account",
        "name",
        unique=True,
        sqlite_where=text("removed_ns IS NULL"),
    ),
)

sessions = Table(
    "sessions",
    metadata,
    Column("device", Text, ForeignKey("devices.id"), primary_key=True),
    Column("session", Text, primary_key=True),
    Column("newest", Boolean, nullable=False),
    Column("token_hash", Text, unique=True),
    Column("started_ns", BigInteger, nullable=False),
)

installations = Table(
    "installations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account", Text, ForeignKey("accounts.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("app", Text, nullable=False),
    Column("app_digest", Text, nullable=False),
    Column("config", Text, nullable=False),
    Column("config_revision", Integer, nullable=False),
    Column("open", Boolean, nullable=False),
    Column("images", Text, nullable=False),
    Column("ports", Text, nullable=False),
    Column("restart_count", Integer, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    # Where it is (mosaic.core.placement.Placement)
    Column("home", Text, ForeignKey("devices.id"), nullable=False, index=True),
    Column("other", Text, ForeignKey("devices.id")),
    Column("phase", Text, nullable=False),
    Column("wish", Text, nullable=False),
    Column("since_ns", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("goes_back", Boolean, nullable=False),
    Column("arrival_term", BigInteger),
    Column("arrival_n", BigInteger),
    Column("problem", Text),
    # Why the last move did not arrive; the placement forgets it when the app is settled again.
    Column("failure", Text),
    # What the owner granted beyond policy, with the signature (mosaic.wire.grants.PolicyGrant).
    Column("grants", Text),
    # What is kept of its snapshots (mosaic.core.keep_rule); none: the default.
    Column("keeps", Text),
    # The catalog that vouches for its app; none: a folder, or one that the owner approved.
    Column("catalog", Text),
    # The owner's signature over the app's digest (mosaic.wire.approval).
    Column("approval", Text),
    # What people call the version that it runs.
    Column("label", Text, nullable=False, server_default=""),
    # Newer versions are taken by themselves.
    Column("follows", Boolean, nullable=False, server_default=sqlalchemy.false()),
    Index(
        "uq_installations_name",
        "account",
        "name",
        unique=True,
        sqlite_where=text("phase <> 'trashed'"),
    ),
)

leases = Table(
    "leases",
    metadata,
    Column("installation", Text, ForeignKey("installations.id"), primary_key=True),
    Column("term", BigInteger, nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("holder_device", Text),
    Column("holder_session", Text),
    Column("released", Boolean, nullable=False),
    Column("policy", Text, nullable=False),
)

volumes = Table(
    "volumes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("installation", Text, ForeignKey("installations.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("wrapped_seed", Text, nullable=False),
    Column("base", Text),
    Column("newest", Text),
    Column("created_ns", BigInteger, nullable=False),
    UniqueConstraint("installation", "kind"),
)

heads = Table(
    "heads",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("volume", Text, ForeignKey("volumes.id"), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("term", BigInteger, nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("instant_ns", BigInteger, nullable=False),
    Column("signed", LargeBinary, nullable=False),
    Column("accepted_ns", BigInteger, nullable=False),
    # Since when retention does not keep it: for good, its packs may be gone.
    Column("let_go_ns", BigInteger),
    # What the owner called it when he pinned it.
    Column("pin", Text),
    # Two heads of one number would be two histories (G1): the database refuses them by itself.
    UniqueConstraint("volume", "seq"),
)

read_leases = Table(
    "read_leases",
    metadata,
    Column("id", Text, primary_key=True),
    Column("volume", Text, ForeignKey("volumes.id"), nullable=False, index=True),
    Column("head", Text, nullable=False),
    # The number of the newest head when it was given.
    Column("since_seq", BigInteger, nullable=False),
    Column("until_ns", BigInteger, nullable=False),
)

drills = Table(
    "drills",
    metadata,
    # One a snapshot: what a later drill of the same one found takes its place.
    Column("head", Text, primary_key=True),
    Column("volume", Text, ForeignKey("volumes.id"), nullable=False, index=True),
    Column("instant_ns", BigInteger, nullable=False),
    Column("at_ns", BigInteger, nullable=False),
    Column("files", BigInteger, nullable=False),
    Column("content_bytes", BigInteger, nullable=False),
    Column("milliseconds", BigInteger, nullable=False),
    Column("differing", BigInteger, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("account", Text, ForeignKey("accounts.id"), nullable=False),
    Column("at_ns", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Index("ix_events_account", "account", "id"),
    sqlite_autoincrement=True,
)

restores = Table(
    "restores",
    metadata,
    Column("installation", Text, ForeignKey("installations.id"), primary_key=True),
    Column("id", Text, nullable=False),
    Column("volume", Text, ForeignKey("volumes.id"), nullable=False),
    Column("head", Text),
    Column("conflict", Text),
    # The bundle that runs afterwards; the installation has it from the wish's end on.
    Column("app_digest", Text, nullable=False),
    Column("asked_ns", BigInteger, nullable=False),
    Column("ended_ns", BigInteger),
    Column("saved", Text),
    Column("failure", Text),
)

origins = Table(
    "origins",
    metadata,
    Column("installation", Text, ForeignKey("installations.id"), primary_key=True),
    Column("volume", Text, ForeignKey("volumes.id"), nullable=False),
    Column("head", Text, nullable=False),
)

successions = Table(
    "successions",
    metadata,
    Column("installation", Text, ForeignKey("installations.id"), primary_key=True),
    # Its id is chosen first: it is made only when the older one has handed over its last data.
    Column("successor", Text, nullable=False, unique=True),
    Column("asked_ns", BigInteger, nullable=False),
    Column("ended_ns", BigInteger),
    Column("failure", Text),
)

catalogs = Table(
    "catalogs",
    metadata,
    Column("account", Text, ForeignKey("accounts.id"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("channel", Text, nullable=False),
    # The first root, as the owner saw it when he signed.
    Column("root", LargeBinary, nullable=False),
    Column("signature", Text, nullable=False),
    Column("added_ns", BigInteger, nullable=False),
    Column("refreshed_ns", BigInteger),
    Column("problem", Text),
)

own_apps = Table(
    "own_apps",
    metadata,
    Column("account", Text, ForeignKey("accounts.id"), primary_key=True),
    Column("app", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("signature", Text, nullable=False),
    Column("added_ns", BigInteger, nullable=False),
)

updates = Table(
    "updates",
    metadata,
    Column("id", Text, primary_key=True),
    Column("installation", Text, ForeignKey("installations.id"), nullable=False),
    Column("from_digest", Text, nullable=False),
    Column("app_digest", Text, nullable=False),
    Column("catalog", Text),
    Column("approval", Text),
    Column("label", Text, nullable=False),
    Column("gate_seconds", BigInteger, nullable=False),
    # Not asked for by anybody: its installation follows its catalog.
    Column("by_itself", Boolean, nullable=False),
    Column("asked_ns", BigInteger, nullable=False),
    Column("ended_ns", BigInteger),
    # done, failed or called-off
    Column("outcome", Text),
    Column("failure", Text),
    # The conflict snapshot with what was written in the trial.
    Column("kept", Text),
    Index("ix_updates_installation", "installation", "asked_ns"),
    Index("uq_updates_open", "installation", unique=True, sqlite_where=text("ended_ns IS NULL")),
)

generations = Table(
    "generations",
    metadata,
    Column("installation", Text, ForeignKey("installations.id"), primary_key=True),
    Column("n", BigInteger, primary_key=True),
    Column("app_digest", Text, nullable=False),
    Column("catalog", Text),
    Column("approval", Text),
    Column("label", Text, nullable=False),
    Column("images", Text, nullable=False),
    Column("began_ns", BigInteger, nullable=False),
    # The newest head when the next one began: what a rollback goes back to.
    Column("last_head", Text),
)

audit = Table(
    "audit",
    metadata,
    Column("account", Text, ForeignKey("accounts.id"), primary_key=True),
    Column("n", BigInteger, primary_key=True),
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
    # mosaic.core.audit.Entry as JSON
    Column("entry", Text, nullable=False),
)

account_labels = Table(
    "account_labels",
    metadata,
    # Never given to another account, not even when the one that had it is gone: names below it may be in DNS.
    Column("label", Text, primary_key=True),
    Column("account", Text, nullable=False, unique=True),
    Column("chosen_ns", BigInteger, nullable=False),
)

gateways = Table(
    "gateways",
    metadata,
    Column("id", Text, primary_key=True),
    Column("url", Text, nullable=False, unique=True),
    # Of a certificate that no public authority signed: it alone is believed then.
    Column("fingerprint", Text),
    Column("certificate", Text),
    # mosaic.wire.links.GatewayAbout as JSON; none until it lets this Hive in.
    Column("about", Text),
    Column("problem", Text, nullable=False),
    Column("added_ns", BigInteger, nullable=False),
)

links = Table(
    "links",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account", Text, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("installation", Text, ForeignKey("installations.id"), nullable=False),
    Column("gateway", Text, ForeignKey("gateways.id"), nullable=False),
    # The number of the token that its Device gives it.
    Column("token_number", Integer, nullable=False),
    # Whether the token before ends when the next one is known, instead of an overlap later.
    Column("ends_older", Boolean, nullable=False),
    # What gateways shall have (mosaic.wire.links.DesiredLink as JSON), and its number, which only grows.
    Column("revision", BigInteger, nullable=False),
    Column("wanted", Text, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    # Its row stays until every gateway has forgotten it.
    Column("removed_ns", BigInteger),
    Index("uq_links_installation", "installation", unique=True, sqlite_where=text("removed_ns IS NULL")),
)

link_names = Table(
    "link_names",
    metadata,
    Column("link", Text, ForeignKey("links.id"), primary_key=True),
    Column("name", Text, primary_key=True),
    # Under the account's label: it needs no proof.
    Column("given", Boolean, nullable=False),
    # It is routed, and nobody else can have it.
    Column("counts", Boolean, nullable=False),
    # How far its proof goes (mosaic.core.name_proof.Claim)
    Column("state", Text, nullable=False),
    Column("since_ns", BigInteger, nullable=False),
    Column("next_ns", BigInteger, nullable=False),
    Column("looks", Integer, nullable=False),
    Column("warned_ns", BigInteger),
    # Since when it counts without a break; of one that does not, when it was added.
    Column("counts_ns", BigInteger, nullable=False, server_default="0"),
    Index("uq_link_names_name", "name", unique=True, sqlite_where=text("counts")),
    Index("ix_link_names_next_ns", "next_ns"),
)

link_ports = Table(
    "link_ports",
    metadata,
    Column("link", Text, ForeignKey("links.id"), primary_key=True),
    Column("protocol", Text, primary_key=True),
    # What EXPOSE calls it.
    Column("named", Integer, primary_key=True, autoincrement=False),
    # The gateway's own port; 0 leaves the choice to it.
    Column("public", Integer, nullable=False),
    # Of mosaic.core.raw_ports.INNER_PORTS.
    Column("inner", Integer, nullable=False),
    UniqueConstraint("link", "inner"),
)

link_tokens = Table(
    "link_tokens",
    metadata,
    Column("link", Text, ForeignKey("links.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    # Of the secret, which only Devices can derive.
    Column("sha256", Text, nullable=False),
    Column("root_id", Text, nullable=False),
    Column("known_ns", BigInteger, nullable=False),
    Column("until_ns", BigInteger),
)

link_pushes = Table(
    "link_pushes",
    metadata,
    Column("link", Text, ForeignKey("links.id"), primary_key=True),
    Column("gateway", Text, ForeignKey("gateways.id"), primary_key=True),
    Column("taken_revision", BigInteger, nullable=False),
    Column("problem", Text, nullable=False),
    # mosaic.wire.links.LinkStanding as JSON
    Column("standing", Text),
    Column("heard_ns", BigInteger),
)
