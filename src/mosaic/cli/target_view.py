"""How a Target is shown: who it is for, and the seed's table of its apps."""

from collections.abc import Mapping, Sequence

from mosaic.core.roll_out import RollOut
from mosaic.core.target import Target, instant

_COLUMNS = ("COMPOSE APP", "VERSION")


def app_table(apps: Mapping[str, str]) -> str:
    """Return one row for each app with its uri, under the two columns of seed 002, in plain text."""
    rows = [_COLUMNS, tuple("-" * len(column) for column in _COLUMNS), *sorted(apps.items())]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name.ljust(width)} {version}" for name, version in rows)


def target_page(targets: Sequence[Target]) -> str:
    """Return a version's Targets one below the other, each with its table."""
    return "\n\n".join("\n".join([*_heading(target), "", app_table(target.apps)]) for target in targets)


def _heading(target: Target) -> list[str]:
    lines = [
        f"## Target: {target.path}",
        f"Created: {instant(target.created_at)}",
        f"Channel: {target.channel}",
        f"Hardware: {target.hardware}",
    ]
    if target.commit is not None:
        lines.append(f"Commit: {target.commit}")
    return [*lines, f"Roll-out: {roll_out_words(target.roll_out)}"]


def roll_out_words(roll_out: RollOut) -> str:
    """Say who takes a Target, in a few words."""
    share = "every Device" if roll_out.percentage == 100 else f"{roll_out.percentage} % of Devices"
    groups = ", ".join(sorted(roll_out.groups))
    who = f"{share}, and all of {groups}" if groups and roll_out.percentage < 100 else share
    return f"paused; meant for {who}" if roll_out.paused else who
