"""What is kept of an installation's snapshots, as the API says it (`GET` and `PUT /api/installations/{id}/keeping`)."""

import msgspec


class SetKeeping(msgspec.Struct, frozen=True):
    """`rule` is `mosaic.core.keep_rule`'s. One that keeps less needs `agreed`; `dry_run` changes nothing."""

    rule: str
    agreed: bool = False
    dry_run: bool = False


class Keeping(msgspec.Struct, frozen=True):
    """The rule (all of it), and what it does to the snapshots that there are.

    `before` is the rule that was in force; `keeps_less` says that a number is
    lower than there. `stay` snapshots are kept by the rule, the oldest of
    `oldest_ns`; `lets_go` counts those that only the rule before keeps.
    """

    name: str
    rule: str
    is_default: bool
    before: str
    keeps_less: bool
    stay: int
    lets_go: int
    oldest_ns: int | None
