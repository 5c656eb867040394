"""Looking after an app that runs: its package's files and its containers are put back as they were signed and made.

Somebody on the machine may have changed a file of a package, or replaced a container, without any event that says
so. Files are looked at every few minutes, cheaply; containers whenever something is looked at. What is done without
an effect is done ever more seldom, and said. A worker does this between two plans, so never beside a step.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from mosaic.adapters import log
from mosaic.adapters.docker.sights import CONFIG_LABEL, Container
from mosaic.core.errors import MosaicError
from mosaic.device.doing import bringing_up, bundles, preparing, stopping
from mosaic.device.doing.pruning import prune
from mosaic.device.doing.starting import note_hashes
from mosaic.device.link_tending import LinkTending
from mosaic.device.lookout import Sight
from mosaic.device.means import Means
from mosaic.device.observe import containers_of
from mosaic.device.outside import ask
from mosaic.device.pace import Pace
from mosaic.device.package import folder_of
from mosaic.device.packages.changes import Change
from mosaic.device.packages.store import PackageMissing
from mosaic.device.records import Notes, release_of, release_text
from mosaic.wire.assignment import Assignment

LOOK_SECONDS = 300.0
MOST_SECONDS = 6 * 3600.0
LEAST_PAUSE_SECONDS = 1.0
MOST_RESTARTS = 3
"""After so many times in a row, changed files are still put back, and the app is left alone."""

_RENDERED = "its rendered compose file"


class PackageHealed(MosaicError):
    """Somebody changed files of an app's package; they are as they were signed again."""

    code = "package-healed"

    def __init__(self, name: str, found: Sequence[Change], times: int) -> None:
        named = ", ".join(f"{one.path} ({one.what.value})" for one in found[:3])
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        again = f", for the {times}. time in a row" if times > 1 else ""
        super().__init__(
            f"files of the package of {name} were changed on this machine and are put back as they were{again}: "
            f"{named}{more}",
            hint="what was written there is kept beside the package; to change an app, publish another version of it",
        )


class ContainersDiffer(MosaicError):
    """Containers of an app are not those that this Device made."""

    code = "containers-differ"

    def __init__(self, name: str, services: Sequence[str], times: int) -> None:
        what = "they are made again" if times <= 2 else f"making them again {times - 1} times did not help"
        super().__init__(
            f"what runs of {name} is not what this Device started ({', '.join(services)}); {what}",
            hint="something else on this machine changes its containers; it is tried again ever more seldom",
        )


class Tending:
    """Looks after one installation."""

    def __init__(self, means: Means) -> None:
        self._about_files: MosaicError | None = None
        self._about_containers: MosaicError | None = None
        self._means = means
        self._files = Pace(means.clock, look_seconds=LOOK_SECONDS, most_seconds=MOST_SECONDS)
        self._containers = Pace(means.clock, look_seconds=LOOK_SECONDS, most_seconds=MOST_SECONDS)
        self._links = LinkTending(means)
        self._settled_as: str | None = None

    @property
    def notice(self) -> MosaicError | None:
        """What was found, until it is found no more; None when all is as it should be."""
        return self._about_containers or self._about_files or self._links.notice

    def begin_anew(self) -> None:
        """The installation was assigned anew: what was wrong with it before says nothing about it now."""
        self._about_files = self._about_containers = None
        self._files.begin_anew()
        self._containers.begin_anew()
        self._links.begin_anew()

    def pause_seconds(self) -> float:
        """Return when something is due, in seconds from now."""
        waits = [self._files.wait_seconds(), self._containers.wait_seconds() or LOOK_SECONDS]
        link = self._links.wait_seconds()
        return max(LEAST_PAUSE_SECONDS, min(waits if link is None else [*waits, link]))

    async def tend(self, item: Assignment, sight: Sight, *, well: bool) -> bool:
        """Look after an app that runs as it was assigned, once; whether there is something new to look at.

        What cannot be put right is the notice, and tried again later: the app runs meanwhile.
        """
        try:
            return await self._tend(item, sight, well=well)
        except MosaicError as error:
            log.warning("not_tended", installation=item.installation, code=error.code, reason=error.message)
            self._about_files = error
            self._files.went_wrong()
            return False

    async def tend_links(self, item: Assignment, sight: Sight) -> bool:
        """Look after the links of an app that runs as it was assigned, once; whether something was done."""
        return await self._links.tend(item, sight)

    async def _tend(self, item: Assignment, sight: Sight, *, well: bool) -> bool:
        if not self._means.records.notes_of(item.installation).hashes:
            # A kill came before they were noted.
            await note_hashes(self._means, item)
        if await self.tend_links(item, sight):
            return True
        differing = await ask(self._differing, item, sight)
        if not differing:
            self._about_containers = self._about_containers if self._containers.stayed_well() else None
        elif self._containers.is_due and await self._make_again(item, differing):
            return True
        if self._files.is_due and await self._heal(item):
            return True
        if well and not differing and self._settled_as != item.app_digest:
            await prune(self._means)
            self._settled_as = item.app_digest
        return False

    def _differing(self, item: Assignment, sight: Sight) -> list[str]:
        """Return the services whose containers are not of the pinned image or of compose's own making."""
        notes = self._means.records.notes_of(item.installation)
        if notes.bundle != item.app_digest or notes.rendered != release_text(release_of(item)):
            # What is noted is of another version: a kill came between a start and its note.
            return []
        wrong = {one.service for one in containers_of(sight, item.installation) if not _is_ours(one, notes)}
        file = preparing.compose_file(self._means, item.installation)
        if notes.rendered_sha256 and not preparing.is_as_rendered(self._means, item.installation, file):
            wrong.add(_RENDERED)
        return sorted(wrong)

    async def _make_again(self, item: Assignment, services: Sequence[str]) -> bool:
        times = self._containers.went_wrong()
        self._about_containers = ContainersDiffer(item.name, services, times)
        log.warning("containers_differ", installation=item.installation, services=", ".join(services), times=times)
        if times == 1:
            file = preparing.compose_file(self._means, item.installation)
            # Compose makes anew what has another hash than the rendered file, and leaves the rest alone.
            await preparing.prepare(self._means, item, file)
            await bringing_up.up(self._means, item, file)
            await note_hashes(self._means, item)
        elif times <= MOST_RESTARTS:
            # What compose takes for its own it leaves alone: only without any container it makes all of them.
            await stopping.stop(self._means, item.installation)
        else:
            return False
        return True

    async def _heal(self, item: Assignment) -> bool:
        """Look at the package's files; whether the app was stopped, so that it starts with those that are right."""
        try:
            found = await ask(self._means.packages.store.changed_files, item.app, item.app_digest)
        except PackageMissing:
            found = []
            await bundles.mend(self._means, item)
        if not found:
            self._files.went_well()
            self._about_files = None
            return False
        await bundles.mend(self._means, item)
        times = self._files.went_wrong()
        healed = self._about_files = PackageHealed(item.name, found, times)
        log.warning("package_healed", installation=item.installation, reason=healed.message, times=times)
        if times > MOST_RESTARTS or not await ask(self._are_mounted, item, found):
            return False
        # A file that was put back is another one for a container that mounts it.
        await stopping.stop(self._means, item.installation)
        return True

    def _are_mounted(self, item: Assignment, found: Iterable[Change]) -> bool:
        folder = folder_of(self._means.config, item)
        try:
            document = preparing.compose_file(self._means, item.installation).read_bytes()
            mounted = {Path(text) for text in _texts(msgspec.json.decode(document)) if text.startswith(str(folder))}
        except (OSError, msgspec.MsgspecError):
            return True
        return any(_touches(folder / change.path, place) for change in found for place in mounted)


def _is_ours(seen: Container, notes: Notes) -> bool:
    pin, made = notes.images.get(seen.service), notes.hashes.get(seen.service)
    return pin in (None, seen.image) and made in (None, seen.labels.get(CONFIG_LABEL, ""))


def _touches(changed: Path, mounted: Path) -> bool:
    return changed.is_relative_to(mounted) or mounted.is_relative_to(changed)


def _texts(value: object) -> Iterable[str]:
    """Yield every text of a document: a path may be mounted, an env file, a secret or a config."""
    match value:
        case str():
            yield value
        case dict():
            for each in value.values():
                yield from _texts(each)
        case list():
            for each in value:
                yield from _texts(each)
