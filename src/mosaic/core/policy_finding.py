"""One thing that an app asks for and may not have."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """`service` is None for a top-level key. `grant` is what the owner can grant; None when nothing can allow it."""

    service: str | None
    key: str
    reason: str
    grant: str | None = None

    def __str__(self) -> str:
        where = f"service {self.service}, {self.key}" if self.service else self.key
        return f"{where}: {self.reason}"
