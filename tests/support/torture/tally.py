"""What a fault run found: counts, the seed that repeats it, and what did not hold."""

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Tally:
    """One run. `count` faults were wanted; `limit_seconds` ends it before, and is then said."""

    name: str
    seed: int
    count: int
    limit_seconds: float
    figures: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    last: str = ""
    told: Callable[[str], None] = lambda _: None

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    @property
    def out_of_time(self) -> bool:
        return self.seconds > self.limit_seconds

    def fail(self, what: str) -> None:
        """Note what did not hold."""
        self.failures.append(what)
        self.told(f"{self.name}: {what}")

    def check(self, held: object, what: str) -> None:
        """Note `what` unless it held."""
        if not held:
            self.fail(what)

    def line(self) -> str:
        """Say it in one line, for people."""
        figures = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in sorted(self.figures.items()))
        return f"{self.name}: {figures}; seed {self.seed}; {self.seconds:.0f} s; {len(self.failures)} failures"

    def json(self) -> str:
        """Say it in one line, for programs."""
        said: dict[str, object] = {"name": self.name, "wanted": self.count, "seed": self.seed, **self.figures}
        return json.dumps(said | {"seconds": round(self.seconds, 1), "failures": self.failures})
