"""Fetching an app's bundle: verified whole, extracted beside what is in use."""

import shutil

from mosaic.adapters import bundle
from mosaic.core.errors import Corrupt
from mosaic.device.means import Means
from mosaic.device.outside import ask
from mosaic.device.package import folder_of
from mosaic.wire.assignment import Assignment


class BundleDiffers(Corrupt):
    """What the Hive sent is not the bundle that the assignment names."""

    code = "bundle-differs"

    def __init__(self, expected: str, actual: str) -> None:
        super().__init__(
            f"the Hive sent bundle {actual[:19]}…, and {expected[:19]}… was assigned",
            hint="publish or import the app again; nothing was extracted",
        )


async def fetch(means: Means, item: Assignment) -> int:
    """Have the bundle here, verified; return its size (0 when it was here already)."""
    folder = folder_of(means.config, item)
    size = 0
    if not folder.is_dir():
        content = await ask(means.hive().bundle, item.app_digest)
        actual = bundle.digest(content)
        if actual != item.app_digest:
            raise BundleDiffers(item.app_digest, actual)
        await ask(bundle.unpack, content, folder)
        size = len(content)
    # A folder that is there was verified before it was extracted, and appeared whole.
    notes = means.records.notes_of(item.installation)
    keeps_pins = notes.bundle == item.app_digest
    means.records.note(
        item.installation,
        name=item.name,
        app=item.app,
        bundle=item.app_digest,
        images=notes.images if keeps_pins else {},
    )
    return size


def remove(means: Means, installation: str) -> None:
    """Remove the bundles of an app that no other installation here uses."""
    every = means.records.notes.items()
    ours = every.pop(installation, None)
    if ours is not None and ours.app and not any(notes.app == ours.app for notes in every.values()):
        shutil.rmtree(means.config.apps / ours.app, ignore_errors=True)
