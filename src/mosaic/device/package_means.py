"""Putting together what a Device has of packages: its store, the catalogs that it believes, registries."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.adapters.clock import Clock
from mosaic.core.disk_forecast import DEFAULT_WATERMARK
from mosaic.core.ids import DeviceId
from mosaic.core.target_choice import Taker
from mosaic.device.catalogs import Catalogs
from mosaic.device.config import DeviceConfig
from mosaic.device.means import Owner, Packages
from mosaic.device.packages.store import PackageStore

if TYPE_CHECKING:
    from mosaic.adapters.oci.registries import Registries


def packages_of(
    config: DeviceConfig, owner: Owner, device: str, clock: Clock, *, watermark: int = DEFAULT_WATERMARK
) -> Packages:
    """Return what a Device works with. Its folders are made."""
    catalogs = Catalogs(
        config.trust,
        account=owner.account,
        owner_key=owner.key,
        taker=Taker(config.hardware, DeviceId(device), config.group),
        now_ns=clock.wall_ns,
    )
    store = PackageStore(config.state, now_ns=clock.wall_ns)
    registries = _Registries()
    return Packages(store, catalogs, registries.opened, registries.close, watermark)


class _Registries:
    """Registries, opened when they are first asked for: most Devices never need one."""

    def __init__(self) -> None:
        self._opened: Registries | None = None

    def opened(self) -> "Registries":
        if self._opened is None:
            from mosaic.adapters.oci.credentials import DockerCredentials, docker_config
            from mosaic.adapters.oci.registries import Registries

            # The logins of whoever runs this Device, as `docker login` keeps them.
            self._opened = Registries(DockerCredentials(docker_config(os.environ, Path.home())))
        return self._opened

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
