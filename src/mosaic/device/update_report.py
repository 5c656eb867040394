"""What an update that failed leaves on its Device: exit codes, the probe's answer, the last lines of each service.

A file that only this Device reads, the newest failed one's of each
installation. Log lines are in no report to the Hive and in no log of ours;
they are read when the owner asks for them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mosaic.adapters.private_file import write_private
from mosaic.core.condition import ServiceSight
from mosaic.core.errors import NotFound
from mosaic.device.config import DeviceConfig

LOG_LINES = 50
MOST_BYTES = 256 * 1024
_LEAST_BYTES = 1024


class NoUpdateFailed(NotFound):
    """There is nothing to tell about."""

    code = "no-update-failed"

    def __init__(self) -> None:
        super().__init__(
            "no update of it has failed on this Device", hint="`mosaic show NAME` says how its newest update went"
        )


def compose_report(sentence: str, services: Sequence[ServiceSight], answer: str | None, logs: Mapping[str, str]) -> str:
    """Write the report: the sentence first, then each service, the web port's answer (None: not asked), the logs."""
    lines = [sentence, "", *(f"{seen.name}: {_words(seen)}" for seen in services)]
    if answer is not None:
        lines.append(f"its web port {answer}")
    head = "\n".join(lines)[: MOST_BYTES // 4]
    # Each service has its share, so that one that talks a lot hides no other.
    share = max(_LEAST_BYTES, (MOST_BYTES - len(head.encode())) // max(1, len(logs)) - 200)
    parts = [f"--- {name}, its last {LOG_LINES} lines\n{_end(text, share)}" for name, text in logs.items()]
    return "\n\n".join([head, *parts]) + "\n"


def keep_report(config: DeviceConfig, installation: str, text: str) -> None:
    """Keep it in place of an older one, readable by this user alone, at most `MOST_BYTES` long."""
    file = _file(config, installation)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    write_private(file, text.encode(errors="replace")[:MOST_BYTES])


def read_report(config: DeviceConfig, installation: str) -> str:
    """Return the newest failed update's. Raises NoUpdateFailed."""
    try:
        return _file(config, installation).read_bytes().decode(errors="ignore")
    except FileNotFoundError:
        raise NoUpdateFailed from None


def remove_report(config: DeviceConfig, installation: str) -> None:
    """Remove it; none is fine."""
    _file(config, installation).unlink(missing_ok=True)


def _file(config: DeviceConfig, installation: str) -> Path:
    return config.state / "updates" / f"{installation}.txt"


def _words(seen: ServiceSight) -> str:
    code = f" with {seen.exit_code}" if seen.exit_code is not None and seen.state != "running" else ""
    health = f", its health check says {seen.health}" if seen.health else ""
    return f"{seen.state}{code}{health}"


def _end(text: str, most_bytes: int) -> str:
    return text.encode(errors="replace")[-most_bytes:].decode(errors="ignore")
