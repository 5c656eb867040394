"""Looking after the links of an app that runs, without touching the app.

A link that ended is started again, ever more seldom. One that was made with
other names, another token or another epoch than it shall have now is made anew;
of the app's other services only those are that were told its name, when that is
another one. What does not work is said, and tried again.
"""

from mosaic.adapters import log
from mosaic.core.errors import MosaicError
from mosaic.device.doing import bringing_up, preparing
from mosaic.device.doing.starting import note_made
from mosaic.device.lookout import Sight
from mosaic.device.means import Means
from mosaic.device.observe import containers_of, service_sights
from mosaic.device.outside import ask
from mosaic.device.pace import Pace
from mosaic.device.public_way import fingerprint, public_way
from mosaic.wire.assignment import Assignment

LEAST_SECONDS = 5.0
MOST_SECONDS = 300.0


class LinkTending:
    """Looks after one installation's links. `notice` is what does not work, None when all does."""

    def __init__(self, means: Means) -> None:
        self.notice: MosaicError | None = None
        self._means = means
        self._pace = Pace(means.clock, look_seconds=LEAST_SECONDS, most_seconds=MOST_SECONDS)
        self._waits = False

    def begin_anew(self) -> None:
        """The installation was assigned anew."""
        self.notice = None
        self._waits = False
        self._pace.begin_anew()

    def wait_seconds(self) -> float | None:
        """Return when something is due; None: nothing is."""
        return self._pace.wait_seconds() if self._waits else None

    async def tend(self, item: Assignment, sight: Sight) -> bool:
        """Look after the links of an app that runs as it was assigned, once; whether something was done."""
        try:
            return await self._tend(item, sight)
        except MosaicError as error:
            log.warning("link_not_tended", installation=item.installation, code=error.code, reason=error.message)
            self.notice = error
            self._waits = True
            self._pace.went_wrong()
            return False

    async def _tend(self, item: Assignment, sight: Sight) -> bool:
        notes = self._means.records.notes_of(item.installation)
        made = fingerprint(await ask(public_way, self._means, item))
        is_other = notes.link != made
        services = service_sights(containers_of(sight, item.installation), notes.services)
        ended = [one.name for one in services if one.is_link and one.state in ("exited", "dead", "created")]
        self._waits = is_other or bool(ended)
        if not self._waits:
            self._pace.stayed_well()
            self.notice = None
            return False
        if not self._pace.is_due:
            return False
        self._pace.went_wrong()
        log.info("link_made", installation=item.installation, anew=is_other, ended=", ".join(ended))
        file = preparing.compose_file(self._means, item.installation)
        if is_other:
            await preparing.prepare(self._means, item, file)
        await bringing_up.up(self._means, item, file)
        await note_made(self._means, item, made)
        self.notice = None
        return True
