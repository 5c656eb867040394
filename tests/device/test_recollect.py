"""A Device tells a Hive that lost some of its past all that it knows, until that Hive has heard it."""

from pathlib import Path

import anyio
import pytest

from mosaic.core.errors import Unavailable
from mosaic.device import recollect as recollecting
from mosaic.device.hive_link import HiveLink
from mosaic.device.recollect import recollect, remembered
from mosaic.device.records import Records
from mosaic.wire.assignment import Assignment, Goal
from mosaic.wire.recollection import Recollection, RememberedInstallation, RememberedVolume
from mosaic.wire.storage import HeadsRequest, KnownHeads, PoolState, State, StateRequest, VolumeState


class Storage:
    """A storage daemon that knows some volumes, and the heads of each."""

    def __init__(self, *volumes: VolumeState, heads: dict[str, list[str]] | None = None) -> None:
        self._volumes = list(volumes)
        self._heads = heads or {}

    def state(self, request: StateRequest) -> State:
        return State("run", 1, "mosaic", PoolState("/pool", "native", 1, 1), self._volumes)

    def heads(self, request: HeadsRequest) -> KnownHeads:
        return KnownHeads(self._heads.get(request.volume, []))


class Hive:
    """A Hive that does not answer the first times."""

    def __init__(self, *, silent: int) -> None:
        self.silent = silent
        self.heard: list[Recollection] = []

    def hive(self) -> "Hive":
        return self

    def recollect(self, told: Recollection) -> None:
        if self.silent > 0:
            self.silent -= 1
            raise Unavailable("no answer", hint="wait")
        self.heard.append(told)


def volume(name: str, installation: str, epoch: str | None) -> VolumeState:
    return VolumeState(
        name, installation, "data", "ready", epoch, None, clean=True, replicas=[], waiting_bytes=0, mounts=0
    )


def assigned(installation: str, goal: Goal, epoch: str | None) -> Assignment:
    return Assignment(installation, "notes", "notes", "sha256:00", 1, goal, epoch, "manual")


def told(records: Records, storage: Storage) -> list[RememberedInstallation]:
    return anyio.run(lambda: remembered(storage, records)).installations  # type: ignore[arg-type]  # two verbs of it


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(tmp_path / "device.db")


def test_what_runs_here_is_told_with_its_epoch_and_its_heads_oldest_first(records: Records) -> None:
    records.replace_assignments([assigned("notes", "run", "1.4")])
    storage = Storage(volume("aa", "notes", "1.4"), volume("bb", "notes", "1.4"), heads={"aa": ["01", "02"]})
    assert told(records, storage) == [
        RememberedInstallation("notes", "1.4", True, [RememberedVolume("aa", ["01", "02"])])
    ]


def test_what_was_here_once_is_told_as_not_held(records: Records) -> None:
    records.replace_assignments([assigned("gone", "run", "1.7"), assigned("left", "run", "2.1")])
    records.replace_assignments([assigned("left", "drop", None)])
    found = {one.installation: one for one in told(records, Storage(volume("aa", "left", None), heads={"aa": ["01"]}))}
    assert (found["gone"].epoch, found["gone"].held, found["gone"].volumes) == ("1.7", False, [])
    assert (found["left"].epoch, found["left"].held) == ("2.1", False)
    assert found["left"].volumes == [RememberedVolume("aa", ["01"])]


def test_an_epoch_that_only_the_storage_daemon_still_holds_is_told_as_held(records: Records) -> None:
    records.replace_assignments([assigned("notes", "run", "1.4")])
    records.replace_assignments([])
    assert told(records, Storage(volume("aa", "notes", "1.4")))[0].held
    assert not told(records, Storage(volume("aa", "notes", "1.3")))[0].held


def test_data_of_which_no_assignment_is_left_is_told_too(records: Records) -> None:
    storage = Storage(volume("aa", "stray", None), heads={"aa": ["01"]})
    assert told(records, storage) == [RememberedInstallation("stray", "0.0", False, [RememberedVolume("aa", ["01"])])]


def test_a_hive_is_told_until_it_has_heard(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recollecting, "_AGAIN_SECONDS", 0.0)
    records.replace_assignments([assigned("notes", "run", "1.4")])
    hive, storage = Hive(silent=3), Storage(volume("aa", "notes", "1.4"))
    link: HiveLink = hive  # type: ignore[assignment]  # as much of a link as is asked here

    async def tell() -> None:
        with anyio.fail_after(60):
            await recollect(link, storage, records)  # type: ignore[arg-type]  # two verbs of it

    anyio.run(tell)
    assert [one.installation for each in hive.heard for one in each.installations] == ["notes"]
    assert hive.silent == 0
