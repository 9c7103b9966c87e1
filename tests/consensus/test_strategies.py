"""The optional rules at, below and above their numbers; and that none is asked when too few vote."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.decision import first_verdict
from consensus.strategies import STRATEGIES, Tally, qualified, specialist, strong
from consensus.threshold import BUY, HOLD, SELL
from consensus.weights import AGENTS, ML, SOURCES

WEIGHTS = dict(zip(SOURCES, (0.40, 0.18, 0.12, 0.15, 0.15), strict=True))


def tally(threshold: float = 0.1, **opinions: tuple[float, float] | float) -> Tally:
    """opinions: source -> (direction, confidence), or a direction held with confidence 1."""
    votes = []
    for source, opinion in opinions.items():
        direction, confidence = opinion if isinstance(opinion, tuple) else (opinion, 1.0)
        votes.append((source, WEIGHTS[source], direction, confidence))
    return Tally(votes, sum(w * d * c for _, w, d, c in votes), threshold)


def test_strong_needs_the_total_and_four_that_agree() -> None:
    everybody = dict.fromkeys(SOURCES, 0.6)
    assert strong(tally(**everybody))[:3] == (BUY, strong(tally(**everybody)).reason, "strong")
    assert strong(tally(**dict.fromkeys(SOURCES, -0.6))).action == SELL
    assert strong(tally(**dict.fromkeys(SOURCES, 0.59))).action == HOLD
    four = dict.fromkeys(SOURCES, 1.0) | {"liquidity": -0.1}
    assert strong(tally(**four)).action == BUY
    three = four | {"footprint": -0.1}
    assert strong(tally(**three)).action == HOLD and "3 of 4" in strong(tally(**three)).reason
    assert tally(**three).total > 0.6, "it was the count, not the total"


def test_qualified_needs_the_model_and_two_agents() -> None:
    with_two = tally(ml=0.8, order_flow=0.5, liquidity=0.5, tape_reading=-0.2)
    assert with_two.total >= 0.4 and qualified(with_two).action == BUY
    assert qualified(with_two).rule == "qualified"
    with_one = tally(ml=1.0, order_flow=0.5, tape_reading=-0.2)
    assert with_one.total >= 0.4 and qualified(with_one).action == HOLD
    without_ml = tally(ml=-0.1, **dict.fromkeys(AGENTS, 1.0))
    assert without_ml.total >= 0.4 and qualified(without_ml).action == HOLD
    at = tally(ml=0.4, **dict.fromkeys(AGENTS, 0.4))
    assert qualified(at).action == BUY
    assert qualified(tally(ml=0.39, **dict.fromkeys(AGENTS, 0.4))).action == HOLD


def test_a_dominant_specialist_leads_with_half_the_size() -> None:
    found = specialist(tally(footprint=(-0.5, 0.85), ml=(0.3, 1.0)))
    assert (found.action, found.rule, found.size) == (SELL, "specialist", 0.5)
    assert specialist(tally(footprint=(-0.5, 0.849))).action == HOLD
    assert specialist(tally(footprint=(-0.5, 0.85), ml=(0.31, 1.0))).action == HOLD, "ml opposes beyond 0.3"
    assert specialist(tally(ml=(1.0, 1.0))).action == HOLD, "the model is no agent"
    assert specialist(tally(footprint=(0.0, 1.0))).action == HOLD
    torn = specialist(tally(footprint=(-1.0, 0.9), order_flow=(1.0, 0.95)))
    assert torn.action == HOLD and "opposed by footprint" in torn.reason


def test_the_first_rule_that_does_not_hold_decides() -> None:
    both = (STRATEGIES["strong"], STRATEGIES["specialist"])
    found = first_verdict(both, tally(order_flow=(1.0, 0.9), liquidity=(1.0, 0.1)))
    assert (found.action, found.rule, found.size) == (BUY, "specialist", 0.5)
    held = first_verdict(both, tally(order_flow=(1.0, 0.5), liquidity=(1.0, 0.1)))
    assert held.action == HOLD and "strong: " in held.reason and "specialist: " in held.reason
    assert (held.rule, held.size) == ("", 1.0)


opinions = st.dictionaries(st.sampled_from(SOURCES), st.tuples(st.floats(-1, 1), st.floats(0, 1)))


@pytest.mark.parametrize("name", STRATEGIES)
@given(votes=opinions)
def test_no_rule_knows_left_from_right(name: str, votes: dict[str, tuple[float, float]]) -> None:
    """Turning every vote round turns the action round."""
    turned = {source: (-direction, confidence) for source, (direction, confidence) in votes.items()}
    there, back = STRATEGIES[name](tally(**votes)), STRATEGIES[name](tally(**turned))
    assert (there.action, back.action) in ((BUY, SELL), (SELL, BUY), (HOLD, HOLD))
    assert there.size == back.size


@given(votes=opinions)
def test_agreement_is_counted_as_a_person_would(votes: dict[str, tuple[float, float]]) -> None:
    found = tally(**votes)
    expected = {
        source for source, (direction, confidence) in votes.items()
        if (direction * confidence > 0 and found.total > 0) or (direction * confidence < 0 and found.total < 0)
    }  # fmt: skip
    agreeing = found.agreeing()
    assert set(agreeing) <= expected and (ML in agreeing) <= (ML in expected)
    if all(abs(d * c * found.total) > 1e-300 for d, c in votes.values()):
        assert set(agreeing) == expected
