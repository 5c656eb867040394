"""Running what has an event loop of its own in a thread: where a browser was used, another loop runs in this one."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Answer = TypeVar("Answer")


def apart(question: Callable[[], Answer]) -> Answer:
    """Return what the question returns, or raise what it raises, from a thread of its own."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(question).result()
