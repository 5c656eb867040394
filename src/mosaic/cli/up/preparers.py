"""Who brings another version of the Device here, by how this one is run."""

from typing import TYPE_CHECKING

from mosaic.adapters import log
from mosaic.cli.up import device_contained
from mosaic.cli.up.layout import Layout
from mosaic.core.errors import MosaicError

if TYPE_CHECKING:
    from mosaic.device.upgrading.form import Preparer


def preparer_of(layout: Layout) -> "Preparer | None":
    """Return it; None where nothing could start another version of this Device."""
    if not device_contained.is_contained():
        from mosaic.cli.up.host_preparing import host_preparer

        return host_preparer(layout)
    from mosaic.cli.up.container_preparing import ContainerPreparer

    try:
        return ContainerPreparer(layout)
    except MosaicError as error:
        log.warning("not_upgradable", code=error.code, reason=error.message)
        return None
