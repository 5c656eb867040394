"""Real compose files from public catalogs: every image is found where it is said, and pinned there alone."""

from golden.test_corpus import ROOT, is_compose, load
from mosaic.adapters.compose_text import images, splice

PIN = "docker.io/library/nginx@sha256:" + "0a" * 32


def test_every_image_of_the_corpus_is_pinned_in_place() -> None:
    assert ROOT.is_dir(), f"no corpus at {ROOT}: put it beside the project, or name it in MOSAIC_CORPUS"
    count = 0
    for file in sorted([*ROOT.rglob("*.yml"), *ROOT.rglob("*.yaml")]):
        parsed, text = load(file), file.read_bytes()
        if not isinstance(parsed, dict) or not is_compose(parsed):
            continue
        found = images(text)
        assert {each.service: each.image for each in found} == {
            name: service.get("image") for name, service in parsed["services"].items()
        }, file
        named = {each.service: each.image for each in found if each.image}
        assert splice(text, named) == text, file
        after = splice(text, dict.fromkeys(named, PIN))
        assert {each.service for each in images(after) if each.image == PIN} == set(named), file
        lines = zip(text.split(b"\n"), after.split(b"\n"), strict=True)
        changed = [number for number, (old, new) in enumerate(lines, start=1) if old != new]
        assert changed == sorted({each.line for each in found if each.image}), file
        count += len(named)
    assert count >= 100
