"""What the page that adds a Device shows: the texts to paste, without their secrets, and who has just joined.

The browser puts token, name and passphrase into the marked places; the Hive
never sees them.
"""

import msgspec

from mosaic.core import device_texts
from mosaic.wire.api import Device

JUST_NOW_SECONDS = 3600
"""A Device that joined within this time stays on the page, with its health."""


def texts(image: str) -> str:
    """Return all texts for this image as JSON: engine → form → how the passphrase is given → text and its quoting."""
    return msgspec.json.encode(
        {
            engine: {
                form: {giving: {"text": made.text, "quote": made.quote} for giving, made in ways.items()}
                for form, ways in device_texts.all_texts(image, own_engine=engine == "own").items()
            }
            for engine in ("machine", "own")
        }
    ).decode()


def arrivals(devices: list[Device], now_ns: int) -> list[Device]:
    """Return who waits to be admitted and who joined within the last hour, the newest first."""
    since_ns = now_ns - JUST_NOW_SECONDS * 10**9
    found = [device for device in devices if not device.admitted or device.joined_ns >= since_ns]
    return sorted(found, key=lambda device: (-device.joined_ns, device.name))
