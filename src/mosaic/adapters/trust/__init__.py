"""Signed Targets by TUF: the one door to python-tuf and securesystemslib.

`Repository` with `publishing`, `ceremony` and `standing` is the publisher's
side, a folder that any web server can serve; `TrustedTargets` is the Device's.
What a Target is and who takes it is decided in `core`.
"""
