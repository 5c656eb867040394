"""Exactly the snapshots are called suspect that were made between a good audit and everything being read again."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.auditing import Suspects, is_suspect
from mosaic.core.ids import InstallationId
from mosaic.storage.decide_audit import concluded, mended, met, must_reread, suspicion
from mosaic.storage.records import Audits, Lease, VolumeRecord
from mosaic.wire.storage import Audited, Difference
from support.storage_daemon import VOLUME

NOTES = InstallationId("notes")
HERE = Lease("1.1", None)


def audited(seq: int, differences: int) -> Audited:
    return Audited(1, "ab", seq, 1, 1, 1, differences, [Difference("page", "it is odd")] * differences)


@dataclass
class World:
    """Heads one after another. From a miss on every head is wrong, until one is made by reading everything again."""

    audits: Audits = field(default_factory=lambda: Audits("live", 0, 0))
    newest: int = 1
    wrong: set[int] = field(default_factory=set)
    is_wrong: bool = False
    marked: set[int] = field(default_factory=set)
    right_since: int = 0

    def commit(self, *, misses: bool) -> None:
        self.newest += 1
        if self.audits.rereads:
            self.is_wrong = False
            self.audits = mended(self.audits, newest=self.newest)
        else:
            self.is_wrong |= misses
        if self.is_wrong:
            self.wrong.add(self.newest)

    def audit(self, *, later: int) -> None:
        """Audit the newest head, while `later` heads are committed. None is begun before all was read again."""
        if self.audits.rereads:
            return
        seq, differences = self.newest, int(self.newest in self.wrong)
        for _ in range(later):
            self.commit(misses=False)
        self.audits = concluded(self.audits, audited(seq, differences), newest=self.newest)
        if not differences:
            self.right_since = seq

    def tell(self) -> None:
        for first, last in self.audits.untold:
            self.marked |= set(range(first, last + 1))


commits = st.booleans().map(lambda misses: ("commit", int(misses)))
looks = st.integers(0, 2).map(lambda later: ("audit", later))
steps = st.lists(st.one_of(commits, looks), max_size=30)


@given(steps)
def test_after_an_audit_every_wrong_snapshot_is_marked_and_none_that_a_good_audit_found_right(
    todo: list[tuple[str, int]],
) -> None:
    world = World()
    good: set[int] = set()
    for verb, number in todo:
        if verb == "commit":
            world.commit(misses=bool(number))
        else:
            before = world.newest
            world.audit(later=number)
            if world.right_since == before:
                good.add(before)
        world.tell()
    found_out = {seq for seq in world.wrong if seq <= world.audits.covered}
    assert found_out <= world.marked
    if not world.is_wrong or world.audits.rereads:
        assert world.wrong <= world.marked
    assert not good & world.marked


def test_a_restored_volume_trusts_what_it_was_restored_from_and_an_old_one_nothing() -> None:
    assert met(VolumeRecord(VOLUME, NOTES, "app"), 7) is None
    new = met(VolumeRecord(VOLUME, NOTES, "app", live_uuid="live"), 7)
    assert new == Audits("live", 7, 0)
    assert met(VolumeRecord(VOLUME, NOTES, "app", live_uuid="live", audits=new), 8) is None
    other = VolumeRecord(VOLUME, NOTES, "app", live_uuid="other", audits=Audits("live", 7, 3, untold=((1, 2),)))
    assert met(other, 9) == Audits("other", 9, 0, untold=((1, 2),))


def held(audits: Audits | None, *, live: str = "live", lease: Lease | None = HERE) -> VolumeRecord:
    return VolumeRecord(VOLUME, NOTES, "app", live_uuid=live, lease=lease, audits=audits)


def test_what_is_said_of_a_volume_names_the_path_until_an_audit_is_good() -> None:
    assert suspicion(held(None)) is None
    wrong = concluded(Audits("live", 0, 3), audited(5, 1), newest=6)
    said = suspicion(held(wrong))
    assert said is not None
    assert said.message == "an audit of snapshot 5 found that a path is not stored as on the disk (page: it is odd)"
    assert "everything is read again" in said.hint
    assert wrong.untold == ((4, 6),)
    assert must_reread(held(wrong))
    after = mended(wrong, newest=8)
    assert (after.untold, after.rereads) == (((4, 6), (4, 7)), False)
    said = suspicion(held(after))
    assert said is not None
    assert "audited now" in said.hint
    good = concluded(after, audited(8, 0), newest=9)
    assert suspicion(held(good)) is None
    assert good.trusted == 8
    assert is_suspect(7, [Suspects(*one) for one in good.untold])


def test_what_was_found_of_other_data_than_is_held_now_is_not_said_of_it() -> None:
    wrong = concluded(Audits("live", 0, 3), audited(5, 1), newest=6)
    assert suspicion(held(wrong, live="other")) is None
    assert not must_reread(held(wrong, live="other"))
    assert suspicion(held(wrong, lease=None)) is None
