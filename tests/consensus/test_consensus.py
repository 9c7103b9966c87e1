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
from consensus.decision import Rules, Standing, decide, quantity_of, rules_of
from consensus.shares import ShareTable
from consensus.strategies import STRATEGIES, by_threshold
from consensus.threshold import ThresholdRule, cost_share
from consensus.votes import VoteBook, why_not
from consensus.weights import AGENTS, SOURCES, Group, Weights, start_weights

NOW_NS = 1_000_000
START = start_weights(Consensus())
FIXED = ThresholdRule(0.10, 0.10, 0.0, 0.0)  # does not adapt


def rules(
    threshold: ThresholdRule = FIXED, minimum_weight: float = 0.60, max_quantity: int = 4, names: tuple[str, ...] = ()
) -> Rules:
    strategies = tuple(STRATEGIES[name] for name in names) or (by_threshold,)
    return Rules(threshold, minimum_weight, 2, max_quantity, strategies)


RULES = rules()


def signal(source: str, direction: float = 1.0, confidence: float = 1.0, **changes: Any) -> Signal:
    fields: dict[str, Any] = {
        "version": 1, "source": source, "sequence": 0, "epoch": 0, "symbol": 0, "ingest_seq": 5, "ts_ns": 900,
        "recv_ns": 11, "features_publish_ns": 12, "publish_ns": 13, "direction": direction, "confidence": confidence,
        "horizon_ms": 1000, "valid_until_ns": NOW_NS,
    }  # fmt: skip
    return Signal(**{**fields, **changes})


def decided(
    *signals: Signal,
    by: Rules = RULES,
    use: Weights = START,
    market_ns: int = NOW_NS,
    standing: Standing = Standing(),  # noqa: B008 - frozen
) -> Any:
    book = VoteBook(SOURCES)
    for one in signals:
        assert book.take(one) == votes.TAKEN
    ballot = book.ballot(0, market_ns)
    table = ShareTable(use)
    return decide(ballot, table, by, standing, symbol=0, sequence=3, decided_ns=77, market_ns=market_ns)


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
    result = decided(signal("ml"), signal("order_flow"), by=rules(minimum_weight=1.01))
    assert result.action == "HOLD" and result.quantity == 0
    assert "1.00 of at least 1.01" in result.reason


def test_one_source_is_too_few_even_with_all_the_weight() -> None:
    alone = Weights((Group(1.0, (("ml", 1.0),)), Group(0.0, tuple((agent, 0.25) for agent in AGENTS))))
    assert decided(signal("ml"), signal("order_flow"), use=alone).reason == "1 of at least 2 sources vote"


def effective(*voting: str) -> dict[str, float]:
    """source -> what its vote weighs."""
    shares = ShareTable(START).of(sum(1 << SOURCES.index(source) for source in voting))
    assert shares.held == pytest.approx(math.fsum(shares.weights))
    return {source: weight for source, weight in zip(SOURCES, shares.weights, strict=True) if weight}


def test_the_weight_of_the_abstaining_stays_in_the_group() -> None:
    shared = effective("ml", "order_flow", "liquidity")
    assert shared == pytest.approx({"ml": 0.40, "order_flow": 0.36, "liquidity": 0.24})
    assert effective("ml") == pytest.approx({"ml": 0.40})
    assert effective() == {}


@given(st.sets(st.sampled_from(SOURCES)))
def test_sharing_keeps_the_share_of_each_group(voting: set[str]) -> None:
    shared = effective(*voting)
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
    held = 0.4 * ("ml" in opinions) + 0.6 * bool(set(opinions) - {"ml"})
    allowed = len(signals) >= 2 and held >= 0.6 - 1e-9
    if not allowed or abs(expected) < 0.1 - 1e-9:
        assert (result.action, result.quantity) == ("HOLD", 0)
    elif abs(expected) > 0.1 + 1e-9:
        assert result.action == ("BUY" if expected > 0 else "SELL")
        assert 1 <= result.quantity <= RULES.max_quantity


def test_the_threshold_itself_counts() -> None:
    at = [signal(source, 0.1, 1.0) for source in SOURCES]
    exact = decided(*at).total
    assert decided(*at, by=rules(ThresholdRule(exact, exact, 0.0, 0.0))).action == "BUY"
    above = math.nextafter(exact, 1)
    assert decided(*at, by=rules(ThresholdRule(above, above, 0.0, 0.0))).action == "HOLD"


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
    ballot = book.ballot(0, NOW_NS)
    assert [(number, one.direction) for number, one in ballot.voting] == [(0, 0.4)] and ballot.voters == 1
    assert ballot.votes(2) == [0.4, None]
    assert ("ml", votes.SILENT) in book.ballot(1, NOW_NS).abstained, "another symbol has no signal"


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
    assert rules_of(config) == rules(ThresholdRule(0.10, 0.30, 1.0, 1.0), max_quantity=1)


def test_a_decision_tells_its_threshold_regime_rule_and_age() -> None:
    result = decided(*(signal(source) for source in SOURCES), standing=Standing("wild", 0.5))
    assert (result.threshold, result.regime, result.rule, result.size) == (0.10, "wild", "threshold", 1.0)
    assert result.data_age_ns == 77 - 11
    unknown = decided(*(signal(source, recv_ns=0) for source in SOURCES))
    assert unknown.data_age_ns == -1, "nobody knows how old it is"
    nothing = decided()
    assert (nothing.rule, nothing.data_age_ns) == ("", -1)


ADAPTS = rules(ThresholdRule(0.10, 0.30, 1.0, 1.0))


def test_disagreement_raises_the_threshold() -> None:
    agree = [signal(source, 0.15, 1.0) for source in SOURCES]
    split = [signal("ml", 0.9), *(signal(agent, -0.35) for agent in AGENTS)]
    cheap = Standing("normal", 0.0)
    assert decided(*agree, by=ADAPTS, standing=cheap).action == "BUY"
    torn = decided(*split, by=ADAPTS, standing=cheap)
    assert torn.total == pytest.approx(0.15) and torn.action == "HOLD"
    # mean 0.15; squares 0.4 x 0.81 + 0.6 x 0.1225 = 0.3975
    assert torn.threshold == pytest.approx(0.10 * (1 + math.sqrt(0.3975 - 0.15**2)))


def test_cost_raises_the_threshold_and_unknown_cost_raises_it_most() -> None:
    agree = [signal(source, 0.15, 1.0) for source in SOURCES]
    assert decided(*agree, by=ADAPTS, standing=Standing("normal", 0.2)).threshold == pytest.approx(0.12)
    unknown = decided(*agree, by=ADAPTS)
    assert unknown.threshold == pytest.approx(0.20) and unknown.action == "HOLD"
    assert decided(*agree, by=rules(ThresholdRule(0.10, 0.14, 1.0, 1.0))).threshold == 0.14


@given(unit, unit, unit, unit, st.floats(0, 10), st.floats(0, 10))
def test_the_threshold_stays_within_its_bounds(
    least: float, most: float, dispersion: float, cost: float, a: float, b: float
) -> None:
    found = ThresholdRule(least, most, a, b).threshold(dispersion, cost)
    assert least <= found <= max(least, most)


@pytest.mark.parametrize(
    "cost, volatility, share",
    [
        (1.0, 1.0, 1.0 / 3.0), (0.0, 1.0, 0.0), (1.0, 0.0, 1.0), (0.0, 0.0, 1.0), (math.nan, 1.0, 1.0),
        (1.0, math.nan, 1.0), (math.inf, 1.0, 1.0),
    ],
)  # fmt: skip
def test_the_share_of_the_cost(cost: float, volatility: float, share: float) -> None:
    assert cost_share(cost, volatility, 4.0) == pytest.approx(share)
