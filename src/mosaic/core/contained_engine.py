"""What the container of a Device's own engine is given where the Device is in a container itself.

It is what `engine_container` says. Here nobody waits for it: the machine's
engine starts it again when it ends, in any order with the storage daemon's.
So it sees a pool that is mounted later, and what the engine keeps while it
runs is gone when it starts again: numbers of processes are other ones then.
"""

from mosaic.core import engine_container
from mosaic.core.device_container import Container, Mount, labelled
from mosaic.core.engine_container import EngineContainer


def standing(engine: EngineContainer, *, state: str, pool: str | None) -> Container:
    """Return the container as the machine's engine keeps it running.

    `pool` is the folder among those it shares that a file system is mounted on, None where none is.
    """
    made = Container(
        name=engine.name,
        image=engine.image,
        command=("--folder", engine.folder),
        mounts=tuple(
            Mount(outside, inside, is_made=True, is_followed=outside == pool) for outside, inside in engine.mounts
        ),
        capabilities=engine_container.CAPABILITIES,
        security=engine_container.SECURITY,
        network=engine_container.NETWORK,
        stop_seconds=engine_container.CONTAINER_STOP_SECONDS,
        sysctls=engine_container.SYSCTLS,
        in_memory=("/run",),
    )
    return labelled(made, "engine", state)
