"""A group of commands whose files are imported when they are called: help is quick, and no command pays for another."""

import importlib
from collections.abc import Mapping
from typing import ClassVar

import click

Others = Mapping[str, tuple[str, str, str]]
"""Command → module of mosaic.cli.commands, its attribute, and the help line."""


class ImportedLater(click.Group):
    """The commands that were added to it, and `others`."""

    others: ClassVar[Others] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names, those that were added first."""
        return [*super().list_commands(ctx), *self.others]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in self.others:
            return super().get_command(ctx, cmd_name)
        module, attribute, _ = self.others[cmd_name]
        command = getattr(importlib.import_module(f"mosaic.cli.commands.{module}"), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        own = [(name, self.commands[name].get_short_help_str(80)) for name in super().list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([*own, *((name, line) for name, (_, _, line) in self.others.items())])
