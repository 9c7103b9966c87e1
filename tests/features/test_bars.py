"""Bars: when they complete, across sessions, from history; and what the memory holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from features.bars import MEMORY
from features.engine import apply_book, apply_candle, apply_trade
from features.offline import compute
from features.registry import INDEX
from features.sessions import instrument_record
from features.state import new_states
from shm.layouts import CANDLE, FLAG_EMPTY, FLAG_HISTORY
from tests.features.test_twins import compare, differences
from tests.naive import Market
from tests.streams import SECOND, book_record, instrument, made, trade_record

MINUTE = 60 * SECOND
OPEN = 1_700_038_800 * SECOND  # 2023-11-15 09:00 in UTC, on a minute
assert OPEN % MINUTE == 0


class Engine:
    """One symbol's engine by hand."""

    def __init__(self, **changes: Any) -> None:
        self.states = new_states(1)
        self.instrument = instrument_record(instrument(60, **changes))
        self.seq = 0

    def trade(self, t: int, price: float, quantity: int = 1, side: int = 1) -> bool:
        self.seq += 1
        return bool(
            apply_trade(self.states[0], self.instrument[0], trade_record(t, self.seq, price, quantity, side)[0])
        )

    def book(self, t: int) -> bool:
        self.seq += 1
        return bool(apply_book(self.states[0], self.instrument[0], book_record(t, self.seq, 100.0, 100.5)[0]))

    def history(self, start_ns: int, close: float, volume: int = 5) -> None:
        apply_candle(self.states[0], self.instrument[0], candle(start_ns, close, volume)[0])

    @property
    def small(self) -> Any:
        return self.states[0]["small"]

    def closes(self) -> list[float]:
        bars = self.small["bars"]
        return [0.5 * int(c) for c in bars["close"][: bars["count"]]]


def candle(
    start_ns: int, close: float, volume: int = 5, flags: int = FLAG_HISTORY, seq: int = 0
) -> np.ndarray[Any, Any]:
    record = np.zeros(1, CANDLE)
    record["start_ns"], record["ts_ns"], record["flags"], record["ingest_seq"] = start_ns, start_ns + MINUTE, flags, seq
    record["open"] = record["high"] = record["low"] = record["close"] = close
    record["volume"] = volume
    return record


def test_a_bar_completes_before_the_first_event_at_its_end() -> None:
    engine = Engine()
    engine.trade(OPEN + 10, 100.0, 3)
    engine.trade(OPEN + MINUTE - 1, 101.0, 4)
    assert engine.closes() == []
    engine.book(OPEN + MINUTE)
    assert engine.closes() == [101.0]
    bars = engine.small["bars"]
    assert [int(bars[name][0]) for name in ("open", "high", "low", "close", "volume")] == [200, 202, 200, 202, 7]
    assert int(bars["trades"]) == 0


def test_minutes_passed_over_complete_as_empty_bars() -> None:
    engine = Engine()
    engine.trade(OPEN, 100.0)
    engine.trade(OPEN + 4 * MINUTE + 5, 103.0)
    assert engine.closes() == [100.0] * 4
    assert engine.small["bars"]["volume"][:4].tolist() == [1, 0, 0, 0]
    engine.trade(OPEN + (5 + 3 * MEMORY) * MINUTE, 104.0)
    assert engine.closes() == [103.0] * MEMORY
    assert int(engine.small["bars"]["completed"]) == 5 + 3 * MEMORY


def test_no_bar_before_the_sessions_first_trade_and_none_between_sessions() -> None:
    engine = Engine()
    engine.book(OPEN)
    engine.book(OPEN + 5 * MINUTE)
    assert engine.closes() == []
    engine.trade(OPEN + 6 * MINUTE, 100.0)
    next_day = OPEN + 86_400 * SECOND
    engine.book(next_day)  # completes the forming bar, and makes none for the night
    assert engine.closes() == [100.0]
    engine.book(next_day + 30 * MINUTE)
    assert engine.closes() == [100.0]
    engine.book(next_day + 86_400 * SECOND)  # a session without a trade makes no bar
    assert engine.closes() == [100.0]
    engine.trade(next_day + 86_400 * SECOND + 7, 99.0)
    engine.book(next_day + 86_400 * SECOND + MINUTE)
    assert engine.closes() == [100.0, 99.0]


def test_dropped_snapshots_move_no_clock() -> None:
    engine = Engine()
    engine.trade(OPEN, 100.0)
    crossed = book_record(OPEN + 10 * MINUTE, 99, 101.0, 100.0)
    assert not apply_book(engine.states[0], engine.instrument[0], crossed[0])
    assert engine.closes() == []
    assert int(engine.small["market"]["ts_ns"]) == OPEN


def test_history_seeds_the_bars_and_counts_as_the_first_trade_of_its_session() -> None:
    engine = Engine()
    for minute in range(5):
        engine.history(OPEN + minute * MINUTE, 100.0 + minute)
    assert engine.closes() == [100.0, 101.0, 102.0, 103.0, 104.0]
    engine.book(OPEN + 7 * MINUTE + 3)  # by the clock from its end, without a trade
    assert engine.closes() == [100.0, 101.0, 102.0, 103.0, 104.0, 104.0, 104.0]
    engine.history(OPEN + 8 * MINUTE, 1.0)
    assert len(engine.closes()) == 7  # too late: events have come
    assert int(engine.small["counts"][10]) == 1


def test_history_of_an_earlier_session_does_not_run_the_bars() -> None:
    engine = Engine()
    engine.history(OPEN - 86_400 * SECOND, 100.0)
    engine.book(OPEN)
    engine.book(OPEN + 10 * MINUTE)
    assert engine.closes() == [100.0]


@pytest.mark.parametrize("bad", ["grid", "order", "live"])
def test_candles_that_are_not_history_or_no_bars_are_passed_over(bad: str) -> None:
    engine = Engine()
    engine.history(OPEN, 100.0)
    record = candle(
        OPEN + MINUTE, 100.25 if bad == "grid" else 100.0, flags=FLAG_EMPTY if bad == "live" else FLAG_HISTORY
    )
    if bad == "order":
        record["start_ns"] = OPEN
    apply_candle(engine.states[0], engine.instrument[0], record[0])
    assert engine.closes() == [100.0]


def test_vectors_after_history_are_the_twins() -> None:
    one = instrument(2)
    stream = made(17, 400, dirt=0.05, jump_s=100.0)
    first = min(int(stream.trades["ts_ns"][0]), int(stream.book["ts_ns"][0])) // (2 * SECOND) * 2 * SECOND
    rng = np.random.default_rng(2)
    candles = []
    for k in range(150, 0, -1):
        record = candle(first - k * 2 * SECOND, 500.0 + 0.5 * int(rng.integers(-5, 5)))
        record["high"] += 1.0
        record["low"] -= 0.5
        candles.append(record)
    history = np.concatenate(candles)
    table = compute(stream.trades, stream.book, history, one)
    market = Market(one)
    for record in history:
        market.feed_candle(record)
    n = 0
    for record in stream.by_seq():
        if market.feed(record):
            assert not differences(market, table.values[n]), n
            n += 1
    assert n == len(table)
    assert np.isnan(table.values[:, INDEX["cumulative_delta_ratio"]]).all()  # the session's first trades were missed
    assert np.isfinite(table.values[10, INDEX["volatility_100"]])


def test_bar_features_are_a_function_of_the_last_200_bars() -> None:
    """A run that has seen everything and one that starts with the last 200 bars agree to the last bit."""
    one = instrument(1)
    trades = np.concatenate([trade_record(OPEN + i * SECOND, i + 1, 100.0 + 0.5 * ((i * 7) % 23)) for i in range(500)])
    empty = book_record(0, 0, 1.0, 2.0)[:0]
    whole = compute(trades, empty, np.zeros(0, CANDLE), one)
    bars = np.zeros(250, CANDLE)
    for i in range(250):
        bars[i] = candle(OPEN + i * SECOND, float(trades["price"][i]), int(trades["quantity"][i]))[0]
    rest = compute(trades[250:], empty, bars, one)
    columns = [i for i in range(20) if i != 8]
    np.testing.assert_array_equal(whole.values[450:, columns], rest.values[200:, columns])


def test_the_twin_agrees_over_sessions_and_silences() -> None:
    one = instrument(60, session_open="09:00", session_close="18:00", timezone="America/Sao_Paulo")
    stream = made(77, 300, mean_gap_s=20.0, jump_s=200_000.0, dirt=0.2)
    table = compute(stream.trades, stream.book, np.zeros(0, CANDLE), one)
    assert compare(stream, table, one) == len(table)
    assert len({int(t) // 86_400_000_000_000 for t in table.ts_ns}) >= 2


def test_a_constant_price_has_exactly_no_volatility() -> None:
    trades = np.concatenate([trade_record(OPEN + i * SECOND, i + 1, 5237.5) for i in range(260)])
    table = compute(trades, book_record(0, 0, 1.0, 2.0)[:0], np.zeros(0, CANDLE), instrument(1))
    last = table.values[-1]
    for name in (
        "volatility_10",
        "volatility_100",
        "volatility_ratio_10_50",
        "volatility_garman_klass_20",
        "bollinger_position_20",
    ):
        assert last[INDEX[name]] == 0.0


def test_equal_returns_have_exactly_no_volatility() -> None:
    """Doubling closes: ln 2 each, whose sum over n is not n ln 2 in floating point."""
    trades = np.concatenate([trade_record(OPEN + i * SECOND, i + 1, 0.5 * 2.0**i) for i in range(24)])
    table = compute(trades, book_record(0, 0, 1.0, 2.0)[:0], np.zeros(0, CANDLE), instrument(1))
    assert table.values[-1, INDEX["volatility_10"]] == 0.0
    assert table.values[-1, INDEX["volatility_20"]] == 0.0
