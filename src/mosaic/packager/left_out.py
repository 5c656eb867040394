"""What of an app's folder stays out of its bundle: its own ignore file says it."""

from pathlib import Path

from mosaic.core.ignore_rules import IGNORE_FILE, IgnoreRules, read_ignore_rules

LOCK_FILE = "images.lock.json"
"""What was decided for each image when registries could be asked: for builds that can't, and no part of the app."""


def ignore_rules_of(folder: Path) -> IgnoreRules:
    """Return the rules of the app in this folder; without a file, nothing else. Raises IgnoreRulesBad."""
    try:
        return read_ignore_rules((folder / IGNORE_FILE).read_bytes())
    except FileNotFoundError:
        return IgnoreRules()
