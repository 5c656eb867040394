"""Waiting for a package that the Hive fetches before it does what was asked: asked again until it is there."""

import time
from collections.abc import Callable
from typing import TypeVar

from mosaic.cli.output import Output
from mosaic.core.errors import Unavailable

T = TypeVar("T")

_CODE = "package-coming"
_PAUSE_SECONDS = 0.5


def wait_for(out: Output, ask: Callable[[], T]) -> T:
    """Return the answer of `ask`, asked as often as the Hive says that the package is still on its way.

    It ends: the Hive gives up what stops moving, and says so. Ctrl-C ends it here; the Hive goes on fetching.
    """
    said = ""
    while True:
        try:
            return ask()
        except Unavailable as error:
            if error.code != _CODE:
                raise
            if error.message != said:
                out.remark(error.message)
            said = error.message
        time.sleep(_PAUSE_SECONDS)
