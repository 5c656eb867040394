"""An app's picture, drawn from its name: 7 × 7 stones, symmetric, three shades of ground.

The same name always gives the same picture. The colours are the app's own, the
same in both themes.
"""

import hashlib
from collections.abc import Iterator

_SIDE = 7
_STONE = 28
# mortar, three shades of ground, two of the figure
_PALETTES = (
    ("#103454", ("#15436c", "#1a4f7d", "#235d8e"), ("#f1ece0", "#e0dbd0")),
    ("#154a55", ("#1b5f6d", "#22707f", "#2f8291"), ("#eef1ea", "#dde0da")),
    ("#72331d", ("#924125", "#a64d2d", "#b65c39"), ("#f8ecdc", "#e7dbcd")),
    ("#4f1e2a", ("#652736", "#75303f", "#85404e"), ("#f5e9e2", "#e4d9d2")),
    ("#1b4537", ("#225847", "#2b6a57", "#377a65"), ("#f1ece0", "#e0dbd0")),
    ("#a68236", ("#d5a745", "#e0b65a", "#e9c476"), ("#483416", "#3a2a12")),
    ("#272e35", ("#323b44", "#3c4650", "#49545f"), ("#ece9e2", "#dbd9d2")),
    ("#aca595", ("#dcd3bf", "#e6dfcf", "#eee8db"), ("#24303a", "#2d3c48")),
    ("#7790a5", ("#98b9d4", "#a9c6dd", "#b9d1e4"), ("#16354f", "#1c4263")),
)


def draw(name: str) -> str:
    """Return the picture as an SVG document."""
    seed = hashlib.sha256(name.encode()).digest()
    mortar, grounds, figures = _PALETTES[seed[0] % len(_PALETTES)]
    paths: dict[str, list[str]] = {}
    for place, (row, column) in enumerate(_places()):
        # The left half decides for both: a figure that is symmetric reads as one.
        mirrored = row * 4 + min(column, _SIDE - 1 - column)
        laid = 0 < row < _SIDE - 1 and _bit(seed, mirrored)
        shade = seed[(place * 5) % 32] >> (place % 5)
        colour = figures[shade % 2] if laid else grounds[shade % 3]
        paths.setdefault(colour, []).append(_stone(row, column, seed[(place * 3 + 1) % 32] ^ place))
    drawn = "".join(f'<path fill="{colour}" d="{"".join(stones)}"/>' for colour, stones in paths.items())
    side = _SIDE * _STONE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}">'
        f'<path fill="{mortar}" d="M0 0h{side}v{side}H0z"/>{drawn}</svg>'
    )


def _places() -> Iterator[tuple[int, int]]:
    return ((row, column) for row in range(_SIDE) for column in range(_SIDE))


def _bit(seed: bytes, index: int) -> bool:
    return bool(seed[4 + index // 8] >> (index % 8) & 1)


def _stone(row: int, column: int, wobble: int) -> str:
    """Cut by hand: every corner is off by a pixel or two."""
    x, y = column * _STONE + (wobble & 1), row * _STONE + (wobble >> 1 & 1)
    return f"M{x + (wobble >> 2 & 1)} {y}l{25 + (wobble >> 3 & 1)} {wobble >> 4 & 1} 0 {25 + (wobble >> 5 & 1)}-26 0z"
