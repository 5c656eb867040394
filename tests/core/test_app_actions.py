"""An app's actions: what its compose file may say, and what becomes of what somebody types."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.action_values import ActionInputRefused, FilledAction, fill
from mosaic.core.app import fill_in
from mosaic.core.app_actions import AppAction, Choice, Given, Integer, SecretText, Text, app_actions
from mosaic.core.compose_document import ComposeInvalid

REGISTER: dict[str, Any] = {
    "title": "Register a user",
    "service": "chat",
    "command": ["register", "--user", "{user}", "{role}", "--quota", "{quota}", "--password-file", "/dev/stdin"],
    "stdin": ["password"],
    "timeout_seconds": 30,
    "inputs": {
        "user": {"kind": "text", "title": "Name", "pattern": "[a-z0-9._=-]+", "longest": 64},
        "role": {"kind": "choice", "choices": {"user": "--no-admin", "administrator": "--admin"}},
        "quota": {"kind": "integer", "least": 1, "most": 100},
        "password": {"kind": "secret", "shortest": 8},
    },
}
GOOD = {"user": "ada", "role": "user", "quota": "5"}
SECRET = {"password": "correct horse"}


def document(**actions: Any) -> dict[str, Any]:
    return {"services": {"chat": {"image": "chat:1"}}, "x-mosaic": {"actions": actions}}


def read(**actions: Any) -> dict[str, AppAction]:
    return app_actions(fill_in(document(**actions), variables={"WORD": "rm"}))


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the action with one thing in it replaced, by its path."""
    action = copy.deepcopy(REGISTER)
    *way, last = path.split(".")
    at = action
    for key in way:
        at = at[key]
    at[last] = value
    return action


def test_an_action_is_read_as_it_was_written() -> None:
    (action,) = read(register=REGISTER).values()

    assert (action.service, action.title, action.timeout_seconds) == ("chat", "Register a user", 30)
    assert action.command[:4] == ("register", "--user", Given("user"), Given("role"))
    assert [type(each) for each in action.inputs.values()] == [Text, Choice, Integer, SecretText]


def test_an_app_without_actions_has_none() -> None:
    assert read() == {}


@pytest.mark.parametrize(
    ("path", "value", "word"),
    [
        ("service", "nobody", "nobody"),
        ("command", "register {user}", "one text"),
        ("command", [], "empty"),
        ("command", ["{user}", "--quota", "{quota}", "{role}"], "program"),
        ("command", ["-x", "{user}", "{quota}", "{role}"], "program"),
        ("command", ["register", "--user={user}", "{quota}", "{role}"], "within a word"),
        ("command", ["register", "{usr}", "{user}", "{quota}", "{role}"], "no input"),
        ("command", ["register", "{user}", "{quota}", "{role}", "{password}"], "secret"),
        ("command", ["register", "{user}", "{quota}"], "nowhere"),
        ("command", ["register", "$WORD", "{user}", "{quota}", "{role}"], "dollar"),
        ("title", "Register\nusers", "one line"),
        ("title", "${WORD}", "dollar"),
        ("stdin", ["passwort"], "no input"),
        ("stdin", ["password", "password"], "twice"),
        ("timeout_seconds", 100_000, "seconds"),
        ("shell", True, "shell"),
        ("inputs.user.kind", "regex", "kind"),
        ("inputs.user.pattern", "(a+)+", "read"),
        ("inputs.user.longest", 0, "longest"),
        ("inputs.user.shortest", 100, "letters"),
        ("inputs.user.least", 1, "least"),
        ("inputs.role.choices", [], "none"),
        ("inputs.role.choices", ["a", "a"], "twice"),
        ("inputs.role.choices", ["a\n"], "line"),
        ("inputs.quota.least", 200, "goes from"),
        ("inputs.quota.most", "many", "whole number"),
        ("inputs", {**REGISTER["inputs"], "--user": {"kind": "text"}}, "no name"),
    ],
)
def test_what_an_action_cannot_mean_is_refused(path: str, value: Any, word: str) -> None:
    with pytest.raises(ComposeInvalid) as refused:
        read(register=changed(path, value))

    assert word in refused.value.message
    assert refused.value.hint


def test_a_name_that_could_be_an_option_or_a_path_is_refused() -> None:
    for name in ("-x", "../up", "Register", "", "a" * 41, "a b"):
        with pytest.raises(ComposeInvalid):
            read(**{name: REGISTER})


def test_values_come_to_stand_in_their_places_and_secrets_on_standard_input() -> None:
    (action,) = read(register=REGISTER).values()

    filled = fill(action, GOOD, SECRET)

    words = ("register", "--user", "ada", "--no-admin", "--quota", "5", "--password-file", "/dev/stdin")
    assert filled == FilledAction(words, b"correct horse\n")
    assert "correct" not in repr(filled)


@pytest.mark.parametrize(
    ("values", "secrets"),
    [
        ({**GOOD, "more": "x"}, SECRET),
        ({"user": "ada", "role": "user"}, SECRET),
        (GOOD, {}),
        ({**GOOD, **SECRET}, {}),
        ({**GOOD, **SECRET}, SECRET),
        (GOOD, {**SECRET, "user": "eve"}),
        ({**GOOD, "role": "--admin"}, SECRET),
        ({**GOOD, "quota": "101"}, SECRET),
        ({**GOOD, "quota": "٥"}, SECRET),
        (GOOD, {"password": "two\nlines!"}),
    ],
)
def test_what_does_not_fit_is_refused_and_no_value_is_repeated(values: dict[str, str], secrets: dict[str, str]) -> None:
    (action,) = read(register=REGISTER).values()

    with pytest.raises(ActionInputRefused) as refused:
        fill(action, values, secrets)

    assert "correct" not in refused.value.with_hint
    assert "two" not in refused.value.with_hint


@given(st.text(max_size=80), st.text(max_size=20), st.text(max_size=20), st.text(max_size=40))
def test_whatever_is_typed_only_the_template_comes_out_or_nothing(
    user: str, role: str, quota: str, password: str
) -> None:
    (action,) = read(register=REGISTER).values()
    try:
        filled = fill(action, {"user": user, "role": role, "quota": quota}, {"password": password})
    except ActionInputRefused:
        return
    flags = {"user": "--no-admin", "administrator": "--admin"}
    expected = ("register", "--user", user, flags[role], "--quota", quota, "--password-file", "/dev/stdin")
    assert filled.command == expected
    assert filled.stdin.decode().splitlines() == [password]


@given(st.text(max_size=30))
def test_a_text_without_a_pattern_is_one_printable_line_that_is_no_option(text: str) -> None:
    (action,) = read(say={"service": "chat", "command": ["say", "{what}"], "inputs": {"what": {}}}).values()
    try:
        filled = fill(action, {"what": text}, {})
    except ActionInputRefused:
        assert not text or not text.isprintable() or text.startswith("-")
        return
    assert filled.command == ("say", text)
    assert not text.startswith("-")
