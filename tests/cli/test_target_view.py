"""`mosaic target show` prints the table of seed 002, in plain text."""

from mosaic.cli.target_view import app_table, roll_out_words, target_page
from mosaic.core.roll_out import RollOut
from mosaic.core.target import Target

HTTPD = "hub.example/factory/httpd@sha256:" + "0b" * 32
BLOG = "hub.example/factory/a-blog-with-a-name@sha256:" + "1c" * 32


def test_the_table_is_the_seeds() -> None:
    assert app_table({"httpd": HTTPD}) == f"COMPOSE APP VERSION\n----------- -------\nhttpd       {HTTPD}"


def test_columns_are_aligned_to_the_longest_name_and_apps_are_sorted() -> None:
    lines = app_table({"httpd": HTTPD, "a-blog-with-a-name": BLOG}).split("\n")
    assert lines == [
        "COMPOSE APP        VERSION",
        "-----------        -------",
        f"a-blog-with-a-name {BLOG}",
        f"httpd              {HTTPD}",
    ]


def test_a_target_without_apps_has_an_empty_table() -> None:
    assert app_table({}) == "COMPOSE APP VERSION\n----------- -------"


def test_a_page_says_what_the_target_is_and_who_takes_it() -> None:
    target = Target("stable", "generic-amd64", 77, {"httpd": HTTPD}, 1_800_000_000, "0123abc", RollOut(25))
    assert target_page([target]) == "\n".join(
        [
            "## Target: stable/generic-amd64-77",
            "Created: 2027-01-15T08:00:00Z",
            "Channel: stable",
            "Hardware: generic-amd64",
            "Commit: 0123abc",
            "Roll-out: 25 % of Devices",
            "",
            app_table(target.apps),
        ]
    )


def test_a_roll_out_is_said_in_words() -> None:
    assert roll_out_words(RollOut()) == "every Device"
    assert roll_out_words(RollOut(10, frozenset({"office", "canary"}))) == "10 % of Devices, and all of canary, office"
    assert roll_out_words(RollOut(50, paused=True)) == "paused; meant for 50 % of Devices"
