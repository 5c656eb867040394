"""Versions: what is in use is never given up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core import package_versions
from mosaic.core.oci_types import digest_of
from mosaic.core.package_versions import AppVersions, Version
from mosaic.core.strict_json import NotStrict

DIGESTS = [digest_of(bytes([number])) for number in range(5)]
VERSION = Version(digest_of(b"bundle"), digest_of(b"index"))
DIGEST = st.sampled_from(DIGESTS)
STEPS = st.lists(
    st.tuples(st.sampled_from(["install", "back", "forget", "prune"]), DIGEST, st.sets(DIGEST)), max_size=12
)


@given(STEPS)
def test_what_is_current_previous_or_in_use_is_always_kept(steps: list[tuple[str, str, set[str]]]) -> None:
    known = AppVersions()
    for step, digest, in_use in steps:
        before = known
        match step:
            case "install":
                known = package_versions.installed(known, digest, VERSION)
                assert known.current == digest
                assert known.previous == (before.previous if before.current == digest else before.current)
                assert package_versions.installed(known, digest, VERSION) == known
            case "back":
                known = package_versions.rolled_back(known)
                assert known.current == (before.previous or before.current)
            case "forget":
                known = package_versions.forgotten(known)
            case _:
                known = package_versions.kept(known, in_use)
                wanted = {before.current, before.previous} | in_use
                assert known.versions.keys() == before.versions.keys() & wanted
        assert {known.current, known.previous} - {None} <= known.versions.keys()
        assert package_versions.read(package_versions.write(known)) == known


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b'{"current":"x","format":1,"previous":null,"versions":{}}',
        b'{"current":null,"format":2,"previous":null,"versions":{}}',
    ],
)
def test_what_is_no_record_is_refused(content: bytes) -> None:
    with pytest.raises(NotStrict):
        package_versions.read(content)
