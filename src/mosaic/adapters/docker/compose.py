"""The words of `docker compose` commands. Pure: `mosaic.adapters.process` runs them.

Every word that comes from outside is checked here, so that no value can be
read as an option, whoever calls (G8). The file is always a rendered one: it
is complete, so neither the environment nor an `.env` file may change it. But
compose fills in the package's own `env_file`s as well, from whatever
environment it runs in: that is `INHERITED`, and nothing else.
"""

import re
from pathlib import Path

from mosaic.adapters.docker.words import ENGINE, IMAGE, Argv, WordRefused, checked

MAX_LOG_LINES = 2000

INHERITED = frozenset({"PATH", "HOME", "DOCKER_CONFIG"})
"""What a `docker compose` command may see of our environment: where it finds itself, its plugins and their settings.

An app can read it, so it has nothing secret: no proxy with its password, no token of whoever started the Device.
`pull` sees everything: it reads nothing of the app's, and a login helper may need any of it.
"""

_PROJECT = re.compile(r"[a-z0-9][a-z0-9_-]{0,80}")
_SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def up(engine: str, project: str, file: Path) -> Argv:
    """Create and start the containers. Nothing is built or pulled: images were pinned before."""
    return [*_compose(engine, project, file), "up", "--detach", "--no-build", "--pull", "never", "--remove-orphans"]


def stop(engine: str, project: str, file: Path, *, grace_seconds: int) -> Argv:
    """Stop the containers and keep them."""
    return [*_compose(engine, project, file), "stop", "--timeout", str(int(grace_seconds))]


def down(engine: str, project: str, file: Path, *, grace_seconds: int) -> Argv:
    """Stop and remove the containers and networks. Volumes stay: they hold the only copy of recent data."""
    words = ["down", "--timeout", str(int(grace_seconds)), "--remove-orphans"]
    return [*_compose(engine, project, file), *words]


def logs(engine: str, project: str, file: Path, *, service: str | None, lines: int) -> Argv:
    """Print the last lines of one service, or of all."""
    bounded = max(1, min(int(lines), MAX_LOG_LINES))
    words = [*_compose(engine, project, file), "logs", "--no-color", "--tail", str(bounded)]
    return words if service is None else [*words, "--", checked("a service", service, _SERVICE)]


def execute(engine: str, project: str, file: Path, *, service: str, command: Argv) -> Argv:
    """Run a command in a service's container, without a terminal.

    Compose takes no option behind the service's name: from there on every word is the command's own.
    """
    if not command or command[0].startswith("-") or any("\0" in word for word in command):
        raise WordRefused("a command", command[0] if command else "")
    words = ["exec", "--no-TTY", "--", checked("a service", service, _SERVICE)]
    return [*_compose(engine, project, file), *words, *command]


def version(engine: str) -> Argv:
    """Print the version of the compose plugin."""
    return ["docker", "--host", checked("an engine's address", engine, ENGINE), "compose", "version", "--short"]


def pull(engine: str, reference: str) -> Argv:
    """Fetch an image. The command line knows the user's registry logins."""
    host = checked("an engine's address", engine, ENGINE)
    return ["docker", "--host", host, "pull", "--quiet", "--", checked("an image", reference, IMAGE)]


def project_name(device: str, installation: str) -> str:
    """Return the project of an installation on a Device, so that two Devices on one engine never meet."""
    return checked("a project", f"mosaic-{device[:8]}-{installation}", _PROJECT)


def _compose(engine: str, project: str, file: Path) -> Argv:
    host = checked("an engine's address", engine, ENGINE)
    if not file.is_absolute():
        raise WordRefused("the path of a compose file", str(file))
    name = checked("a project", project, _PROJECT)
    # `--env-file` ends the search for an `.env` beside the file.
    return [
        *("docker", "--host", host, "compose", "--ansi", "never", "--progress", "quiet"),
        *("--env-file", "/dev/null", "--project-name", name, "--file", str(file)),
    ]
