"""Words from evidence, and when they are said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.policy import DISAGREE, MINIMUM_AGREEMENT, NO_PATTERN, Opinion, Speaker, opinion

NAMES = ("a", "b", "c", "d")
WEIGHTS = (0.4, 0.3, 0.2, 0.1)
MS = 1_000_000
BUY, SELL = Opinion(0.8, 0.5, ("a",)), Opinion(-0.8, 0.5, ("a",))
NONE, DOWN = Opinion(abstains=NO_PATTERN), Opinion(abstains="features is failed")


def test_without_a_pattern_it_has_no_opinion() -> None:
    assert opinion(np.zeros(4), NAMES, WEIGHTS).abstains == NO_PATTERN


def test_patterns_that_cancel_out_are_no_neutral_vote() -> None:
    assert opinion(np.array([0.3, -0.4, 0.0, 0.0]), NAMES, WEIGHTS).abstains == DISAGREE


def test_agreement_and_strength() -> None:
    what = opinion(np.array([0.5, 0.0, -0.2, 0.0]), NAMES, WEIGHTS)
    assert what.direction == pytest.approx((0.20 - 0.04) / 0.24)
    assert what.confidence == pytest.approx(2 * 0.24)
    assert what.patterns == ("a", "c")


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=4))
def test_opinions_are_in_range_and_turn_with_the_evidence(strengths: list[float]) -> None:
    what = opinion(np.array(strengths), NAMES, WEIGHTS)
    mirrored = opinion(-np.array(strengths), NAMES, WEIGHTS)
    assert mirrored.abstains == what.abstains
    assert mirrored.direction == -what.direction
    assert mirrored.confidence == what.confidence
    if not what.abstains:
        assert MINIMUM_AGREEMENT <= abs(what.direction) <= 1.0
        assert 0.0 <= what.confidence <= 1.0


def test_votes_are_rationed_unless_the_sign_turns() -> None:
    speaker = Speaker(100 * MS, 5_000 * MS)
    assert speaker.says(0, BUY)
    assert not speaker.says(99 * MS, BUY)
    assert speaker.says(99 * MS, SELL)
    assert not speaker.says(150 * MS, SELL)
    assert speaker.says(199 * MS, SELL)


def test_the_end_of_a_pattern_is_said_when_the_vote_has_run_out() -> None:
    speaker = Speaker(100 * MS, 5_000 * MS)
    assert speaker.says(1, BUY)
    assert not speaker.says(3_000 * MS, NONE)
    assert speaker.says(5_001 * MS + 1, NONE)
    assert not speaker.says(5_900 * MS, NONE)
    assert speaker.says(6_002 * MS, NONE)  # once a second


def test_a_reason_that_makes_the_vote_unsafe_is_said_at_once() -> None:
    speaker = Speaker(100 * MS, 5_000 * MS)
    assert speaker.says(1_000 * MS, BUY)
    assert speaker.says(1_001 * MS, DOWN)
    assert not speaker.says(1_002 * MS, DOWN)
    assert not speaker.says(1_002 * MS, Opinion(abstains="gap"))  # the vote is gone already: rationed again
    assert speaker.says(1_101 * MS, Opinion(abstains="gap"))
    assert not speaker.says(1_202 * MS, Opinion(abstains="gap"))


def test_numbers_in_a_reason_are_not_news() -> None:
    speaker = Speaker(0, 5_000 * MS)
    assert speaker.says(1, Opinion(abstains="features has not beaten for 1100 ms"))
    assert not speaker.says(2, Opinion(abstains="features has not beaten for 1150 ms"))


@given(st.lists(st.tuples(st.integers(0, 400), st.sampled_from([BUY, SELL, NONE, DOWN])), max_size=200))
def test_the_ration_holds_for_any_sequence(steps: list[tuple[int, Opinion]]) -> None:
    speaker = Speaker(100 * MS, 1_000 * MS)
    now, last, sign = 0, None, 0
    for wait_ms, what in steps:
        now += wait_ms * MS
        if not speaker.says(now, what):
            continue
        turned = not what.abstains and sign * what.direction < 0
        ends_a_vote = bool(what.abstains) and sign != 0
        first_vote = not what.abstains and sign == 0
        assert last is None or now - last >= 100 * MS or turned or ends_a_vote or first_vote
        last, sign = now, 0 if what.abstains else (1 if what.direction > 0 else -1)
