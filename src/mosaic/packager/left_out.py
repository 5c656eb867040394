"""What of an app's folder stays out of its bundle: its own ignore file says it."""

from collections.abc import Callable
from pathlib import Path

from mosaic.core.ignore_rules import IGNORE_FILE, IgnoreRules, read_ignore_rules
from mosaic.packager.own_file import read_own

LOCK_FILE = "images.lock.json"
"""What was decided for each image when registries could be asked: for builds that can't, and no part of the app."""

_LOCK_FILES = frozenset({LOCK_FILE, f"{LOCK_FILE}.new"})
"""The second is what a build leaves that is killed while it writes the first."""


def ignore_rules_of(folder: Path) -> IgnoreRules:
    """Return the rules of the app in this folder; without a file, nothing. Raises IgnoreRulesBad, AppUnpackable."""
    content = read_own(folder, IGNORE_FILE)
    return IgnoreRules() if content is None else read_ignore_rules(content)


def left_out_of(folder: Path) -> Callable[[str], bool]:
    """Return what says of a path in the app's folder whether it stays out. Raises as `ignore_rules_of`."""
    rules = ignore_rules_of(folder)
    return lambda name: name in _LOCK_FILES or rules.ignores(name)
