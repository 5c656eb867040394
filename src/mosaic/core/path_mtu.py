"""How long the packets of a tunnel may be. Pure.

WireGuard adds 60 bytes (IPv4) or 80 (IPv6), and its packets are not cut on the
way. Where a line carries less than that, and most lines tell nobody, short
packets pass and long ones vanish: pages hang half way. So a link tries.
"""

MTUS = (1360, 1280, 1200)
"""What to try, the longest first: for lines of 1440, of 1360, and of 1280 bytes, the shortest that IPv6 allows."""


def shorter(mtu: int) -> int | None:
    """Return what to try after this; None when nothing is left."""
    return next((each for each in MTUS if each < mtu), None)
