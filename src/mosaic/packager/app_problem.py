"""One thing that is wrong with an app's folder, at its place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AppProblem:
    """`line` is counted from 1; None where a file as a whole is meant."""

    file: str
    line: int | None
    sentence: str
    hint: str

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.sentence}"
