"""The systemd units of one state folder, as text.

Three services, so that each can be restarted without the others. A restart of
the Device or of the storage daemon leaves the apps running: only their own
process is ended (`KillMode=process`). The Device starts once it has an
identity, which the path unit waits for.
"""

from collections.abc import Mapping, Sequence

from mosaic.cli.up.layout import Layout
from mosaic.cli.up.services import MOSAIC, device_options, hive_options, storage_options
from mosaic.cli.up.settings import Settings

SERVICES = ("mosaic-storage.service", "mosaic-hive.service", "mosaic-device.service")
PATHS = ("mosaic-device.path",)

_WRITTEN_BY = "# Written by `mosaic up --install`; `mosaic up --uninstall` removes it."

_SERVICE = """\
{written_by}
[Unit]
Description={description}
After={after}
Wants={wants}
StartLimitIntervalSec=0
{unit}
[Service]
Type={type}
ExecStart={command}
Restart=always
RestartSec=2
KillMode={kill_mode}
TimeoutStopSec=60
UMask=0077
LimitNOFILE=20000
{service}
[Install]
WantedBy=multi-user.target
"""

_PATH = """\
# Written by `mosaic up --install`; `mosaic up --uninstall` removes it.
[Unit]
Description=Mosaic: start the Device once it has joined a Hive

[Path]
PathExists={identity}
Unit=mosaic-device.service

[Install]
WantedBy=multi-user.target
"""


def units(layout: Layout, settings: Settings) -> Mapping[str, str]:
    """Return file name → content."""
    return {
        "mosaic-storage.service": storage_unit(storage_options(layout, settings)),
        "mosaic-hive.service": _SERVICE.format(
            written_by=_WRITTEN_BY,
            type="exec",
            description="Mosaic: Hive and Console",
            after="network-online.target",
            wants="network-online.target",
            unit="",
            command=command(("hive", "serve", *hive_options(layout, settings))),
            kill_mode="mixed",
            service=f"NoNewPrivileges=yes\nProtectSystem=strict\nReadWritePaths={_written(layout, settings)}\n"
            "PrivateTmp=yes\n",
        ),
        "mosaic-device.service": _SERVICE.format(
            written_by=_WRITTEN_BY,
            type="exec",
            description="Mosaic: Device",
            after="docker.service mosaic-storage.service mosaic-hive.service",
            wants="docker.service mosaic-storage.service",
            unit=f"ConditionPathExists={escaped(str(layout.identity))}\n",
            command=command(("device", "run", *device_options(layout, settings))),
            kill_mode="process",
            service="",
        ),
        "mosaic-device.path": _PATH.format(identity=escaped(str(layout.identity))),
    }


def _written(layout: Layout, settings: Settings) -> str:
    """Return where the Hive may write. A disk that is not there must not keep it from starting."""
    copies = settings.backup_folder
    return quoted(str(layout.hive)) + (f" -{quoted(str(copies))}" if copies else "")


def storage_unit(options: Sequence[str], *, written_by: str = _WRITTEN_BY) -> str:
    """Return the unit of a storage daemon: ready, with its pool attached, before the engine starts any container."""
    return _SERVICE.format(
        written_by=written_by,
        # The daemon says when its sockets answer. Before that the engine would find volumes that it remembers missing.
        type="notify",
        description="Mosaic: encrypted volumes",
        # Stores may be in the network, or be a share. Nothing is waited for that would not start anyway.
        after="local-fs.target remote-fs.target network-online.target",
        wants="",
        unit="Before=docker.service\n",
        command=command(("storage", "serve", *options)),
        kill_mode="process",
        service="TimeoutStartSec=300\n",
    )


def command(words: Sequence[str]) -> str:
    """Return a command line as systemd reads it."""
    return " ".join(quoted(word) for word in (*MOSAIC, *words))


def quoted(word: str) -> str:
    """Return one word for a command line: specifiers and variables switched off, quoted where needed."""
    plain = escaped(word).replace("$", "$$")
    if plain and not set(plain) & set(" \t\"'\\;"):
        return plain
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def escaped(text: str) -> str:
    """Return text in which systemd sees no specifiers."""
    return text.replace("%", "%%")
