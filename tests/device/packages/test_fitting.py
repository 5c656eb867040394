"""An app that does not fit is refused before the first byte."""

from pathlib import Path

import pytest

from mosaic.adapters.disk_room import room_of
from mosaic.core.disk_forecast import NoRoom
from mosaic.core.layer_sizes import LayerSize
from mosaic.core.oci_types import Descriptor, digest_of
from mosaic.device.packages.fitting import require_fits


def test_an_app_larger_than_the_disk_is_refused_and_a_small_one_is_not(tmp_path: Path) -> None:
    blob = Descriptor("application/x", digest_of(b"x"), 1)
    small = [LayerSize(1)]
    require_fits(
        tmp_path, tmp_path / "engine", missing=[(blob, 0)], index=None, bundle_bytes=1, layers=small, watermark=100
    )
    half = LayerSize(1, room_of(tmp_path).total_bytes // 2)
    with pytest.raises(NoRoom, match="free"):
        # Neither by itself is too large; store and engine are on one disk.
        require_fits(
            tmp_path,
            tmp_path / "engine",
            missing=[(Descriptor("application/x", digest_of(b"y"), room_of(tmp_path).total_bytes // 2), 0)],
            index=None,
            bundle_bytes=1,
            layers=[half],
        )
