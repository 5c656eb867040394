"""HAProxy as a gateway's router: `HaproxyProcess` has it run, `HaproxyRouter` tells it routes.

It is one plain process with a configuration that no route changes. Routes are in
a map file, read at its start, and in its memory, where its runtime socket puts them.
"""
