"""What is found to be there is there: each is tried out, not read from a list."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaic.adapters import process
from mosaic.adapters.wireguard import surroundings
from mosaic.adapters.wireguard.maker import Kernel, TunnelNotMade
from mosaic.core.link_mode import order
from support.netns.place import Place

pytestmark = pytest.mark.netns


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place("machine", tmp_path)
    yield made
    made.close()


def test_root_with_wireguard_go_has_what_the_userspace_mode_needs(place: Place) -> None:
    found = place.do(surroundings.look)
    assert (found.may_administer, found.has_tun, found.has_wg) == (True, True, True)
    assert found.wireguard_go is not None
    assert "userspace" in order(None, found, udp_answered=None)
    # Looking leaves nothing behind.
    assert place.run("ip", "-brief", "link").count("\n") == 1


def test_what_the_kernel_is_said_to_make_it_makes(place: Place) -> None:
    maker = Kernel("mosaic0")
    if place.do(surroundings.look).kernel_has_wireguard:
        place.do(maker.make)
        assert place.do(maker.is_there)
        place.do(maker.unmake)
    else:
        with pytest.raises(TunnelNotMade):
            place.do(maker.make)
    assert not place.do(maker.is_there)


def test_another_kind_of_interface_is_not_taken_for_the_kernels_wireguard(place: Place) -> None:
    place.run("ip", "link", "add", "mosaic0", "type", "veth", "peer", "name", "other")
    assert not place.do(Kernel("mosaic0").is_there)


def test_without_rights_and_programs_there_is_tcp(place: Place, tmp_path: Path) -> None:
    program = (
        "from mosaic.adapters.wireguard import surroundings; from mosaic.core.link_mode import order;"
        "found = surroundings.look(); print(found.wireguard_go, order(None, found, udp_answered=None))"
    )
    words = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all", sys.executable, "-c", program]
    env = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": str(tmp_path)}
    found = place.do(lambda: process.run([shutil.which("setpriv") or "", *words[1:]], deadline_seconds=60, env=env))
    assert found.text == "None ('tcp',)\n"
