"""Pipes: used again, enlarged within a bound, and never more kept than was said."""

import os
import resource
from collections.abc import Iterator

import pytest

from mosaic.adapters.pipes import Pipes


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    made = Pipes(kept=2, enlarged_pages=100)
    yield made
    made.close()


def test_pipes_are_enlarged_until_all_together_have_what_was_allowed(pipes: Pipes) -> None:
    taken = [pipes.take() for _ in range(4)]
    sizes = [pipe.capacity for pipe in taken if pipe is not None]
    assert sizes[0] > sizes[1] == sizes[2] == sizes[3]
    for pipe in taken:
        assert pipe is not None
        pipes.discard(pipe)
    assert (pipes.pages, pipes.open) == (0, 0)


def test_a_pipe_that_was_given_back_is_taken_again(pipes: Pipes) -> None:
    first = pipes.take()
    assert first is not None
    pipes.give_back(first)
    assert pipes.take() == first
    pipes.discard(first)


def test_no_more_are_kept_than_was_said(pipes: Pipes) -> None:
    taken = [pipe for pipe in (pipes.take() for _ in range(5)) if pipe is not None]
    for pipe in taken:
        pipes.give_back(pipe)
    assert pipes.open == 2
    pipes.close()
    assert pipes.open == 0


def test_a_pipe_that_comes_back_after_the_end_is_closed(pipes: Pipes) -> None:
    late = pipes.take()
    assert late is not None
    pipes.close()
    pipes.give_back(late)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.write(late.write, b"x")


def test_a_process_that_may_open_no_more_gets_none(pipes: Pipes) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
        assert pipes.take() is None
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert pipes.open == 0
