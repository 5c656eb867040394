"""A command that ended."""

import json
from dataclasses import dataclass
from typing import Any

Json = Any
"""What a program printed or sent; a test that reads it wrongly fails."""


@dataclass(frozen=True)
class Ran:
    """How it ended, and what it printed."""

    code: int
    stdout: str
    stderr: str

    @property
    def value(self) -> Json:
        """What it printed as JSON."""
        return json.loads(self.stdout)
