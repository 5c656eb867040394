"""What a Docker engine asks a volume driver, and what it expects back (volume plugin protocol, version 1).

Every request is `POST /VolumeDriver.<verb>` with a JSON body, over the
plugin's UNIX socket. An answer whose `Err` is not empty is a refusal; the
engine shows its text word for word. Field names are the protocol's.

| verb | request | answer |
|---|---|---|
| /Plugin.Activate | – | Activated |
| Create | Create | Answer |
| Remove, Path | Named | Answer, Mounted |
| Mount, Unmount | MountOf | Mounted, Answer |
| Get | Named | Found |
| List | – | Listed |
| Capabilities | – | Capable |
"""

import msgspec

CONTENT_TYPE = "application/vnd.docker.plugins.v1.1+json"


class Named(msgspec.Struct, frozen=True, rename="pascal"):
    """A volume by the engine's name for it."""

    name: str


class Create(msgspec.Struct, frozen=True, rename="pascal"):
    """A new volume. `opts` are the words after `-o`."""

    name: str
    opts: dict[str, str] | None = None


class MountOf(msgspec.Struct, frozen=True, rename="pascal"):
    """A mount. `id` is the engine's name for this one use of the volume."""

    name: str
    id: str = msgspec.field(name="ID", default="")


class Answer(msgspec.Struct, frozen=True, rename="pascal"):
    """Done, or why not."""

    err: str = ""


class Mounted(msgspec.Struct, frozen=True, rename="pascal"):
    """Where the volume lies on the host; empty while it is not mounted."""

    mountpoint: str = ""
    err: str = ""


class VolumeEntry(msgspec.Struct, frozen=True, rename="pascal"):
    """One volume, as `docker volume inspect` shows it."""

    name: str
    mountpoint: str = ""
    status: dict[str, str] = {}


class Found(msgspec.Struct, frozen=True, rename="pascal"):
    """One volume."""

    volume: VolumeEntry | None = None
    err: str = ""


class Listed(msgspec.Struct, frozen=True, rename="pascal"):
    """All volumes of the driver."""

    volumes: list[VolumeEntry] = []
    err: str = ""


class Capability(msgspec.Struct, frozen=True, rename="pascal"):
    """`local`: a volume of this driver exists on this machine only."""

    scope: str = "local"


class Capable(msgspec.Struct, frozen=True, rename="pascal"):
    """What the driver can do."""

    capabilities: Capability = Capability()
    err: str = ""


class Activated(msgspec.Struct, frozen=True, rename="pascal"):
    """Which parts of the engine this plugin serves."""

    implements: list[str] = msgspec.field(default_factory=lambda: ["VolumeDriver"])
