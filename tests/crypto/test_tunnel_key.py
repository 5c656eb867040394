"""A tunnel's keys are X25519's, and the private half shows nowhere."""

import base64

from mosaic.core.public_key import of_hex
from mosaic.crypto import tunnel_key
from mosaic.crypto.secret import Secret


def test_the_public_half_is_that_of_rfc_7748() -> None:
    """The first of the iterations in its section 5.2, which multiplies the base point 9 by 9."""
    nine = Secret(b"\x09" + bytes(31))
    after_one = "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"
    assert tunnel_key.of(nine).public == of_hex(after_one)


def test_keys_are_drawn_and_their_private_half_is_not_shown() -> None:
    first, second = tunnel_key.generate(), tunnel_key.generate()
    assert first.public != second.public
    assert base64.b64encode(first.private.reveal()).decode() not in repr(first)
