"""A benchmark's result: one JSON object a line, as every benchmark prints it."""

import json


def report(
    name: str,
    value: float,
    unit: str,
    *,
    goal: str | None,
    anchor: str | None = None,
    anchor_value: float | None = None,
) -> None:
    """Print one line. `goal` is written as `"ratio<=0.6"` or `"value<=150"`; None for a figure without one."""
    line = {
        "name": name,
        "value": round(value, 4),
        "unit": unit,
        "anchor": anchor,
        "anchor_value": None if anchor_value is None else round(anchor_value, 4),
        "ratio": None if not anchor_value else round(value / anchor_value, 4),
        "goal": goal,
    }
    print(json.dumps(line), flush=True)
