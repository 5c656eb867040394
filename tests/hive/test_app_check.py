"""What an app's file is asked before it is installed, and what is not asked again of one that is."""

import pytest

from mosaic.core.compose_document import ComposeInvalid
from mosaic.core.ids import InstallationId
from mosaic.hive import app_check
from mosaic.hive.compose_files import ComposeFile
from mosaic.wire.api import Install

FILE = ComposeFile(
    b"services:\n  web:\n    image: web\n  one:\n    image: mosaic/link\n    environment: {EXPOSE: 'web:80'}\n"
    b"  two:\n    image: mosaic/link\n    environment: {EXPOSE: 'web:81'}\n"
)
HERE = InstallationId("notes")


def test_two_links_with_one_token_are_refused_to_who_installs_them_and_not_to_who_has_them() -> None:
    with pytest.raises(ComposeInvalid, match="two links with one token"):
        app_check.require_new(FILE, Install("notes"), installation=HERE, name="notes")
    # Going back, restoring under other keys and planning the update that mends it look at what is installed.
    app_check.require_installable(FILE, Install("notes"), installation=HERE, name="notes")
    assert {*app_check.compose_of(FILE, installation=HERE, name="notes", config={}).services} == {"web", "one", "two"}
