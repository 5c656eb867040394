"""The systemd units of one state folder, as text.

Four services, so that each can be restarted without the others. A restart of
the Device or of the storage daemon leaves the apps running: only their own
process is ended (`KillMode=process`). The Device starts once it has an
identity. The path unit waits for that file to be written, and not for it to be
there: that would start a Device again that somebody stopped.
"""

from collections.abc import Mapping, Sequence

from mosaic.cli.up.layout import Layout
from mosaic.cli.up.own_gateway import starting_words
from mosaic.cli.up.services import MOSAIC, device_options, front_words, hive_options, storage_options
from mosaic.cli.up.settings import Settings
from mosaic.core.errors import REFUSED_CODE
from mosaic.device.front_folder import FrontFolder

SERVICES = ("mosaic-storage.service", "mosaic-hive.service", "mosaic-front.service", "mosaic-device.service")
PATHS = ("mosaic-device.path",)
DEVICE = "mosaic-device.service"
FRONT = "mosaic-front.service"
GATEWAY = "mosaic-gateway.service"
"""There where a gateway runs beside the Hive."""

REPLACER = "mosaic-device-upgrade.service"
"""Enabled while the Device upgrades itself; the next upgrade writes it anew."""

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
RestartSec={pause}
KillMode={kill_mode}
TimeoutStopSec=60
UMask=0077
LimitNOFILE=20000
{service}
[Install]
WantedBy=multi-user.target
"""

_REPLACER = """\
{written_by}
[Unit]
Description=Mosaic: an upgrade of the Device
After=docker.service
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={command}
Restart=on-failure
RestartSec=2
UMask=0077

[Install]
WantedBy=multi-user.target
"""

_PATH = """\
# Written by `mosaic up --install`; `mosaic up --uninstall` removes it.
[Unit]
Description=Mosaic: start the Device once it has joined a Hive

[Path]
PathChanged={identity}
Unit=mosaic-device.service

[Install]
WantedBy=multi-user.target
"""


def units(layout: Layout, settings: Settings) -> Mapping[str, str]:
    """Return file name → content."""
    routes = escaped(str(FrontFolder(layout.front).kept))
    gateway = {GATEWAY: _gateway_unit(layout)} if settings.gateway_host is not None else {}
    return {
        **gateway,
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
            pause="2",
            service=f"NoNewPrivileges=yes\nProtectSystem=strict\nReadWritePaths={_written(layout, settings)}\n"
            "PrivateTmp=yes\n",
        ),
        "mosaic-front.service": _SERVICE.format(
            written_by=_WRITTEN_BY,
            type="exec",
            description="Mosaic: LAN front",
            after="network.target",
            wants="",
            # Emptied, it ended with its Device; one that was never told anything starts all the same.
            unit=f"ConditionPathExists=|!{routes}\nConditionFileNotEmpty=|{routes}\n",
            command=command(front_words(layout)),
            kill_mode="mixed",
            # Whoever asks by name is refused meanwhile.
            pause="1",
            # It starts with nothing to lose: no key, no engine, one folder.
            service=f"RestartPreventExitStatus={REFUSED_CODE}\nCapabilityBoundingSet=\nNoNewPrivileges=yes\n"
            f"ProtectSystem=strict\nReadWritePaths={quoted(str(layout.front))}\nPrivateTmp=yes\n",
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
            pause="2",
            service="",
        ),
        "mosaic-device.path": _PATH.format(identity=escaped(str(layout.identity))),
    }


def _gateway_unit(layout: Layout) -> str:
    return _SERVICE.format(
        written_by=_WRITTEN_BY,
        type="exec",
        description="Mosaic: gateway",
        after="network-online.target mosaic-hive.service",
        wants="network-online.target",
        unit="",
        command=command(starting_words(layout)),
        kill_mode="mixed",
        pause="2",
        # Its options may ask for an interface, and the programs of that write below /run.
        service="ProtectSystem=full\nProtectHome=yes\nPrivateTmp=yes\n",
    )


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
        pause="2",
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


def replacer_unit(layout: Layout, program: str) -> str:
    """Return the unit that goes on with an upgrade of the Device, after a reboot too, by the Python before."""
    words = ("device-replacer", "--state", str(layout.state))
    return with_program(_REPLACER.format(written_by=_WRITTEN_BY, command=command(words)), program)


def with_programs(units: Mapping[str, str], programs: Mapping[str, str]) -> dict[str, str]:
    """Return units in which each service that is named is run by another Python."""
    named = {f"mosaic-{service}.service": program for service, program in programs.items()}
    return {name: with_program(text, named[name]) if name in named else text for name, text in units.items()}


def with_program(unit: str, program: str) -> str:
    """Return a unit that we wrote with another Python at the beginning of its command line."""
    lines = unit.splitlines(keepends=True)
    changed = [
        f"ExecStart={quoted(program)}{_after_program(line)}" if line.startswith("ExecStart=") else line
        for line in lines
    ]
    return "".join(changed)


def program_of(unit: str) -> str:
    """Return the Python at the beginning of the command line of a unit that we wrote."""
    line = next(line for line in unit.splitlines() if line.startswith("ExecStart="))
    word = line.removeprefix("ExecStart=").partition(" -m mosaic.cli.main")[0]
    plain = word[1:-1].replace('\\"', '"').replace("\\\\", "\\") if word.startswith('"') else word
    return plain.replace("$$", "$").replace("%%", "%")


def _after_program(line: str) -> str:
    _, marker, words = line.partition(" -m mosaic.cli.main")
    return marker + words
