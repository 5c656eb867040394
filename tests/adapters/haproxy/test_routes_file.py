"""The map file."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.adapters.haproxy.routes_file import RoutesFile

names = st.sampled_from(["a.example", "b.example", "c.example", "d.example"])
addresses = st.sampled_from(["10.100.1.0", "10.100.1.1"])
changes = st.tuples(st.dictionaries(names, addresses), st.sets(names))


@given(st.lists(changes, max_size=5))
def test_it_has_what_was_put_and_not_removed(made: list[tuple[dict[str, str], set[str]]]) -> None:
    with TemporaryDirectory() as folder:
        file = RoutesFile(Path(folder) / "routes.map")
        want: dict[str, str] = {}
        for put, removed in made:
            file.change(put, removed)
            want = {name: address for name, address in {**want, **put}.items() if name not in removed}
            assert RoutesFile(Path(folder) / "routes.map").read() == want


def test_only_its_owner_reads_it_and_nothing_is_left_beside(tmp_path: Path) -> None:
    RoutesFile(tmp_path / "routes.map").change({"a.example": "10.100.1.0"}, ())
    assert [(path.name, path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == [("routes.map", 0o600)]


def test_what_another_wrote_is_seen(tmp_path: Path) -> None:
    one, other = RoutesFile(tmp_path / "routes.map"), RoutesFile(tmp_path / "routes.map")
    one.change({"a.example": "10.100.1.0"}, ())
    other.change({"b.example": "10.100.1.1"}, ())
    one.change({"c.example": "10.100.1.2"}, ())
    assert other.read() == {"a.example": "10.100.1.0", "b.example": "10.100.1.1", "c.example": "10.100.1.2"}


@pytest.mark.parametrize("lost", [b"", b"\0\0\0\0", b"\xff\n"])
def test_of_a_file_that_a_power_cut_left_in_part_whole_lines_are_kept(tmp_path: Path, lost: bytes) -> None:
    path = tmp_path / "routes.map"
    routes = {"a.example": "10.100.1.10", "b.example": "10.100.1.11"}
    RoutesFile(path).change(routes, ())
    whole = path.read_bytes()
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut] + lost)
        RoutesFile(path).mend()
        kept = RoutesFile(path).read()
        assert kept.items() <= routes.items()
        # Each line that was whole, unless what followed it without an end made another line of the last.
        assert len(kept) >= whole[:cut].count(b"\n")
        assert path.read_text() == "".join(f"{name} {address}\n" for name, address in sorted(kept.items()))
