"""What a link does about silence, as promises over any story of probes."""

from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.link_healing import (
    REGISTER_AFTER,
    REGISTERED_AFTER,
    RENEW_AFTER,
    ChangeMode,
    Choices,
    End,
    Healing,
    NextGateway,
    Nothing,
    Probe,
    RegisterAgain,
    Renew,
    Step,
    after_round,
    is_reachable,
)

LIVING = st.sampled_from([Probe.GOOD, Probe.SILENT, Probe.UNKNOWN])
ROUNDS = st.lists(st.fixed_dictionaries({"east": LIVING, "west": LIVING}), max_size=80)
CHOICES = st.builds(Choices, apis=st.integers(1, 3), modes=st.integers(1, 3))


def told(
    rounds: list[dict[str, Probe]], choices: Choices, healing: Healing | None = None
) -> tuple[Healing, list[Step]]:
    """Return what is remembered after these rounds, and the step of each."""
    now, steps = healing or Healing(), []
    for probes in rounds:
        now, step = after_round(now, probes, choices)
        steps.append(step)
    return now, steps


def silence(rounds: int) -> list[dict[str, Probe]]:
    return [{"east": Probe.SILENT, "west": Probe.SILENT}] * rounds


WELL = {"east": Probe.GOOD, "west": Probe.GOOD}


@given(ROUNDS, CHOICES)
def test_while_a_gateway_answers_nothing_is_done_but_a_handshake_with_one_that_does_not(
    rounds: list[dict[str, Probe]], choices: Choices
) -> None:
    now = Healing()
    for probes in rounds:
        now, step = after_round(now, probes, choices)
        if Probe.GOOD in probes.values():
            assert isinstance(step, Nothing | Renew)
            assert is_reachable(now)
            if isinstance(step, Renew):
                assert all(probes[name] is not Probe.GOOD for name in step.gateways)


@given(ROUNDS, CHOICES)
def test_a_round_in_which_all_answer_is_a_fresh_start(rounds: list[dict[str, Probe]], choices: Choices) -> None:
    worked, _ = told([*rounds, WELL], choices)
    _, steps = told(silence(REGISTER_AFTER), choices, worked)
    assert steps == [
        Nothing(),
        Nothing(),
        Renew(("east", "west")),
        Nothing(),
        Nothing(),
        RegisterAgain(),
    ]


@given(ROUNDS, CHOICES)
def test_silence_tries_everything_there_is_in_the_end(rounds: list[dict[str, Probe]], choices: Choices) -> None:
    now, _ = told(rounds, choices)
    most = (choices.apis + choices.modes) * REGISTER_AFTER
    _, steps = told(silence(most), choices, now)
    tried = {type(step) for step in steps}
    assert RegisterAgain in tried
    assert (NextGateway in tried) == (choices.apis > 1)
    assert (ChangeMode in tried) == (choices.modes > 1)


@given(ROUNDS, CHOICES)
def test_each_registration_is_given_its_rounds(rounds: list[dict[str, Probe]], choices: Choices) -> None:
    now, quiet, forgiven = Healing(), REGISTER_AFTER, False
    for probes in rounds:
        now, step = after_round(now, probes, choices)
        if Probe.GOOD in probes.values():
            quiet, forgiven = 0, False
            continue
        quiet += 1
        if isinstance(step, RegisterAgain | NextGateway | ChangeMode):
            # A gateway that lost the link is asked again at once, but once.
            lost = Probe.UNKNOWN in probes.values() and not forgiven
            first_after_it_worked = now.has_worked and now.tries == 2
            assert quiet >= (REGISTERED_AFTER if first_after_it_worked else REGISTER_AFTER) or lost
            quiet, forgiven = 0, True


@given(ROUNDS, CHOICES, st.sampled_from(["east", "west"]))
def test_who_was_superseded_ends_whatever_else_it_is_told(
    rounds: list[dict[str, Probe]], choices: Choices, who: str
) -> None:
    now, _ = told(rounds, choices)
    _, step = after_round(now, {**WELL, who: Probe.SUPERSEDED}, choices)
    assert step == End()


def test_a_mode_in_which_nothing_ever_came_back_is_left_for_the_next_one() -> None:
    _, steps = told(silence(REGISTER_AFTER), Choices(apis=2, modes=3))
    assert steps[RENEW_AFTER - 1] == Renew(("east", "west"))
    assert steps[-1] == ChangeMode()


def test_a_mode_that_worked_is_left_when_a_new_registration_does_not_help_soon() -> None:
    _, steps = told([WELL, *silence(REGISTER_AFTER + REGISTERED_AFTER)], Choices(modes=2))
    assert [step for step in steps if not isinstance(step, Nothing | Renew)] == [RegisterAgain(), ChangeMode()]
    assert steps[-1] == ChangeMode()


def test_a_gateway_that_lost_the_link_is_asked_at_once() -> None:
    _, steps = told([WELL, {"east": Probe.UNKNOWN, "west": Probe.SILENT}], Choices())
    assert steps == [Nothing(), RegisterAgain()]


def test_one_gateway_that_stays_away_is_tried_now_and_then() -> None:
    half = {"east": Probe.GOOD, "west": Probe.SILENT}
    _, steps = told([half] * 60, Choices())
    assert [number for number, step in enumerate(steps, 1) if step == Renew(("west",))] == [3, 27, 51]
