"""What an owner may add in Caddy's words, and that everything else is found with its line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.caddyfile_snippet import refusals, words

GOOD = """
# What an app that has no headers of its own needs.
header {
    Strict-Transport-Security "max-age=31536000"
    -Server
}
encode gzip zstd
@old path /old/* /older
redir @old /new{uri} 301
handle_path /static/* {
    respond "as {http.request.uri.path}" 200
}
@posts {
    method POST
    not {
        remote_ip 192.0.2.0/24
    }
}
request_body @posts {
    max_size 10MB
}
handle /grpc/* {
    reverse_proxy h2c://grpc:9000 {
        header_up X-Real-IP {remote_host}
        flush_interval -1
        transport http {
            versions h2c
        }
    }
}
"""


def test_handlers_of_a_site_are_allowed() -> None:
    assert refusals(GOOD) == []


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("header A b\nimport /etc/passwd", 2, "`import` is not allowed"),
        ("header {\n  import /etc/passwd\n}", 2, "`import` is not allowed"),
        ("\n\nfile_server", 3, "`file_server` is not allowed"),
        ("handle /a {\n  root * /etc\n}", 2, "`root` is not allowed in handle"),
        ("}\n:9999 {\n respond x", 1, "closes what the snippet did not open"),
        ("tls internal", 1, "`tls` is not allowed"),
        ("bind 0.0.0.0", 1, "`bind` is not allowed"),
        ("templates", 1, "`templates` is not allowed"),
        ("respond {env.LINK_TOKEN}", 1, "{env.LINK_TOKEN} is not one of a request"),
        ('respond "a\nb {$LINK_TOKEN}"', 1, "{$LINK_TOKEN} is not one of a request"),
        ("header X {file./etc/shadow}", 1, "{file./etc/shadow} is not one of a request"),
        ("respond <<END\nx\nEND", 1, "heredoc"),
        ("@a expression `file('/etc')`", 1, "the matcher `expression` is not allowed"),
        ("@a {\n file /etc/passwd\n}", 2, "`file` is not allowed in `@a`"),
        ("@a {\n not {\n  vars x y\n }\n}", 3, "`vars` is not allowed in `not`"),
        ("reverse_proxy unix//run/mosaic-link/admin.sock", 1, "'unix//run/mosaic-link/admin.sock' is not a service"),
        ("reverse_proxy {\n to unix//run/x\n}", 2, "'unix//run/x' is not a service"),
        ("reverse_proxy a:1 {\n transport fastcgi\n}", 2, "no transport but `http`"),
        (
            "reverse_proxy a:1 {\n transport http {\n  tls_trust_pool file /x\n }\n}",
            3,
            "`tls_trust_pool` is not allowed",
        ),
        ("reverse_proxy a:1 {\n handle_response {\n }\n}", 2, "`handle_response` is not allowed"),
        ('respond "open', 1, "is not closed"),
        ("handle {\n respond x", 1, "the block of `handle` is not closed"),
        ("(site) {\n}", 1, "`(site)` is not allowed"),
        ("{\n admin :2019\n}", 1, "a block without a name"),
        ('respond "\\\\" {\n}\nimport /etc/passwd', 3, "`import` is not allowed"),
    ],
)
def test_what_is_not_allowed_is_found_in_its_line(text: str, line: int, said: str) -> None:
    found = refusals(text)
    assert any(finding.line == line and said in finding.sentence for finding in found), found


@given(st.text(st.sampled_from('ab{} \n"`\\#@$.<respondimpt'), max_size=60))
def test_any_text_is_looked_through(text: str) -> None:
    for finding in refusals(text):
        assert 1 <= finding.line <= text.count("\n") + 1


@given(st.lists(st.from_regex(r"[a-z0-9/.*-]{1,8}", fullmatch=True), min_size=1, max_size=8))
def test_words_are_split_where_blanks_are(each: list[str]) -> None:
    assert [word.text for word in words(" ".join(each))] == each
    assert [word.line for word in words("\n".join(each))] == list(range(1, len(each) + 1))
