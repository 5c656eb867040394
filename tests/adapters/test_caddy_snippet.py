"""A snippet as Caddy reads it: taken as routes of a site, or refused with the file's line."""

from pathlib import Path

import pytest

from core.test_caddyfile_snippet import GOOD
from mosaic.adapters import caddy_link
from mosaic.adapters.caddy_link import Certificates, Serving
from mosaic.adapters.caddy_snippet import SnippetRefused, read_snippet
from mosaic.core.expose import parse
from support.link_sites import a_place, asked_app, running_site
from support.waiting import eventually

NAME = "chat.example.org"

pytestmark = pytest.mark.long


def written(folder: Path, text: str) -> Path:
    file = folder / "snippet"
    file.write_text(text)
    return file


def test_a_snippet_changes_what_its_site_answers_and_nothing_else(tmp_path: Path) -> None:
    place = a_place()
    snippet = read_snippet(written(tmp_path, GOOD))
    with asked_app() as app:
        serving = Serving(parse(f"127.0.0.1:{app.port}"), snippet=snippet)
        certificates = Certificates(tmp_path / "data", tls="internal")
        made = caddy_link.link(tmp_path / "admin.sock", place, [NAME], serving, certificates, session="s")
        with running_site(tmp_path, place, made) as site:
            eventually(lambda: site.serial(NAME))
            answer = site.ask(NAME, "/page")
            assert (answer.status, answer.headers["Strict-Transport-Security"]) == (200, "max-age=31536000")
            moved = site.ask(NAME, "/old/x?y=1")
            assert (moved.status, moved.headers["Location"]) == (301, "/new/old/x?y=1")
            assert site.ask(NAME, "/static/a").body == "as /a"
            # The link's own answer comes before.
            assert "Strict-Transport-Security" not in site.ask(NAME, caddy_link.CHECK_PATH).headers
    assert app.asked == ["/page"]


def test_an_empty_snippet_changes_nothing(tmp_path: Path) -> None:
    assert read_snippet(written(tmp_path, "# nothing\n")) == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("respond a\nfile_server /etc", "snippet:2: `file_server` is not allowed"),
        ("header {", "snippet:1: the block of `header` is not closed"),
        ("encode nonsense", "snippet:1"),
        ("encode gzip {\n  bogus 1\n}", "snippet:2"),
        ("redir", "snippet:1"),
    ],
)
def test_a_refusal_has_the_files_name_and_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SnippetRefused) as refused:
        read_snippet(written(tmp_path, text))
    assert said in refused.value.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SnippetRefused, match="nowhere: it cannot be read"):
        read_snippet(tmp_path / "nowhere")
