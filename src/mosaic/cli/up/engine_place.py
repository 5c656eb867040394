"""Which engine runs a Device's apps: the machine's, or in isolated mode one of its own."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.adapters.machine import has_tun
from mosaic.cli.up.layout import Layout
from mosaic.device.config import DEFAULT_ENGINE, DEFAULT_PLUGINS

if TYPE_CHECKING:
    from mosaic.core.device_container import Container


@dataclass(frozen=True, slots=True)
class EnginePlace:
    """Where the engine answers, finds volume drivers (as a path here), and takes ports (None: they are the machine's).

    `own_engine` is its container where the Device keeps that running. `has_tun` says that it can give containers the
    device of tunnels; an engine of one's own has no devices. The fields are those of `DeviceConfig`.
    """

    engine: str
    plugins: Path
    lent_ports: Path | None = None
    own_engine: "Container | None" = None
    has_tun: bool = False


def engine_place(layout: Layout, *, driver: str, has_own_engine: bool) -> EnginePlace:
    """Return where the engine is of the Device of this state folder and volume driver."""
    is_contained = os.environ.get("MOSAIC_CONTAINER") == "1"
    # Neither is imported at the top: a Device on the machine itself does not need them in its memory.
    if has_own_engine:
        container = None
        if is_contained:
            from mosaic.cli.up import own_engine
            from mosaic.cli.up.settings import Settings

            container = own_engine.contained(layout, Settings(driver=driver))
        return EnginePlace(f"unix://{layout.engine_socket}", layout.engine_plugins, layout.engine_ports, container)
    if is_contained:
        from mosaic.core.device_container import PLUGINS

        return EnginePlace(DEFAULT_ENGINE, Path(PLUGINS), has_tun=has_tun(is_contained=True))
    return EnginePlace(DEFAULT_ENGINE, DEFAULT_PLUGINS, has_tun=has_tun(is_contained=False))
