"""The bracket table: it is whole, it is safe, and it comes to rest."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.brackets import TABLE, Action, Facts, Phase, Situation, situation

bools = st.booleans()
facts = st.builds(
    Facts,
    open_quantity=st.integers(-2, 4),
    covered=st.integers(0, 4),
    entry_open=bools,
    entry_old=bools,
    stops_open=bools,
    stop_failed=bools,
    stop_traded=bools,
    cancel_due=bools,
    exit_open=bools,
    exit_due=bools,
    exit_wanted=bools,
    targets_open=bools,
    too_many=bools,
    target_due=bools,
)


@given(st.sampled_from(Phase), facts)
def test_every_situation_that_can_be_has_a_row(phase: Phase, now: Facts) -> None:
    assert (phase, situation(phase, now)) in TABLE


def test_every_row_can_be_reached() -> None:
    reached = set()
    flags = list(itertools.product([False, True], repeat=9))
    legs = [(False, False, False), (True, False, False), (False, True, False), (False, False, True)]
    for phase, open_quantity, covered in itertools.product(Phase, (-1, 0, 1), (0, 1)):
        for flag, (open_, many, due) in itertools.product(flags, legs):
            now = Facts(open_quantity, covered, *flag, targets_open=open_, too_many=many, target_due=due)
            reached.add((phase, situation(phase, now)))
    assert reached == set(TABLE)


@given(st.sampled_from([Phase.ENTERING, Phase.PROTECTED]), facts)
def test_contracts_without_a_stop_are_never_left_waiting(phase: Phase, now: Facts) -> None:
    after, actions = TABLE[phase, situation(phase, now)]
    if now.open_quantity > now.covered:
        assert Action.PLACE_STOP in actions or after is Phase.RETREATING


@given(facts)
def test_nothing_is_closed_while_something_rests(now: Facts) -> None:
    for phase in (Phase.ENTERING, Phase.PROTECTED, Phase.RETREATING):
        _, actions = TABLE[phase, situation(phase, now)]
        if Action.SEND_EXIT in actions:
            assert phase is Phase.RETREATING and not now.entry_open and not now.stops_open and not now.targets_open
    _, actions = TABLE[Phase.CLOSING, situation(Phase.CLOSING, now)]
    assert not (Action.SEND_EXIT in actions and now.exit_open), "never two exits at once"


@given(st.sampled_from(Phase), facts)
def test_done_means_that_nothing_is_held(phase: Phase, now: Facts) -> None:
    after, _ = TABLE[phase, situation(phase, now)]
    if after is Phase.DONE:
        assert now.open_quantity == 0


@pytest.mark.parametrize("phase", [Phase.ENTERING, Phase.PROTECTED])
def test_urgency(phase: Phase) -> None:
    everything = Facts(2, 0, True, True, True, True, True, True, False, True, True)
    assert situation(phase, everything) is Situation.EXIT_WANTED


@given(st.sampled_from([Phase.ENTERING, Phase.PROTECTED]), facts)
def test_the_stop_comes_before_the_target_and_a_target_never_makes_it_leave(phase: Phase, now: Facts) -> None:
    _, actions = TABLE[phase, situation(phase, now)]
    if Action.PLACE_TARGET in actions:
        assert 0 <= now.open_quantity <= now.covered and not now.stop_failed and not now.exit_wanted
    calm = replace(now, targets_open=True, too_many=False, target_due=False)
    without = replace(calm, targets_open=False)
    held = now.open_quantity > 0 or now.entry_open
    assert not held or TABLE[phase, situation(phase, calm)] == TABLE[phase, situation(phase, without)]


@given(st.sampled_from(Phase), facts)
def test_more_closed_than_opened_is_never_left_waiting_while_anything_can_be_done(phase: Phase, now: Facts) -> None:
    """Both legs filled: leave, that is cancel what rests, then close the other way."""
    now = replace(now, open_quantity=-1, exit_allowed=True, exit_due=True, exit_open=False, cancel_due=True)
    after, actions = TABLE[phase, situation(phase, now)]
    assert after in (Phase.RETREATING, Phase.CLOSING)
    assert set(actions) & {Action.CANCEL_RESTING, Action.SEND_EXIT}
