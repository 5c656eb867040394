"""The one-time code that proves, at the first start, that somebody can read the Hive's machine."""

from pathlib import Path

from mosaic.adapters.private_file import write_private
from mosaic.core.errors import Refused
from mosaic.crypto import tokens


class SetupDone(Refused):
    """The Hive has its account already."""

    code = "setup-done"

    def __init__(self) -> None:
        super().__init__("this Hive has been set up already", hint="log in; `mosaic login` or the Console's login page")


class SetupCodeWrong(Refused):
    """The code is not the one that was printed."""

    code = "setup-code-wrong"

    def __init__(self) -> None:
        super().__init__(
            "this is not the set-up code", hint="`mosaic up` prints it; it is also in the file setup-code in its state"
        )


def offer(path: Path, wanted: str | None) -> None:
    """Write the code for `mosaic up` to show: `wanted`, or the one there is, or a new one."""
    if wanted is not None:
        write_private(path, f"{wanted}\n".encode())
    elif not path.exists():
        write_private(path, f"{tokens.new_code()}\n".encode())


def check(path: Path, code: str) -> None:
    """Return when it is the code. Raises SetupCodeWrong."""
    try:
        right = path.read_text().strip()
    except FileNotFoundError:
        raise SetupCodeWrong from None
    if not tokens.same(code.strip().lower(), right.lower()):
        raise SetupCodeWrong


def withdraw(path: Path) -> None:
    """Remove the code: there is an account now."""
    path.unlink(missing_ok=True)
