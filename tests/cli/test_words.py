"""Numbers and states in words."""

from pathlib import Path
from typing import Literal

import pytest

from cli.samples import ATTIC, DEVICE, installation, report
from mosaic.adapters.storage_client import StorageClient
from mosaic.cli import units, verdict
from mosaic.cli.output import aligned
from mosaic.cli.steps_view import pace
from mosaic.cli.up.settle import replicate, waiting
from mosaic.wire.report import Step
from mosaic.wire.storage import Phase, PoolState, Replica, SnapshotNow, State, StateRequest, VolumeState


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (123456, "123 kB"), (2.5e9, "2.5 GB")]
)
def test_a_size_has_three_digits_at_most(count: float, said: str) -> None:
    assert units.size(count) == said


def test_rate_and_time_left_are_said_once_they_are_known() -> None:
    assert pace(moved=0, left=10, seconds=5) == ""
    assert pace(moved=10, left=10, seconds=0.5) == ""
    assert pace(moved=2_000_000, left=4_000_000, seconds=2) == ", 1.0 MB/s, 4 s left"


def test_a_table_is_as_wide_as_its_widest_cells() -> None:
    lines = aligned(["NAME", "STATE"], [["a", "b"], ["longer", ""]]).splitlines()
    assert [line[8:] for line in lines[1:]] == ["b", ""]


def test_an_old_epochs_report_is_not_believed() -> None:
    seen = installation(reports={DEVICE: report(epoch="1.0")})
    assert verdict.running(seen).state == "working"


def test_a_stopped_app_is_stopped_when_its_device_says_so() -> None:
    assert verdict.stopped(installation(wanted="stop", reports={DEVICE: report("stopping")})).state == "working"
    assert verdict.stopped(installation(wanted="stop", reports={DEVICE: report("stopped")})).state == "done"


def test_a_stopped_app_that_was_moved_or_stays_after_all_is_where_it_should_be() -> None:
    there = installation(wanted="stop", device=ATTIC, reports={ATTIC: report("stopped", healthy=False)})
    assert verdict.arrived(there, ATTIC).state == "done"
    here = installation(wanted="stop", reports={DEVICE: report("stopped", healthy=False)})
    assert verdict.called_off(here).state == "done"
    assert verdict.called_off(installation(reports={DEVICE: report()})).state == "done"
    assert verdict.called_off(installation(reports={DEVICE: report("starting", healthy=False)})).state == "working"


@pytest.mark.parametrize(
    ("wanted", "now"),
    [("run", "It runs where it was before"), ("stop", "It is stopped where it was before")],
)
def test_a_move_that_failed_says_why_and_where_the_app_is_now(wanted: Literal["run", "stop"], now: str) -> None:
    why = "The move of notes to attic failed: the file system is full; home has all its data and takes it back."
    ended = verdict.arrived(installation(wanted=wanted, problem=why), ATTIC)
    assert (ended.state, ended.reason) == ("failed", f"{why} {now}")


def test_the_steps_shown_are_of_the_device_that_is_at_work() -> None:
    busy = report(steps=[Step("restore", "now")])
    idle = report(steps=[Step("start", "done")])
    seen = installation(phase="preparing", target=ATTIC, reports={DEVICE: idle, ATTIC: busy})
    assert verdict.steps(seen) == busy.steps
    assert verdict.steps(installation(reports={DEVICE: idle})) == idle.steps


def _volume(*, clean: bool, head: str | None, stored: str | None, phase: Phase = "ready") -> VolumeState:
    replica = Replica("hive", True, "replicated", None, stored)
    return VolumeState("v", "abc", "data", phase, "1.1", head, clean, [replica], 0, 0)


@pytest.mark.parametrize(
    ("volume", "waits"),
    [
        (_volume(clean=True, head="h2", stored="h2"), False),
        (_volume(clean=False, head="h2", stored="h2"), True),
        (_volume(clean=True, head="h2", stored="h1"), True),
        (_volume(clean=False, head="h2", stored="h1", phase="released"), False),
    ],
)
def test_a_volume_is_at_rest_when_every_store_has_its_last_byte(volume: VolumeState, waits: bool) -> None:
    state = State("r", 1, "mosaic", PoolState("/p", "image", 1, 1), [volume])
    assert bool(waiting(state)) is waits


def test_a_volume_that_is_called_saved_gets_a_last_snapshot_all_the_same(tmp_path: Path) -> None:
    """That was seen before its app ended: what the app wrote in its last seconds is nowhere else."""
    saved = _volume(clean=True, head="h", stored="h")
    asked: list[str] = []

    class Storage(StorageClient):
        def state(self, request: StateRequest) -> State:
            assert not asked or request.after == 1, "what has changed since is waited for"
            return State("r", 1, "mosaic", PoolState("/p", "image", 1, 1), [saved])

        def snapshot(self, request: SnapshotNow) -> VolumeState:
            asked.append(request.volume)
            return saved

    assert replicate(Storage(tmp_path / "storage.sock")) == []
    assert asked == ["v"]
