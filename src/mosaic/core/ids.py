"""The names that everything else is keyed by.

Each is a NewType, so that a Device's id can never be passed where an
installation's is wanted. How they are generated is left to the callers:
this package has no randomness.
"""

from typing import NewType

AccountId = NewType("AccountId", str)
DeviceId = NewType("DeviceId", str)
"""Lower-case hex of the first 16 bytes of BLAKE3 over the Device's Ed25519 public key (32 characters)."""

SessionId = NewType("SessionId", str)
"""One run of a Device process; random, made at its start."""

InstallationId = NewType("InstallationId", str)
"""Twelve random characters of [a-z2-7]."""

LinkId = NewType("LinkId", str)
"""Twelve random characters of [a-z2-7]."""

VolumeId = NewType("VolumeId", str)
"""Lower-case hex of the volume's Ed25519 public key (64 characters)."""

HeadHash = NewType("HeadHash", str)
"""Lower-case hex BLAKE3-256 of a signed head's bytes (64 characters)."""

AppDigest = NewType("AppDigest", str)
"""`sha256:` and the hex digest of an app's bundle."""

ImageId = NewType("ImageId", str)
"""`sha256:` and the hex digest of an image's configuration, as an engine names it."""

ServiceName = NewType("ServiceName", str)
