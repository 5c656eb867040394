"""What a Device is told about the apps that it may take: its kind of machine, its group, folders that it trusts."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Targets:
    """None and no folders: nothing was said about it."""

    hardware: str | None = None
    group: str | None = None
    trusted: tuple[Path, ...] = ()
