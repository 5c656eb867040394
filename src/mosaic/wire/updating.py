"""An app is given another version: what the Hive asks of a Device for it, and what the Device says of it."""

from typing import Literal

import msgspec

from mosaic.wire.storage import Failure

GATE_SECONDS = 30
"""So long a new version must be well before it counts, unless its owner chose otherwise."""

Stage = Literal["fetching", "fetched", "saving", "trying", "going-back", "done", "failed"]
"""
fetching    the new version is fetched and checked; the old one runs
fetched     it is here; the app is stopped by its owner, and the update goes on when it runs again
saving      the entrance is closed, the app stopped; the last of its data is being replicated
trying      the new version runs behind the closed entrance; nothing that it writes is in any head
going-back  it was not well; the version before is put back, with its data
done        it was well for as long as it had to be: this Device runs it from now on
failed      the version before runs again, with its data
"""


class Update(msgspec.Struct, frozen=True):
    """The wish that an installation runs `app_digest` instead of the assignment's own, which stays until it does.

    Carried out once by its `id`. `catalog` and `approval` (hex) say who vouches for the new version, `images` are
    what its services were pinned to, when it ran before.
    """

    id: str
    app_digest: str
    gate_seconds: int = GATE_SECONDS
    catalog: str = ""
    approval: str = ""
    images: dict[str, str] = {}


class UpdateState(msgspec.Struct, frozen=True):
    """How an update goes on its Device. `failure` says why it failed, for people; log lines stay on the Device.

    `kept` is the conflict snapshot with what was written in the trial; None when nothing was.
    """

    id: str
    stage: Stage
    failure: Failure | None = None
    kept: str | None = None
