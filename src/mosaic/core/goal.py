"""What a Hive can want of one Device for one installation. The values are those of the wire."""

from enum import StrEnum


class Goal(StrEnum):
    """A goal, with the epoch of the lease where the Device holds it.

    Without an epoch, `run` and `stop` ask for nothing new: a Device that runs
    the app goes on, one that does not waits for its grant. `leave` without an
    epoch is for a Device that was fenced.
    """

    RUN = "run"
    """Hold the epoch; the app runs."""

    STOP = "stop"
    """Hold the epoch; the app is stopped and its volumes are replicated."""

    PREPARE = "prepare"
    """Hold nothing; check architecture, space, images and ports, and restore ahead."""

    LEAVE = "leave"
    """Stop the app, replicate the last snapshot, release the epoch; keep the local data."""

    DROP = "drop"
    """The replacement is verified: the local data may go."""
