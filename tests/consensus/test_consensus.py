"""Consensus: votes and their validity, sharing of weight, limits, threshold and size, each against a plain twin."""

from __future__ import annotations

import doctest
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.messages import Signal
from config.schema import Config, Consensus, Instrument
from consensus import decision, threshold, votes
from consensus.decision import Rules, decide, quantity_of, rules_of
from consensus.votes import VoteBook, why_not
from consensus.weights import AGENTS, SOURCES, Group, Weights, start_weights

NOW_NS = 1_000_000
START = start_weights(Consensus())
RULES = Rules(threshold=0.10, minimum_weight=0.60, minimum_sources=2, max_quantity=4)


def signal(source: str, direction: float = 1.0, confidence: float = 1.0, **changes: Any) -> Signal:
    fields: dict[str, Any] = {
        "version": 1, "source": source, "sequence": 0, "epoch": 0, "symbol": 0, "ingest_seq": 5, "ts_ns": 900,
        "recv_ns": 11, "features_publish_ns": 12, "publish_ns": 13, "direction": direction, "confidence": confidence,
        "horizon_ms": 1000, "valid_until_ns": NOW_NS,
    }  # fmt: skip
    return Signal(**{**fields, **changes})


def decided(*signals: Signal, rules: Rules = RULES, use: Weights = START, market_ns: int = NOW_NS) -> Any:
    book = VoteBook(SOURCES)
    for one in signals:
        assert book.take(one) == votes.TAKEN
    ballot = book.ballot(0, market_ns)
    return decide(ballot, use, rules, symbol=0, sequence=3, decided_ns=77, market_ns=market_ns)


def naive_total(signals: list[Signal]) -> float:
    """The vote written out by hand from the configured numbers."""
    section = Consensus()
    total = 0.0
    for one in signals:
        if one.source == "ml":
            total += 0.40 * one.direction * one.confidence
    agents = [one for one in signals if one.source != "ml"]
    present = sum(getattr(section, one.source) for one in agents)
    for one in agents:
        total += 0.60 * (getattr(section, one.source) / present) * one.direction * one.confidence
    return total


@pytest.mark.parametrize("module", [decision, threshold])
def test_examples_in_docstrings(module: Any) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0 and result.failed == 0


def test_start_weights_are_the_configured_ones() -> None:
    assert START.nominal() == pytest.approx(
        {"ml": 0.40, "order_flow": 0.18, "liquidity": 0.12, "tape_reading": 0.15, "footprint": 0.15}
    )


def test_everybody_votes() -> None:
    result = decided(*(signal(source) for source in SOURCES))
    assert (result.action, result.quantity) == ("BUY", 4)
    assert result.total == pytest.approx(1.0)
    assert result.confidence == pytest.approx(1.0)
    assert result.abstained == ()


def test_without_a_model_the_agents_hold_exactly_the_minimum() -> None:
    result = decided(*(signal(agent, -1.0, 0.5) for agent in AGENTS))
    assert result.action == "SELL"
    assert result.total == pytest.approx(-0.30)
    assert result.confidence == pytest.approx(0.5)
    assert result.quantity == 2
    assert result.abstained == (("ml", votes.SILENT),)


def test_a_silent_agents_weight_counts_for_its_group() -> None:
    result = decided(*(signal(agent) for agent in AGENTS[:2]))
    assert (result.action, result.quantity) == ("BUY", 4)
    assert result.total == pytest.approx(0.60)


def test_too_little_weight_holds() -> None:
    result = decided(signal("ml"), signal("order_flow"), rules=Rules(0.1, 1.01, 2, 4))
    assert result.action == "HOLD" and result.quantity == 0
    assert "1.00 of at least 1.01" in result.reason


def test_one_source_is_too_few_even_with_all_the_weight() -> None:
    alone = Weights((Group(1.0, (("ml", 1.0),)), Group(0.0, tuple((agent, 0.25) for agent in AGENTS))))
    assert decided(signal("ml"), signal("order_flow"), use=alone).reason == "1 of at least 2 sources vote"


def test_the_weight_of_the_abstaining_stays_in_the_group() -> None:
    shared = START.effective({"ml", "order_flow", "liquidity"})
    assert shared == pytest.approx({"ml": 0.40, "order_flow": 0.36, "liquidity": 0.24})
    assert START.effective({"ml"}) == pytest.approx({"ml": 0.40})
    assert START.effective(()) == {}


@given(st.sets(st.sampled_from(SOURCES)))
def test_sharing_keeps_the_share_of_each_group(voting: set[str]) -> None:
    shared = START.effective(voting)
    assert set(shared) == voting
    agents = sum(weight for source, weight in shared.items() if source != "ml")
    assert agents == pytest.approx(0.60 if voting - {"ml"} else 0.0)


unit = st.floats(0, 1)
both = st.floats(-1, 1)


@given(st.dictionaries(st.sampled_from(SOURCES), st.tuples(both, unit), min_size=1))
def test_against_the_naive_twin(opinions: dict[str, tuple[float, float]]) -> None:
    signals = [signal(source, *opinion) for source, opinion in opinions.items()]
    result = decided(*signals)
    expected = naive_total(signals)
    assert result.total == pytest.approx(expected, abs=1e-12)
    assert 0.0 <= result.confidence <= 1.0
    held = 0.4 * ('ml' in opinions) + 0.6 * bool(set(opinions) - {'ml'})
    allowed = len(signals) >= 2 and held >= 0.6 - 1e-9
    if not allowed or abs(expected) < 0.1 - 1e-9:
        assert (result.action, result.quantity) == ("HOLD", 0)
    elif abs(expected) > 0.1 + 1e-9:
        assert result.action == ("BUY" if expected > 0 else "SELL")
        assert 1 <= result.quantity <= RULES.max_quantity


def test_the_threshold_itself_counts() -> None:
    at = [signal(source, 0.1, 1.0) for source in SOURCES]
    exact = Rules(threshold=decided(*at).total, minimum_weight=0.6, minimum_sources=2, max_quantity=1)
    assert decided(*at, rules=exact).action == "BUY"
    above = Rules(math.nextafter(exact.threshold, 1), 0.6, 2, 1)
    assert decided(*at, rules=above).action == "HOLD"


def test_the_decision_carries_its_newest_base_event() -> None:
    signals = [signal(agent, ingest_seq=10 + i, ts_ns=500 + i, recv_ns=50 + i) for i, agent in enumerate(AGENTS)]
    result = decided(*signals)
    assert (result.ingest_seq, result.ts_ns, result.recv_ns) == (13, 503, 53)
    nothing = decided()
    assert (nothing.ingest_seq, nothing.ts_ns, nothing.recv_ns, nothing.action) == (-1, NOW_NS, 0, "HOLD")


@pytest.mark.parametrize("market_ns, reason", [(NOW_NS, ""), (NOW_NS + 1, votes.EXPIRED), (0, votes.NO_MARKET_TIME)])
def test_validity_by_market_time(market_ns: int, reason: str) -> None:
    assert why_not(signal("ml"), market_ns) == reason


@pytest.mark.parametrize("direction", [math.nan, 1.0001, -1.0001, math.inf])
def test_a_direction_out_of_range_is_no_vote(direction: float) -> None:
    assert why_not(signal("ml", direction), NOW_NS) == votes.NOT_A_VOTE


@pytest.mark.parametrize("confidence", [math.nan, 1.0001, -0.0001])
def test_a_confidence_out_of_range_is_no_vote(confidence: float) -> None:
    assert why_not(signal("ml", 1.0, confidence), NOW_NS) == votes.NOT_A_VOTE


def test_abstention_keeps_its_reason() -> None:
    result = decided(*(signal(agent) for agent in AGENTS), signal("ml", abstains="cold: 120 of 200 bars"))
    assert result.abstained == (("ml", "cold: 120 of 200 bars"),)


def test_an_older_signal_never_replaces_a_newer_one() -> None:
    book = VoteBook(SOURCES)
    assert book.take(signal("ml", 0.1, sequence=5, epoch=1)) == votes.TAKEN
    assert book.take(signal("ml", 0.2, sequence=5, epoch=1)) == votes.OLDER
    assert book.take(signal("ml", 0.3, sequence=9, epoch=0)) == votes.OLDER
    assert book.take(signal("ml", 0.4, sequence=0, epoch=2)) == votes.TAKEN
    assert book.take(signal("rumour")) == votes.UNKNOWN_SOURCE
    assert book.ballot(0, NOW_NS).voting["ml"].direction == 0.4
    assert "ml" in book.ballot(1, NOW_NS).abstained, "another symbol has no signal"


@pytest.mark.parametrize("share", [0.5, math.nan, -0.1])
def test_weights_that_do_not_sum_to_one_are_refused(share: float) -> None:
    with pytest.raises(ValueError, match="must"):
        Weights((Group(share, (("ml", 1.0),)), Group(0.6, (("order_flow", 1.0),))))


@given(unit, st.integers(1, 50))
def test_size_stays_within_its_limits(confidence: float, max_quantity: int) -> None:
    assert 1 <= quantity_of(confidence, max_quantity) <= max_quantity
    assert quantity_of(1.0, max_quantity) == max_quantity


def test_rules_come_from_the_configuration() -> None:
    config = Config(instruments=(Instrument(symbol="WDOFUT", tick=0.5, point_value=10.0),))
    assert rules_of(config) == Rules(0.10, 0.60, 2, 1)
