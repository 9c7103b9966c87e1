"""Volume and technical families: TA-Lib as a second oracle, markets at the edges of what is let in, and plain cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import talib
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.families import READY_TECHNICAL, READY_VOLUME
from features.offline import FeatureTable, compute
from features.registry import INDEX, indices
from shm.layouts import BOOK, TRADE
from tests.features.test_twins import compare, differences
from tests.naive import Market
from tests.streams import NO_CANDLES, SECOND, START_NS, instrument, made, trade_record, wild

NO_BOOK, NO_TRADES = np.zeros(0, BOOK), np.zeros(0, TRADE)
COLUMNS = indices("volume") + indices("technical")


def run(trades: list[np.ndarray[Any, Any]], **changes: Any) -> FeatureTable:
    return compute(np.concatenate(trades), NO_BOOK, NO_CANDLES, instrument(1, **changes))


def column(table: FeatureTable, name: str) -> Any:
    return table.values[:, INDEX[name]]


def every_second(prices: list[float], quantities: list[int] | None = None) -> list[np.ndarray[Any, Any]]:
    sizes = quantities or [1] * len(prices)
    return [
        trade_record(START_NS + i * SECOND, i + 1, price, sizes[i], 1 if i % 2 else -1)
        for i, price in enumerate(prices)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_talib_agrees(seed: int) -> None:
    """At every event at which the memory of bars holds enough, over more bars than the memory has."""
    one = instrument(1)
    stream = made(seed, 900, mean_gap_s=0.6, dirt=0.0, jump_s=3.0)
    table = compute(stream.trades, stream.book, NO_CANDLES, one)
    market = Market(one)
    checked = 0
    for n, record in enumerate(stream.by_seq()):
        assert market.feed(record)
        c = np.array([float(x) for x in market.c])
        if len(c) < 40 or n % 7:
            continue
        bars = market.bars_and_forming
        high, low = np.array([float(b.h) for b in bars]), np.array([float(b.l) for b in bars])
        expected = {
            "rsi_14": talib.RSI(c, 14)[-1],
            "macd_histogram": talib.MACD(c, 12, 26, 9)[2][-1] / c[-1],
            "atr_14": talib.ATR(high, low, c, 14)[-1] / c[-1],
            "stochastic_14": talib.STOCHF(high, low, c, fastk_period=14, fastd_period=1)[0][-1] / 100,
        }
        if max(high[-14:]) == min(low[-14:]):
            del expected["stochastic_14"]  # TA-Lib has 0 there
        for name, value in expected.items():
            assert table.values[n, INDEX[name]] == pytest.approx(value, rel=1e-9, abs=1e-12), (n, name)
        checked += 1
    assert checked > 60
    assert len(market.bars) == 200


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), bar_seconds=st.sampled_from([1, 2, 5]))
def test_markets_at_the_edges(seed: int, bar_seconds: int) -> None:
    """All 65: prices and quantities over all powers of two that are let in."""
    one = instrument(bar_seconds, tick=1.0)
    stream = wild(seed, 260)
    table = compute(stream.trades, stream.book, NO_CANDLES, one)
    assert compare(stream, table, one) == len(table)
    assert len(table) > 200


def test_extreme_volumes_do_not_overflow_the_vwap() -> None:
    """More price x quantity than 64 bits hold: 40 trades of 2^59."""
    one = instrument(60, tick=1.0)
    top = float(2**27 - 1)
    trades = [trade_record(START_NS + i, i + 1, top - i, 2**32, 1) for i in range(40)]
    table = compute(np.concatenate(trades), NO_BOOK, NO_CANDLES, one)
    market = Market(one)
    for n, record in enumerate(np.concatenate(trades)):
        market.feed(record)
        assert not differences(market, table.values[n])
    assert column(table, "vwap_distance")[-1] < 0.0


def test_a_flat_market() -> None:
    table = run(every_second([5237.5] * 260))
    for name, value in {
        "ma_5_20_ratio": 0.0, "ma_20_50_ratio": 0.0, "rsi_14": 50.0, "macd_histogram": 0.0, "atr_14": 0.0,
        "stochastic_14": 0.5, "efficiency_ratio_20": 0.0, "vwap_distance": 0.0, "volume_ratio_20": 1.0,
        "volume_zscore_20": 0.0, "volume_zscore_100": 0.0,
    }.items():  # fmt: skip
        assert column(table, name)[-1] == value, name


def test_a_rising_market() -> None:
    table = run(every_second([100.0 + 0.5 * i for i in range(60)]))
    assert column(table, "rsi_14")[-1] == 100.0
    assert column(table, "efficiency_ratio_20")[-1] == 1.0
    assert column(table, "stochastic_14")[-1] == 1.0
    falling = run(every_second([100.0 - 0.5 * i for i in range(60)]))
    assert column(falling, "rsi_14")[-1] == 0.0
    assert column(falling, "efficiency_ratio_20")[-1] == -1.0


@pytest.mark.parametrize(
    "name,bars",
    [
        ("ma_5_20_ratio", 19), ("ma_20_50_ratio", 49), ("rsi_14", 14), ("macd_histogram", 33), ("atr_14", 14),
        ("stochastic_14", 13), ("efficiency_ratio_20", 20), ("vwap_distance", 0), ("volume_ratio_20", 20),
        ("volume_ratio_100", 100), ("volume_zscore_20", 20), ("volume_zscore_100", 100),
    ],
)  # fmt: skip
def test_defined_exactly_from(name: str, bars: int) -> None:
    """One trade a bar: at trade k there are k completed bars and the forming one."""
    table = run(every_second([100.0 + 0.5 * (i * 7 % 5) for i in range(bars + 5)]))
    assert np.isnan(column(table, name)).tolist() == [True] * bars + [False] * 5


def test_windows_of_seconds_wait_for_a_minute_of_trades() -> None:
    trades = every_second([100.0] * 70, [1 + i % 3 for i in range(70)])
    table = run(trades)
    for name in ("trade_intensity_ratio", "volume_burst_5s"):
        assert np.isnan(column(table, name)).tolist() == [True] * 60 + [False] * 10
    assert column(table, "trade_intensity_5s")[:7].tolist() == [0.2, 0.4, 0.6, 0.8, 1.0, 1.0, 1.0]
    assert column(table, "trade_intensity_ratio")[-1] == 1.0
    quantity = np.concatenate(trades)["quantity"]
    assert column(table, "volume_burst_5s")[-1] == 12 * quantity[-5:].sum() / quantity[-60:].sum()
    assert column(table, "buy_share_60s")[-1] == quantity[-60:][1::2].sum() / quantity[-60:].sum()


def test_silence_and_trades_without_a_side() -> None:
    first = trade_record(START_NS, 1, 100.0, 5, 0)
    book = np.zeros(0, BOOK)
    late = trade_record(START_NS + 200 * SECOND, 2, 100.0, 5, 0)
    table = compute(np.concatenate([first, late]), book, NO_CANDLES, instrument(60))
    assert column(table, "buy_share_60s").tolist() == [0.5, 0.5]
    assert column(table, "trade_intensity_ratio")[1] == 12.0


def test_empty_bars_have_no_volume() -> None:
    trades = every_second([100.0] * 20)
    trades.append(trade_record(START_NS + 300 * SECOND, 21, 100.0))
    table = run(trades)
    assert column(table, "volume_ratio_20")[-1] == 0.0
    assert column(table, "volume_zscore_20")[-1] == 0.0
    assert column(table, "volume_ratio_100")[-1] == 0.0


def test_ready_bits() -> None:
    table = run(every_second([100.0] * 130))
    technical = [bool(r & READY_TECHNICAL) for r in table.ready.tolist()]
    volume = [bool(r & READY_VOLUME) for r in table.ready.tolist()]
    assert technical == [False] * 49 + [True] * 81
    assert volume == [False] * 100 + [True] * 30


def test_the_columns_are_where_the_contract_says() -> None:
    assert tuple(range(28, 44)) == COLUMNS
    assert INDEX["volume_ratio_20"] == 28
    assert INDEX["ma_5_20_ratio"] == 36
    assert INDEX["spread_ticks"] == 44
