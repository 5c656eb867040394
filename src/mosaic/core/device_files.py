"""A Device's container as a compose file and as a systemd unit, for those who prefer them to a line.

Both say what `mosaic.core.device_container.run_words` says, and no secret: the
compose file takes the names in `passed` from the environment of
`docker compose` or from the `.env` beside it, the unit from `SECRETS_FILE`.
"""

import json
from dataclasses import replace

from mosaic.core.device_container import KEEPER_LABEL, STATE_LABEL, Container, Mount, run_words
from mosaic.core.errors import REFUSED_CODE

SECRETS_FILE = "/etc/mosaic/device.env"
"""Lines of NAME=value, read by systemd where it is there; only root should be able to read it."""

IMAGE = "MOSAIC_IMAGE"
"""What a unit calls the image that it starts."""

_PLACE = "\0image"

_UNIT = """\
[Unit]
Description=Mosaic: Device in a container
After=docker.service network-online.target
Requires=docker.service
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Environment="{image_variable}={image}"
EnvironmentFile=-{secrets}
EnvironmentFile=-{image_file}
ExecStartPre=-{remove}
ExecStart={run}
ExecStop={stop}
Restart=always
RestartPreventExitStatus={refused}
RestartSec=2
TimeoutStopSec={grace}

[Install]
WantedBy=multi-user.target
"""


def compose_file(container: Container) -> str:
    """Return a compose file with the container as its one service."""
    lines = [
        f"name: {_text(container.name)}",
        "services:",
        "  device:",
        f"    container_name: {_text(container.name)}",
        f"    image: {_text(container.image)}",
    ]
    if container.command:
        lines += _list("command", container.command)
    lines += [f"    restart: {_text(container.restart)}", f"    network_mode: {_text(container.network)}"]
    if container.sees_processes:
        lines.append('    pid: "host"')
    lines += [f"    stop_grace_period: {_text(f'{container.stop_seconds}s')}"]
    lines += _list("cap_drop", ("ALL",))
    lines += _list("cap_add", container.capabilities)
    lines += _list("security_opt", tuple(one.replace("=", ":", 1) for one in container.security))
    lines += _list("devices", tuple(f"{device}:{device}" for device in container.devices))
    lines += _list("device_cgroup_rules", container.device_rules)
    given = tuple(f"{name}={value}" for name, value in container.environment)
    lines += _list("environment", given) if not container.passed else _environment(given, container.passed)
    lines += ["    volumes:", *(line for mount in container.mounts for line in _mount(mount))]
    if container.labels:
        lines += ["    labels:", *(f"      {_text(name)}: {_text(value)}" for name, value in container.labels)]
    return "\n".join(lines) + "\n"


def unit(container: Container, *, docker: str = "/usr/bin/docker") -> str:
    """Return a systemd unit that runs the container in the foreground and starts it anew when it ends.

    One whose join was refused, or that was removed, stays ended: it would be refused again.
    `docker` is the path of the engine's client. The engine itself never restarts the container. The image is that of
    `container`, until the Device has upgraded itself and names another one in its state folder (decision 55).
    """
    file = image_file(container)
    labels = (*container.labels, (KEEPER_LABEL, file))
    words = run_words(replace(container, restart="no", labels=labels, image=_PLACE), detached=False)
    run = [docker, *words[1:2], "--rm", *words[2:]]
    return _UNIT.format(
        secrets=SECRETS_FILE,
        refused=REFUSED_CODE,
        image_variable=IMAGE,
        image=container.image.replace("%", "%%"),
        image_file=file,
        remove=_line([docker, "rm", "--force", container.name]),
        run=" ".join(f"${{{IMAGE}}}" if word == _PLACE else _word(word) for word in run),
        stop=_line([docker, "stop", "--time", str(container.stop_seconds), container.name]),
        grace=container.stop_seconds + 30,
    )


def image_file(container: Container) -> str:
    """Return the file that names another image than the unit does, once the Device has upgraded itself."""
    return f"{dict(container.labels)[STATE_LABEL]}/device/image.env"


def _environment(given: tuple[str, ...], passed: tuple[str, ...]) -> list[str]:
    # A name alone is taken from the environment of `docker compose`, and is left out where that has none.
    return ["    environment:", *(f"      - {_text(one)}" for one in given), *(f"      - {name}" for name in passed)]


def _mount(mount: Mount) -> list[str]:
    lines = [
        "      - type: bind",
        f"        source: {_text(mount.source)}",
        f"        target: {_text(mount.target)}",
    ]
    lines += ["        read_only: true"] if mount.read_only else []
    lines += ["        bind:", f"          create_host_path: {'true' if mount.is_made else 'false'}"]
    return [*lines, *(["          propagation: rshared"] if mount.is_shared else [])]


def _list(key: str, values: tuple[str, ...]) -> list[str]:
    return [f"    {key}:", *(f"      - {_text(value)}" for value in values)] if values else []


def _text(value: str) -> str:
    """Return a scalar in YAML's double quotes. Compose would read a `$` as the beginning of a variable."""
    plain = json.dumps(value.replace("$", "$$"), ensure_ascii=False)
    return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in plain)


def _line(words: list[str]) -> str:
    return " ".join(_word(word) for word in words)


def _word(word: str) -> str:
    """Return one word of a unit's command line: specifiers and variables switched off, quoted where needed."""
    plain = word.replace("%", "%%").replace("$", "$$")
    if plain and not set(plain) & set(" \t\"'\\;"):
        return plain
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
