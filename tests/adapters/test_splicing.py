"""Two sockets joined by splice: whole, in order, one direction at a time, and nothing left behind."""

import asyncio
import hashlib
import select
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from mosaic.adapters.pipes import Pipe, Pipes
from mosaic.adapters.splicing import Carried, Ended, splice
from support import virtual_time
from support.tcp_pairs import connected, digest_to_end, noise, open_files, read, read_to_end, reset, send

pytestmark = pytest.mark.long

_SECONDS = 60.0
_ESTABLISHED = 1  # the first byte of TCP_INFO is the state: tcp(7), linux/tcp_states.h


class NoPipes(Pipes):
    """A process that has as many files open as it may."""

    def take(self) -> Pipe | None:
        return None


@dataclass
class Between:
    """A visitor and an app, with a joined pair between them."""

    visitor: socket.socket
    app: socket.socket
    inner: tuple[socket.socket, socket.socket]
    carried: Carried
    joined: asyncio.Task[Ended]


@asynccontextmanager
async def between(
    pipes: Pipes,
    *,
    first_to_visitor: bytes = b"",
    first_to_app: bytes = b"",
    idle_seconds: float = 3600.0,
    buffer_bytes: int | None = None,
) -> AsyncIterator[Between]:
    visitor, one = await connected(buffer_bytes=buffer_bytes)
    other, app = await connected(buffer_bytes=buffer_bytes)
    carried = Carried()
    joined = asyncio.create_task(
        splice(
            one,
            other,
            pipes=pipes,
            carried=carried,
            first_to_one=first_to_visitor,
            first_to_other=first_to_app,
            idle_seconds=idle_seconds,
        )
    )
    await asyncio.sleep(0)
    try:
        yield Between(visitor, app, (one, other), carried, joined)
    finally:
        joined.cancel()
        await asyncio.gather(joined, return_exceptions=True)
        visitor.close()
        app.close()


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    made = Pipes()
    yield made
    made.close()


@pytest.fixture(params=[Pipes, NoPipes], ids=["spliced", "copied"])
def either_way(request: pytest.FixtureRequest) -> Iterator[Pipes]:
    """Pipes, and a process that can have none."""
    made: Pipes = request.param()
    yield made
    made.close()


def test_megabytes_pass_both_ways_at_once_byte_for_byte(either_way: Pipes) -> None:
    async def main() -> None:
        up, down = noise(8_000_001), noise(6_000_003)
        async with between(either_way) as world:

            async def say(end: socket.socket, said: bytes) -> None:
                await send(end, said)
                end.shutdown(socket.SHUT_WR)

            at_app, at_visitor, _, _ = await asyncio.gather(
                digest_to_end(world.app),
                digest_to_end(world.visitor),
                say(world.visitor, up),
                say(world.app, down),
            )
            assert at_app == hashlib.sha256(up).hexdigest()
            assert at_visitor == hashlib.sha256(down).hexdigest()
            assert await world.joined is Ended.FINISHED
            assert world.carried == Carried(to_one=len(down), to_other=len(up))

    asyncio.run(asyncio.wait_for(main(), _SECONDS))


def test_what_was_given_is_sent_before_what_comes_and_is_not_counted(pipes: Pipes) -> None:
    async def main() -> None:
        hello, greeting = noise(300_000), b"220 "
        async with between(pipes, first_to_app=hello, first_to_visitor=greeting) as world:
            await send(world.visitor, b"then this")
            await send(world.app, b"ready")
            assert await read(world.app, len(hello) + 9) == hello + b"then this"
            assert await read(world.visitor, 9) == b"220 ready"
            assert world.carried == Carried(to_one=5, to_other=9)

    asyncio.run(asyncio.wait_for(main(), _SECONDS))


@pytest.mark.parametrize("visitor_first", [True, False])
def test_a_side_that_has_said_all_still_hears_the_other(pipes: Pipes, visitor_first: bool) -> None:
    async def main() -> None:
        answer = noise(3_000_000)
        async with between(pipes) as world:
            first, second = (world.visitor, world.app) if visitor_first else (world.app, world.visitor)
            await send(first, b"last words")
            first.shutdown(socket.SHUT_WR)
            assert await read_to_end(second) == b"last words"
            said = asyncio.create_task(send(second, answer))
            assert await read(first, len(answer)) == answer
            await said
            assert not world.joined.done()
            second.close()
            assert await read_to_end(first) == b""
            assert await world.joined is Ended.FINISHED

    asyncio.run(asyncio.wait_for(main(), _SECONDS))


@pytest.mark.parametrize("visitor_breaks", [True, False])
def test_a_reset_reaches_the_other_side_as_a_reset(pipes: Pipes, visitor_breaks: bool) -> None:
    async def main() -> None:
        async with between(pipes) as world:
            broken, left = (world.visitor, world.app) if visitor_breaks else (world.app, world.visitor)
            await send(broken, b"half a")
            assert await read(left, 6) == b"half a"
            reset(broken)
            with pytest.raises(ConnectionResetError):
                await read(left, 1)
            assert await world.joined is Ended.BROKEN

    asyncio.run(asyncio.wait_for(main(), _SECONDS))


def test_an_answer_that_ended_arrives_whole_although_its_app_breaks_afterwards(pipes: Pipes) -> None:
    async def main() -> None:
        """An app that answers early, ends, and is gone while an upload still comes."""
        # More than the visitor's side takes unread, and no more than it and the joined one hold together.
        answer = noise(250_000)
        async with between(pipes) as world:
            world.inner[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            await send(world.app, answer)
            world.app.shutdown(socket.SHUT_WR)
            while world.inner[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _ESTABLISHED:
                await asyncio.sleep(0)
            reset(world.app)
            await send(world.visitor, b"more of the upload")
            assert await world.joined is Ended.BROKEN
            assert await read_to_end(world.visitor) == answer

    asyncio.run(asyncio.wait_for(main(), _SECONDS))


def test_bytes_of_a_pair_that_was_cancelled_never_come_out_of_another(pipes: Pipes) -> None:
    async def main() -> None:
        async with between(pipes, buffer_bytes=65536) as world:
            await _until_it_takes_no_more(world.visitor, b"secret" * 5_000_000)
            world.joined.cancel()
            await asyncio.wait({world.joined})
        async with between(pipes) as other:
            await send(other.visitor, b"public")
            other.visitor.shutdown(socket.SHUT_WR)
            assert await read_to_end(other.app) == b"public"

    asyncio.run(asyncio.wait_for(main(), _SECONDS))


async def _until_it_takes_no_more(sender: socket.socket, said: bytes) -> int:
    """Send until the way is full, and return how many bytes went in."""
    sent = refused = 0
    while refused < 200 and sent < len(said):
        try:
            sent += sender.send(said[sent : sent + 65536])
            refused = 0
        except BlockingIOError:
            refused += 1
        # Others have their turn: whoever could make room does.
        select.select([], [sender], [], 0.001)
        await asyncio.sleep(0)
    return sent


def test_a_reader_that_stalls_stops_its_sender_and_gets_all_later(either_way: Pipes) -> None:
    async def main() -> None:
        said = noise(32_000_000)
        async with between(either_way, buffer_bytes=65536) as world:
            sent = await _until_it_takes_no_more(world.visitor, said)
            assert sent < 4_000_000
            rest = asyncio.create_task(send(world.visitor, said[sent:]))
            arrived = await read(world.app, len(said))
            await rest
            assert arrived == said

    asyncio.run(asyncio.wait_for(main(), _SECONDS))


def test_a_pair_that_stalls_harms_no_other_and_holds_one_pipe(pipes: Pipes) -> None:
    async def main() -> None:
        async with between(pipes, buffer_bytes=65536) as stalled, between(pipes) as other:
            await _until_it_takes_no_more(stalled.visitor, bytes(32_000_000))
            said = noise(4_000_000)
            sending = asyncio.create_task(send(other.visitor, said))
            assert await read(other.app, len(said)) == said
            await sending
            assert pipes.open <= 3

    asyncio.run(asyncio.wait_for(main(), _SECONDS))


def test_cancelling_resets_both_sides_at_once_and_leaves_no_descriptor(pipes: Pipes) -> None:
    async def main() -> None:
        before = open_files()
        async with between(pipes, buffer_bytes=65536) as world:
            await _until_it_takes_no_more(world.visitor, bytes(32_000_000))
            world.joined.cancel()
            with pytest.raises(asyncio.CancelledError):
                await world.joined
            pipes.close()
            assert pipes.open == 0, "a pipe that had bytes in it was not closed"
            assert [end.fileno() for end in world.inner] == [-1, -1]
            with pytest.raises(ConnectionResetError):
                await read_to_end(world.app)
            with pytest.raises(ConnectionError):
                await send(world.visitor, b"more")
        assert open_files() == before

    asyncio.run(asyncio.wait_for(main(), _SECONDS))


def test_five_hundred_at_once_are_each_answered_with_their_own(pipes: Pipes) -> None:
    async def main() -> None:
        before = open_files()

        async def one(number: int) -> None:
            asked, answered = noise(20_000), number.to_bytes(4, "big") * 5_000
            async with between(pipes, first_to_app=b"%04d" % number) as world:
                await everybody.wait()
                await send(world.visitor, asked)
                assert await read(world.app, 4 + len(asked)) == b"%04d" % number + asked
                await send(world.app, answered)
                world.app.close()
                assert await read_to_end(world.visitor) == answered
                world.visitor.close()
                assert await world.joined is Ended.FINISHED

        everybody = asyncio.Barrier(500)
        await asyncio.gather(*(one(number) for number in range(500)))
        pipes.close()
        assert open_files() == before

    asyncio.run(asyncio.wait_for(main(), _SECONDS))


def test_an_idle_pair_ends_after_its_time_and_one_where_something_moves_does_not(pipes: Pipes) -> None:
    async def main(time: virtual_time.VirtualTime) -> None:
        async with between(pipes, idle_seconds=3600) as quiet, between(pipes, idle_seconds=3600) as busy:
            for _ in range(3):
                await asyncio.sleep(1500)
                await send(busy.app, b".")
                await read(busy.visitor, 1)
            assert await quiet.joined is Ended.IDLE
            assert 3600 <= time.seconds <= 4501
            assert not busy.joined.done()
            assert await busy.joined is Ended.IDLE
            assert 8099 <= time.seconds <= 8101

    virtual_time.run(main)


def test_a_side_that_never_ends_after_the_other_did_is_given_up_sooner(pipes: Pipes) -> None:
    async def main(time: virtual_time.VirtualTime) -> None:
        async with between(pipes) as world:
            await asyncio.sleep(50)
            world.visitor.shutdown(socket.SHUT_WR)
            assert await world.joined is Ended.IDLE
            assert 350 <= time.seconds <= 351

    virtual_time.run(main)


def test_both_ends_are_kept_alive_and_wait_for_no_more_before_they_send(pipes: Pipes) -> None:
    async def main() -> None:
        async with between(pipes) as world:
            for end in world.inner:
                assert end.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60

    asyncio.run(asyncio.wait_for(main(), _SECONDS))
