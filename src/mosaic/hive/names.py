"""Names that people give: to Devices, installations and accounts.

Names of Devices and installations become part of host names, container and
driver names, as those of apps do: `core.app_name` has the rule for all of them.
"""

import re
from collections.abc import Container

from mosaic.core.app_name import LONGEST, RULE, is_app_name, nearest
from mosaic.core.errors import Refused

_ACCOUNT = re.compile(r"[^\W_](?:[\w.@+ -]{0,62}[\w])?")


class NameUnusable(Refused):
    """The name cannot be part of a host name."""

    code = "name-unusable"

    def __init__(self, name: str) -> None:
        suggestion = fold(name)
        super().__init__(
            f"{name[:80]!r} cannot be a name: use {RULE}",
            hint=f"try {suggestion!r}" if suggestion else "try a name such as 'attic'",
        )


class AccountNameUnusable(Refused):
    """The name cannot be an account's."""

    code = "account-name-unusable"

    def __init__(self) -> None:
        super().__init__(
            "an account's name has 1–64 letters, digits, spaces or any of . @ + - _",
            hint="try a name such as 'ada'",
        )


def check(name: str) -> str:
    """Return the name. Raises NameUnusable."""
    if not is_app_name(name):
        raise NameUnusable(name)
    return name


def check_account(name: str) -> str:
    """Return the account's name. Raises AccountNameUnusable."""
    if not _ACCOUNT.fullmatch(name):
        raise AccountNameUnusable
    return name


def fold(text: str) -> str:
    """Return the nearest usable name, for instance of a machine's host name; empty when nothing of it is usable."""
    return nearest(text)


def free(name: str, taken: Container[str]) -> str:
    """Return `name`, or the first of `name-2`, `name-3`, … that is not taken."""
    if name not in taken:
        return name
    number = 2
    while (candidate := f"{name[: LONGEST - len(str(number)) - 1].rstrip('-')}-{number}") in taken:
        number += 1
    return candidate
