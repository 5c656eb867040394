"""Keeping a service's memory small: what it never needs is never imported."""

import sys


def be_lean() -> None:
    """Hide rich from libraries that import it when they find it.

    Some do, for coloured tracebacks that no service prints: 5 MB in each of
    three processes that run for months.
    """
    if "rich" not in sys.modules:
        sys.modules["rich"] = None  # type: ignore[assignment]  # Python's own way to make an import fail
