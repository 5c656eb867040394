"""Running a Device until it is told to stop."""

from mosaic.device.config import DeviceConfig


def serve(config: DeviceConfig) -> None:
    """Run the Device until SIGTERM or SIGINT, then return. Apps keep running.

    Raises:
        NotEnrolled: the state folder has no identity; `mosaic.device.enrol.enrol` makes one.
        SessionSuperseded: a newer process with this identity talks to the Hive; our apps were stopped.
        MosaicError: a start-up check failed, with its remedy.
    """
    raise NotImplementedError(config)
