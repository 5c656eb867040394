"""Speaking HTTP to a Hive on loopback, as none of its clients does."""

import ssl

TRUSTS_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For `verify`: nothing is encrypted there, and reading the machine's authorities takes longer than the answer."""
