"""The `mosaic` command: finds the command's file, runs it, and says how it ended.

Only the file of the command that was typed is imported, so that `--help` is
quick and the supervisor of `mosaic up` stays small. Every refusal becomes one
sentence and a hint on stderr (an object on stdout with `--json`).

Exit codes: 0 done, 1 refused or failed, 2 the command was not understood.
"""

import importlib
import os
import sys
from typing import NoReturn

import click

from mosaic.core.errors import MosaicError

# Command → module of mosaic.cli.commands, its attribute, and the help line (so that help imports nothing).
COMMANDS = {
    "up": ("up", "up", "Run the Hive, the storage daemon and a Device on this machine."),
    "upgrade": ("upgrade", "upgrade", "Upgrade the Hive of `mosaic up`; when that is not well, nothing has changed."),
    "hive": ("hive", "hive", "Run a Hive alone, or reset its password."),
    "device": ("device", "device", "Run, add, list and remove Devices."),
    "storage": ("storage", "storage", "Run a storage daemon alone."),
    "gateway": ("gateway", "gateway", "Run a gateway, and say which Hives may have links routed."),
    "login": ("login", "login", "Log this machine's command line in to a Hive."),
    "logout": ("login", "logout", "Forget the login on this machine and at the Hive."),
    "whoami": ("login", "whoami", "Say which Hive and account this machine is logged in to."),
    "passphrase": ("passphrase", "passphrase", "Set or change the passphrase that unlocks the data."),
    "keys": ("keys", "keys", "Renew the root key, after a Device was lost or stolen."),
    "recovery-kit": ("passphrase", "recovery_kit", "Show the recovery kit, to print and to keep."),
    "catalog": ("catalog", "catalog", "The apps that can be installed, and the catalogs they come from."),
    "app": ("app", "app", "Begin, check, build, import and publish apps of your own."),
    "target": ("target", "target", "List and show the signed versions of a repository."),
    "install": ("install", "install", "Install an app from the catalog."),
    "apps": ("apps", "apps", "List the installed apps."),
    "show": ("apps", "show", "Show one installed app."),
    "start": ("run_state", "start", "Start an installed app."),
    "stop": ("run_state", "stop", "Stop an installed app; its data is replicated first."),
    "restart": ("run_state", "restart", "Stop an installed app and start it again."),
    "update": ("update", "update", "Update an app; when the new version is not well, nothing has changed."),
    "rollback": ("rollback", "rollback", "Go back to a version of an app that ran before, and to its data."),
    "policy": ("policy", "policy", "List and change what an app may do beyond policy."),
    "actions": ("actions", "actions", "List what an app lets you do in it, and do it."),
    "logs": ("logs", "logs", "Show the last lines that an app wrote."),
    "move": ("move", "move", "Move an app with its data to another Device."),
    "uninstall": ("trash", "uninstall", "Uninstall an app; its data stays in the trash for 30 days."),
    "trash": ("trash", "trash", "List and restore uninstalled apps."),
    "lan": ("lan", "lan", "Reach apps from other machines of your own network."),
    "link": ("link", "link", "Reach apps from anywhere, by names of their own."),
    "volume": ("volume", "volume", "List encrypted volumes, look into their past, and prove that it comes back."),
    "audit": ("audit", "audit", "List and verify what was ordered of your Devices."),
    "doctor": ("doctor", "doctor", "Check this machine and the way to the Hive."),
}

# What `mosaic up` and a Device start for a moment, and what the image of a link runs.
HIDDEN = {
    "up-welcome": ("up_parts", "welcome"),
    "up-settle": ("up_parts", "settle"),
    "up-forget": ("up_parts", "forget"),
    "up-front": ("up_parts", "front"),
    "up-gateway": ("up_parts", "gateway"),
    "link-run": ("link_container", "run"),
    "link-health": ("link_container", "health"),
    "device-replacer": ("device_replacer", "replacer"),
}


class Commands(click.Group):
    """The commands of `COMMANDS`, each imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click gives it)
        """Return the names in the order in which people meet them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 (click gives it)
        """Import one command."""
        if cmd_name in HIDDEN:
            module, attribute = HIDDEN[cmd_name]
        elif cmd_name in COMMANDS:
            module, attribute, _ = COMMANDS[cmd_name]
        else:
            return None
        command = getattr(importlib.import_module(f"mosaic.cli.commands.{module}"), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 (click gives it)
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="mosaic", message="mosaic %(version)s")
def mosaic() -> None:
    """Self-hosted apps that survive the death of their machine.

    Begin with `mosaic up --demo`. Every command that answers takes --json.
    """


def main() -> NoReturn:
    """Run the command line and exit."""
    sys.exit(run(sys.argv[1:]))


def run(words: list[str]) -> int:
    """Run one command and return its exit code."""
    as_json = "--json" in words
    try:
        # Commands return nothing; what comes back is the code with which one ended early.
        ended = mosaic.main(words, prog_name="mosaic", standalone_mode=False)
        return ended if isinstance(ended, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        # Somebody who types a group alone asks what is in it.
        click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        return _fail("usage", error.format_message(), _usage_hint(error), code=2, as_json=as_json)
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted", "interrupted", "", code=1, as_json=as_json)
    except MosaicError as error:
        return _fail(error.code, error.message, error.hint, code=1, as_json=as_json)
    except BrokenPipeError:
        # Whoever read our output has gone; nothing is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _fail("machine", *_machine_says(error), code=1, as_json=as_json)


def _fail(name: str, message: str, hint: str, *, code: int, as_json: bool) -> int:
    if as_json:
        import json

        click.echo(json.dumps({"error": {"code": name, "message": message, "hint": hint}}, ensure_ascii=False))
        return code
    click.echo(click.style("error: ", fg="red", bold=True) + message, err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)
    return code


def _usage_hint(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"`{context.command_path} --help` shows what it takes" if context else "`mosaic --help` lists the commands"


def _machine_says(error: OSError) -> tuple[str, str]:
    where = f"{error.filename}: " if error.filename else ""
    said = f"{where}{error.strerror or error}"
    if isinstance(error, PermissionError):
        return said, "run the command as root (with sudo)"
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return said, "free some space on that disk and run the command again; nothing was lost"
    return said, "`mosaic doctor` checks this machine"


if __name__ == "__main__":
    main()
