"""A commit is published once; what failed for its own sake waits for the next, and what may pass is tried again."""

from dataclasses import dataclass, field

from mosaic.core.errors import Conflict, MosaicError, Refused, Unavailable
from mosaic.packager.watching import Turn, Watch


@dataclass
class World:
    """A branch, and how publishing it goes."""

    commit: str = "one"
    problems: list[MosaicError] = field(default_factory=list)
    published: list[str] = field(default_factory=list)
    refreshed: int = 0

    def watch(self) -> Watch:
        return Watch(lambda: self.commit, self.publish, self.refresh)

    def publish(self) -> None:
        if self.problems:
            raise self.problems.pop(0)
        self.published.append(self.commit)

    def refresh(self) -> None:
        self.refreshed += 1


def test_each_commit_is_published_once_and_what_is_signed_is_kept_fresh_meanwhile() -> None:
    world = World()
    watch = world.watch()
    turns = [watch.turn().published for _ in range(3)]
    world.commit = "two"
    turns += [watch.turn().published for _ in range(2)]
    assert turns == [True, False, False, True, False]
    assert (world.published, world.refreshed) == (["one", "two"], 3)


def test_what_may_pass_is_tried_again_with_the_next_look() -> None:
    silent = Unavailable("the registry is silent", hint="wait")
    overtaken = Conflict("somebody else has published", hint="look again")
    world = World(problems=[silent, overtaken])
    watch = world.watch()
    assert [watch.turn().problem for _ in range(3)] == [silent, overtaken, None]
    assert world.published == ["one"]


def test_a_commit_that_is_refused_waits_for_the_next_one() -> None:
    refused = Refused("an image does not exist", hint="mend it")
    world = World(problems=[refused])
    watch = world.watch()
    assert [watch.turn() for _ in range(2)] == [Turn("one", False, refused), Turn("one", False, None)]
    world.commit = "two"
    assert watch.turn().published
    assert world.published == ["two"]


def test_a_look_that_is_refused_does_not_have_a_published_commit_published_again() -> None:
    world, looks = World(), ["one", None, "one"]

    def look() -> str:
        commit = looks.pop(0)
        if commit is None:
            raise Refused("git is not installed", hint="install it")
        return commit

    watch = Watch(look, world.publish, world.refresh)
    assert [watch.turn().published for _ in range(3)] == [True, False, False]


def test_a_branch_that_cannot_be_looked_at_is_looked_at_again() -> None:
    world, wrong = World(), [Refused("no such branch", hint="name another")]

    def look() -> str:
        if wrong:
            raise wrong.pop()
        return world.commit

    watch = Watch(look, world.publish, world.refresh)
    assert watch.turn().problem is not None
    assert watch.turn().published
