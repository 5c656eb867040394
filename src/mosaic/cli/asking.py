"""Asking a person for what must not be typed as an option: passwords and passphrases.

A secret comes from a file that the caller names, or from the terminal without
an echo. Never from argv, which everybody on the machine can read.
"""

import sys
from pathlib import Path

import click

from mosaic.core.errors import Refused


class NothingToAskOn(Refused):
    """A question needs a person, and there is no terminal."""

    code = "no-terminal"

    def __init__(self, what: str, option: str) -> None:
        super().__init__(
            f"the {what} is needed, and there is no terminal to ask for it on",
            hint=f"run the command in a terminal, or name a file that holds it with `{option}`",
        )


class FileIsNotText(Refused):
    """A file that should hold a password or a passphrase holds something else."""

    code = "file-is-not-text"

    def __init__(self, what: str, file: Path) -> None:
        super().__init__(f"{file} is not text, so it holds no {what}", hint="save it as UTF-8, the secret alone in it")


def secret(what: str, *, file: Path | None, option: str, twice: bool = False) -> str:
    """Return a secret from `file`, or ask for it on the terminal."""
    if file is not None:
        try:
            return file.read_text("utf-8").strip("\r\n")
        except UnicodeDecodeError:
            raise FileIsNotText(what, file) from None
    if not sys.stdin.isatty():
        raise NothingToAskOn(what, option)
    answer: str = click.prompt(what.capitalize(), hide_input=True, confirmation_prompt=twice, err=True)
    return answer


def secret_if_any(what: str) -> str | None:
    """Ask on the terminal, without an echo; None for an empty answer."""
    answer: str = click.prompt(what, hide_input=True, err=True, default="", show_default=False)
    return answer or None


def agree(question: str, *, yes: bool) -> bool:
    """Return whether a person agrees; `yes` answers for them. Without a terminal nobody agrees."""
    if yes:
        return True
    return sys.stdin.isatty() and click.confirm(question, err=True)
