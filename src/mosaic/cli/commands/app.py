"""Where the commands about making apps are: `mosaic app init|check|show|build|import|…`."""

import click

from mosaic.cli.imported_later import ImportedLater

OTHERS = {
    "init": ("app_init", "init", "Write a starting point for an app."),
    "check": ("app_check", "check", "Say everything that is wrong with an app's folder."),
    "show": ("app_show", "show", "Show what is in a package, and what it asks for."),
    "build": ("app_build", "build", "Make an app's package from its folder."),
    "import": ("app_import", "import_", "Take an app of your own into your catalog, signed by your owner key."),
    "export": ("app_export", "export", "Write an app with what it is signed by to a file."),
    "remove": ("app_remove", "remove", "Take an app of your own off the catalog."),
    "publish": ("app_publish", "publish", "Publish an app repository as one signed Target."),
    "watch": ("app_watch", "watch", "Publish each new commit of a branch."),
    "keys": ("app_keys", "keys", "Make, renew and change the keys that sign Targets."),
}


class AppCommands(ImportedLater):
    """The commands of `OTHERS`."""

    others = OTHERS


@click.group(cls=AppCommands)
def app() -> None:
    """Begin, check, build, import and publish apps of your own."""
