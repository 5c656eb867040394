"""Real compose files from public catalogs: each is rendered, or refused with a hint; nothing else may happen.

The corpus lies beside the project, not in it. Without it this test fails
rather than passing on nothing; MOSAIC_CORPUS can name another folder.
"""

import os
from collections import Counter
from pathlib import Path

import pytest

from mosaic.adapters import compose_yaml
from mosaic.core.app import image_names, open_app, seed_variables
from mosaic.core.compose_document import Compose
from mosaic.core.compose_variables import VariablesUnknown
from mosaic.core.errors import Refused
from mosaic.core.ids import AppDigest, DeviceId, ImageId, InstallationId
from mosaic.core.ports import allocate
from mosaic.core.rendering import Facts, Rendered, render, wanted_ports

ROOT = Path(os.environ.get("MOSAIC_CORPUS", Path(__file__).parents[2].parent / "shared" / "corpus"))
SEED = seed_variables(driver="mosaic", installation=InstallationId("corpus"), domain="a.example", link_token="t")


def load(file: Path) -> object:
    return compose_yaml.parse(file.read_bytes())


def is_compose(parsed: object) -> bool:
    return isinstance(parsed, dict) and "services" in parsed


def opened(parsed: object, *, fill: bool) -> Compose:
    """Open the app; with `fill`, give a value to each variable that turns out to be missing."""
    variables = dict(SEED)
    while True:
        try:
            return open_app(parsed, variables=variables)
        except VariablesUnknown as unknown:
            if not fill:
                raise
            variables |= {name: "8123" if "PORT" in name else f"x{name.lower()}" for name in unknown.names}


def run(compose: Compose) -> Rendered:
    return render(
        compose,
        Facts(
            device=DeviceId("d" * 32),
            installation=InstallationId("corpus"),
            app_digest=AppDigest("sha256:a"),
            config_revision=1,
            project="corpus",
            driver="mosaic",
            bundle="/bundle",
            package=frozenset(["docker-compose.yml", ".env"]),
            images={name: ImageId("sha256:i") for name in image_names(compose)},
            ports=allocate(wanted_ports(compose), frozenset(), {}),
        ),
    )


def test_every_file_of_the_corpus_is_rendered_or_refused_with_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert ROOT.is_dir(), f"no corpus at {ROOT}: put it beside the project, or name it in MOSAIC_CORPUS"
    outcomes: Counter[str] = Counter()
    for file in sorted([*ROOT.rglob("*.yml"), *ROOT.rglob("*.yaml")]):
        parsed = load(file)
        if not is_compose(parsed):
            outcomes["about an app, not a compose file"] += 1
            continue
        for fill in (False, True):
            way = "with variables given" if fill else "as it is"
            try:
                result = run(opened(parsed, fill=fill))
            except Refused as refused:
                assert refused.message and refused.hint, file
                outcomes[f"{way}: refused, {refused.code}"] += 1
                continue
            assert safe(result), file
            outcomes[f"{way}: rendered"] += 1
    with capsys.disabled():
        print(f"\ncorpus at {ROOT.name}: " + "; ".join(f"{count} {what}" for what, count in sorted(outcomes.items())))
    assert outcomes["with variables given: rendered"] >= 15


def safe(result: Rendered) -> bool:
    """What must be true of everything that a Device runs."""
    services = result.compose["services"]
    assert isinstance(services, dict)
    for service in services.values():
        assert isinstance(service, dict)
        volumes = service["volumes"]
        assert isinstance(volumes, list)
        guarded = any(isinstance(mount, dict) and mount["target"] == "/run/mosaic/guard" for mount in volumes)
        bound = all(
            isinstance(mount, dict) and (mount["type"] != "bind" or str(mount["source"]).startswith("/bundle"))
            for mount in volumes
        )
        if not (guarded and bound and service["restart"] == "no" and "privileged" not in service):
            return service.get("privileged") is False and guarded and bound
    return True
