"""The background of the generated market: its arrivals, its day, its brokers, the memory of its signs."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest

from exchange import brokers, intraday
from exchange.generated_market import GeneratedMarket
from exchange.generated_stream import ARRIVALS
from tests.exchange.kit import SECOND_NS, START_NS, instrument
from tests.exchange.test_hawkes import distance_to_exponential

SESSION_NS = 9 * 3600 * SECOND_NS


@pytest.fixture(scope="module")
def session() -> tuple[GeneratedMarket, np.ndarray]:
    """A whole session at 5 trades per second, its trades."""
    source = GeneratedMarket(
        (instrument(),), start_ns=START_NS, close_ns=[START_NS + SESSION_NS], seed=5, start_price=5400.0,
        trades_per_s=5.0,
    )  # fmt: skip
    parts = []
    while (batch := source.advance(START_NS + SESSION_NS, 2048)) is not None:
        parts.append(batch.trades["body"])
    return source, np.concatenate(parts)


def test_the_configured_rate_is_the_mean_of_the_session(session):
    assert len(session[1]) / 32_400 == pytest.approx(5.0, rel=0.08)


def test_the_day_follows_the_volume_curve(session):
    curve = intraday.curve(540)
    assert curve.mean() == pytest.approx(1.0)
    assert curve[0] > 1.5 * curve[270] < curve[-1]
    hour = (session[1]["ts_ns"] - START_NS) // (3600 * SECOND_NS)
    counts = np.bincount(hour, minlength=9) / len(session[1]) * 9
    for traded, expected in zip(counts, curve.reshape(9, 60).mean(axis=1), strict=True):
        assert traded == pytest.approx(expected, rel=0.2)


@pytest.mark.parametrize(
    ("opened", "closed", "minutes"), [("09:00", "18:00", 540), ("00:00", "24:00", 1440), ("18:00", "17:00", 1380)]
)
def test_length_of_a_session(opened, closed, minutes):
    assert intraday.session_minutes(opened, closed) == minutes


def test_market_orders_arrive_as_the_hawkes_process_that_is_documented(session):
    """Seen from the tape alone: with the published parameters, time measured in intensity is a unit Poisson process."""
    source, trades = session
    mean = float(source.streams[0].flow["mean_rate"][0])
    times = (np.unique(trades["ts_ns"])[:12_000] - START_NS) / 1e9
    curve = intraday.curve(540)
    level = list(ARRIVALS.stationary(mean))
    waits = np.zeros(len(times))
    before = 0.0
    for i, t in enumerate(times):
        waits[i] = ARRIVALS.base(mean) * curve[int(before // 60)] * (t - before)
        for k, (decay, jump) in enumerate(zip(ARRIVALS.decay_per_s, ARRIVALS.jumps, strict=True)):
            waits[i] += level[k] / decay * (1.0 - exp(-decay * (t - before)))
            level[k] = level[k] * exp(-decay * (t - before)) + jump
        before = t
    assert waits.mean() == pytest.approx(1.0, abs=0.03)
    assert distance_to_exponential(waits) < 1.63 / np.sqrt(len(waits))
    assert ARRIVALS.ratio < 1


def test_signs_of_orders_have_a_long_memory_and_returns_have_not(session):
    trades = session[1]
    first = np.flatnonzero(np.diff(trades["ts_ns"], prepend=0) > 0)
    signs = np.where(trades["trade_type"][first] == 2, 1.0, -1.0)
    signs -= signs.mean()

    def correlation(values: np.ndarray, lag: int) -> float:
        return float(np.mean(values[lag:] * values[:-lag]) / values.var())

    assert correlation(signs, 1) > 0.15
    assert np.mean([correlation(signs, lag) for lag in range(40, 60)]) > 0.015
    minute = (trades["ts_ns"] - START_NS) // (60 * SECOND_NS)
    last = np.flatnonzero(np.diff(minute, append=minute[-1] + 1))
    returns = np.diff(trades["price"][last])
    assert abs(correlation(returns, 1)) < 4 / np.sqrt(len(returns))
    assert correlation(np.abs(returns) - np.abs(returns).mean(), 1) > 0.05


def test_brokers_keep_their_habits(session):
    trades = session[1]
    assert brokers.WEIGHTS.sum(axis=1) == pytest.approx(1.0)
    assert len(set(brokers.CODES.tolist())) == len(brokers.CODES)
    buys = trades["trade_type"] == 2
    aggressor = np.where(buys, trades["buyer"], trades["seller"])
    passive = np.where(buys, trades["seller"], trades["buyer"])
    main = np.argmax(brokers.WEIGHTS, axis=0)

    def waiting(habit: int) -> float:
        codes = brokers.CODES[main == habit]
        waited, took = np.isin(passive, codes).sum(), np.isin(aggressor, codes).sum()
        return float(waited / (waited + took))

    assert waiting(brokers.MAKER) > 0.8 > 0.5 > waiting(brokers.INSTITUTION)
    retail = np.isin(aggressor, brokers.CODES[main == brokers.RETAIL])
    assert trades["quantity"][retail].mean() < trades["quantity"][~retail].mean()
    assert set(np.unique(aggressor)) <= set(brokers.CODES.tolist())
