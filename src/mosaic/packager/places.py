"""Where in a compose file something stands: the line of what an error speaks of.

Errors about a compose file name a service and a key; people look for a line.
"""

import re

from mosaic.adapters.compose_nodes import Node, entries

_IN_LINE = re.compile(r"\bin line (\d+)")
_OF_SERVICE = re.compile(r"\bservice ([A-Za-z0-9._-]+)|\b([A-Za-z0-9._-]+) in services\b")


def line_of(file: Node, service: str | None, key: str) -> int:
    """Return the line of a key of a service, or of a dotted key at the top; of as much of it as is there."""
    path = ["services", service, *key.split(".")] if service else key.split(".")
    line, here = 1, file
    for word in path:
        found = entries(here).get(word)
        if found is None:
            return line
        name, here = found
        line = name.place.line
    return line


def line_told(file: "Node | None", sentence: str) -> int:
    """Return the line that a sentence names, or that of the service that it names; 1 for neither."""
    if named := _IN_LINE.search(sentence):
        return int(named[1])
    service = _OF_SERVICE.search(sentence)
    return line_of(file, service[1] or service[2], "") if file is not None and service else 1
