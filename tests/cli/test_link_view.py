"""What `mosaic link list` says of a link at its gateway."""

import time

import pytest

from mosaic.cli.link_view import at_gateways
from mosaic.wire.link_api import Link, LinkAt, LinkName
from mosaic.wire.links import LinkStanding

MINUTE_NS = 60 * 10**9


@pytest.mark.parametrize("registered", [True, False])
def test_a_gateways_word_is_shown_with_its_age_when_it_did_not_answer_since(registered: bool) -> None:
    standing = LinkStanding("link", 1, [], registered)

    def said(age_ns: int) -> str:
        at = LinkAt("gw", True, standing=standing, heard_ns=time.time_ns() - age_ns)
        return at_gateways(Link("link", "i1", "notes", 1, [LinkName("notes.example.net", "good")], 1, True, [at]))

    assert "it said so" not in said(0)
    assert "(it said so 5 min" in said(5 * MINUTE_NS)
