"""Volatility against a plain twin on a known random walk; regimes with hysteresis; what is not known is not guessed."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus import volatility
from consensus.volatility import BREAK_NS, CALM, NORMAL, SAMPLE_NS, WILD, Volatility, next_regime

S = 1_000_000_000


def test_examples_in_docstrings() -> None:
    result = doctest.testmod(volatility)
    assert result.attempted > 0 and result.failed == 0


def walk(seen: Volatility, sigma: float, seconds: int, seed: int = 0, start_s: int = 1, mid: float = 100.0) -> float:
    for number, step in enumerate(np.random.default_rng(seed).normal(0, sigma, seconds)):
        mid += float(step)
        seen.see((start_s + number) * S, mid)
    return mid


def test_it_finds_the_volatility_of_a_walk() -> None:
    seen = Volatility(300.0, 3000.0)
    walk(seen, 0.7, 20_000)
    assert seen.slow() == pytest.approx(0.7, rel=0.1)
    assert seen.fast() == pytest.approx(0.7, rel=0.25)


def test_against_the_sum_written_out() -> None:
    times_s = np.cumsum(np.random.default_rng(1).uniform(1.0, 5.0, 40))
    mids = 100 + np.cumsum(np.random.default_rng(2).normal(size=40))
    seen = Volatility(10.0, 40.0)
    for time_s, mid in zip(times_s, mids, strict=True):
        assert seen.see(round(time_s * S), float(mid)) == (time_s != times_s[0])
    steps, moves = np.diff(np.round(times_s * S)) / S, np.diff(mids) ** 2
    for constant_s, found in ((10.0, seen.fast()), (40.0, seen.slow())):
        weights = (1 - np.exp(-steps / constant_s)) * np.exp(
            -np.append(np.cumsum(steps[::-1])[::-1][1:], 0) / constant_s
        )
        assert found == pytest.approx(math.sqrt(np.sum(weights * moves / steps) / np.sum(weights)), rel=1e-9)


def test_it_is_cold_until_it_has_seen_enough() -> None:
    seen = Volatility(60.0, 1800.0)
    assert math.isnan(seen.fast()) and math.isnan(seen.slow())
    mid = walk(seen, 1.0, 30)
    assert math.isnan(seen.fast())
    walk(seen, 1.0, 30, start_s=31, mid=mid)
    assert math.isfinite(seen.fast()) and math.isfinite(seen.slow())


def test_silence_and_unknown_prices_are_no_moves() -> None:
    seen = Volatility(1.0, 1.0)
    seen.see(S, 100.0)
    assert not seen.see(S + SAMPLE_NS - 1, 500.0), "too soon"
    assert not seen.see(2 * S, math.nan)
    assert not seen.see(3 * S, 200.0), "nobody saw the move to it"
    assert not seen.see(4 * S, 1e200), "no price of this world"
    assert not seen.see(5 * S, 200.0)
    seen.see(3 * S, 200.0)
    assert not seen.see(3 * S + BREAK_NS + 1, 900.0), "the session was away"
    assert math.isnan(seen.fast())
    assert seen.see(4 * S + BREAK_NS + 1, 901.0)
    assert seen.fast() == pytest.approx(1.0)


def test_state_comes_back_without_the_last_price() -> None:
    seen, again = Volatility(60.0, 1800.0), Volatility(60.0, 1800.0)
    walk(seen, 1.0, 200)
    again.restore(seen.state())
    assert (again.fast(), again.slow()) == (seen.fast(), seen.slow())
    assert not again.see(500 * S, 0.0)
    assert again.fits(seen.state()) and not again.fits((1.0,))


@pytest.mark.parametrize(
    "now, ratio, then",
    [
        (NORMAL, 1.49, NORMAL), (NORMAL, 1.5, WILD), (WILD, 1.26, WILD), (WILD, 1.25, NORMAL), (WILD, 0.6, CALM),
        (NORMAL, 0.68, NORMAL), (NORMAL, 0.67, CALM), (CALM, 0.8, CALM), (CALM, 0.81, NORMAL), (CALM, 2.0, WILD),
    ],
)  # fmt: skip
def test_regimes_are_left_later_than_entered(now: str, ratio: float, then: str) -> None:
    assert next_regime(now, ratio, 1.0, 0.67, 1.5) == then


@pytest.mark.parametrize("fast, slow", [(math.nan, 1.0), (1.0, math.nan), (0.0, 0.0)])
def test_what_is_not_known_is_normal(fast: float, slow: float) -> None:
    assert next_regime(WILD, fast, slow, 0.67, 1.5) == NORMAL


@given(st.sampled_from((CALM, NORMAL, WILD)), st.floats(0, 10), st.floats(0.01, 0.8), st.floats(1.25, 5))
def test_a_regime_that_was_taken_stays_while_nothing_changes(now: str, ratio: float, calm: float, wild: float) -> None:
    first = next_regime(now, ratio, 1.0, calm, wild)
    assert next_regime(first, ratio, 1.0, calm, wild) == first


def test_a_market_that_wakes_up_is_wild_and_then_normal() -> None:
    seen, regime = Volatility(60.0, 1800.0), NORMAL
    mid = walk(seen, 1.0, 1800)
    assert next_regime(regime, seen.fast(), seen.slow(), 0.67, 1.5) == NORMAL
    mid = walk(seen, 4.0, 120, 1, 1801, mid)
    regime = next_regime(regime, seen.fast(), seen.slow(), 0.67, 1.5)
    assert regime == WILD
    walk(seen, 4.0, 7200, 2, 1921, mid)
    assert next_regime(regime, seen.fast(), seen.slow(), 0.67, 1.5) == NORMAL, "wild for so long is what is usual"
