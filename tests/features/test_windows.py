"""The windows in seconds beyond their room, at their edges, and over many turns of their rings."""

from __future__ import annotations

import numpy as np
import pytest

from features.families import CAUSE_OVERFLOW, READY_ORDER_FLOW, READY_RETURNS, READY_VOLATILITY
from features.offline import FeatureTable, compute
from features.registry import INDEX
from features.windows import CAPACITY
from shm.layouts import BOOK, TRADE
from tests.streams import NO_CANDLES, SECOND, START_NS, Stream, book_record, instrument, trade_record

NO_TRADES, NO_BOOKS = np.zeros(0, TRADE), np.zeros(0, BOOK)


def many_books(times: np.ndarray) -> np.ndarray:
    """Valid snapshots at those times, the touch walking a tick to and fro and the quantities changing."""
    out = np.zeros(len(times), BOOK)
    template = book_record(0, 0, 500.0, 500.5)
    for name in BOOK.names:
        out[name] = template[name]
    number = np.arange(len(times))
    up = (number % 2) * 0.5
    out["bid_price"] += up[:, None]
    out["ask_price"] += up[:, None]
    out["bid_quantity"][:, 0] = 10 + number % 7
    out["ts_ns"], out["ingest_seq"] = times, number + 1
    return out


def many_trades(times: np.ndarray) -> np.ndarray:
    out = np.zeros(len(times), TRADE)
    template = trade_record(0, 0, 500.0)
    for name in TRADE.names:
        out[name] = template[name]
    number = np.arange(len(times))
    out["aggressor"] = np.where(number % 3 == 0, 1, -1)
    out["trade_type"] = np.where(number % 3 == 0, 2, 3)
    out["quantity"] = 1 + number % 5
    out["ts_ns"], out["ingest_seq"] = times, number + 1
    return out


def run(stream: Stream) -> FeatureTable:
    return compute(stream.trades, stream.book, NO_CANDLES, instrument())


def test_books_overflow_at_exactly_one_more_than_the_room_and_recover() -> None:
    burst = np.full(CAPACITY + 3, START_NS + SECOND)
    later = START_NS + SECOND + np.array([500, 1000, 1001, 5000, 30_000, 59_999, 60_000, 60_001], np.int64) * 1_000_000
    table = run(Stream(NO_TRADES, many_books(np.concatenate([burst, later]))))
    flow = {s: table.values[:, INDEX[f"order_flow_imbalance_{s}s"]] for s in (1, 5, 30)}
    volatility = table.values[:, INDEX["realized_volatility_60s"]]
    overflow = table.ready & np.uint64(CAUSE_OVERFLOW) > 0
    assert np.isfinite(volatility[1:CAPACITY]).all()
    assert not overflow[:CAPACITY].any()  # as many as there is room for are no overflow
    for column in (*flow.values(), volatility):
        assert np.isnan(column[CAPACITY : CAPACITY + 3]).all()
    assert overflow[CAPACITY : CAPACITY + 3].all()
    assert not (table.ready[CAPACITY] & np.uint64(READY_ORDER_FLOW | READY_VOLATILITY | READY_RETURNS))
    tail = slice(CAPACITY + 3, None)
    # 1 s is whole again at 1.000 s after the burst, 5 s at 5.000 s, 30 s at 30.000 s, 60 s at 60.000 s
    assert np.isnan(flow[1][tail]).tolist() == [True] + [False] * 7
    assert np.isnan(flow[5][tail]).tolist() == [True] * 3 + [False] * 5
    assert np.isnan(flow[30][tail]).tolist() == [True] * 4 + [False] * 4
    assert np.isnan(volatility[tail]).tolist() == [True] * 6 + [False] * 2
    assert overflow[tail].tolist() == [True] * 6 + [False] * 2
    assert table.counts["overflow"] == 3 + 6
    mids = table.values[:, INDEX["mid_return_1s"]]
    assert np.isnan(mids[tail]).tolist() == [True] + [False] * 7
    # whole again, the sums are those of the seven late snapshots alone: each moves by one tick
    assert volatility[-2] == pytest.approx(np.log(2003 / 2001) * np.sqrt(7), rel=1e-12)
    e = [_e_of(table.event[-2] - k) for k in range(2)]  # (30 s, 60 s] after the burst holds two
    assert flow[30][-2] == sum(e) / sum(abs(x) for x in e)


def _e_of(row: int) -> int:
    """Order flow of row k of many_books: the touch moves up on odd rows and back down on even ones."""
    bid = 10 + row % 7
    bid_before = 10 + (row - 1) % 7
    return bid + 10 if row % 2 else -bid_before - 10


def test_the_mid_before_a_full_window_is_remembered() -> None:
    """With the window exactly full the last mid at or before t - w has just been overwritten."""
    times = np.concatenate([[START_NS], np.full(CAPACITY, START_NS + SECOND)])
    table = run(Stream(NO_TRADES, many_books(times)))
    last = table.values[-1]
    # all CAPACITY entries lie inside (t - 1 s, t]: entry 0 is the one before, and it is not counted
    assert table.ready[-1] & np.uint64(CAUSE_OVERFLOW)  # of the longer windows, which hold one more than the room
    mids = (1001.0 + 2 * (np.array([0, CAPACITY]) % 2)) / 2
    assert last[INDEX["mid_return_1s"]] == pytest.approx(np.log(mids[1] / mids[0]), abs=1e-15)
    assert np.isfinite(last[INDEX["order_flow_imbalance_1s"]])
    assert np.isnan(last[INDEX["order_flow_imbalance_5s"]])  # in 5 s there is one more than the room


def test_trades_overflow_and_recover() -> None:
    times = np.concatenate([np.full(CAPACITY + 1, START_NS), [START_NS + SECOND, START_NS + 30 * SECOND]])
    table = run(Stream(many_trades(times), NO_BOOKS))
    ratio = {s: table.values[:, INDEX[f"signed_volume_ratio_{s}s"]] for s in (1, 30)}
    assert np.isfinite(ratio[1][:CAPACITY]).all()
    assert np.isnan(ratio[1][CAPACITY]) and np.isnan(ratio[30][CAPACITY + 1])
    late = many_trades(times)[-2:]
    signed = late["aggressor"] * late["quantity"]
    assert ratio[1][-2] == signed[0] / late["quantity"][0]
    assert ratio[30][-1] == signed.sum() / late["quantity"].sum()
    everything = many_trades(times)
    whole_session = (everything["aggressor"] * everything["quantity"]).sum() / everything["quantity"].sum()
    assert table.values[-1, INDEX["cumulative_delta_ratio"]] == whole_session


def test_sums_do_not_drift_over_several_turns_of_the_rings() -> None:
    """700,000 snapshots in 40 minutes: the last values are those of a run that has seen the last two minutes only."""
    rng = np.random.default_rng(3)
    times = START_NS + np.sort(rng.integers(0, 2400 * SECOND, 700_000))
    book = many_books(times)
    book["bid_quantity"][:, 0] = rng.integers(1, 10_000, len(book))
    table = run(Stream(NO_TRADES, book))
    recent = book[times > times[-1] - 120 * SECOND]
    short = run(Stream(NO_TRADES, recent))
    for name in ("order_flow_imbalance_1s", "order_flow_imbalance_5s", "order_flow_imbalance_30s", "mid_return_60s"):
        assert table.values[-1, INDEX[name]] == short.values[-1, INDEX[name]], name
    column = INDEX["realized_volatility_60s"]
    assert table.values[-1, column] == pytest.approx(short.values[-1, column], rel=1e-12)


def test_a_window_is_open_at_its_old_end() -> None:
    times = START_NS + np.array([0, SECOND - 1, SECOND, SECOND], np.int64)
    trades = many_trades(times)
    trades["aggressor"], trades["trade_type"], trades["quantity"] = 1, 2, [8, 1, 1, 1]
    trades["aggressor"][1:], trades["trade_type"][1:] = -1, 3
    table = run(Stream(trades, NO_BOOKS))
    ratio = table.values[:, INDEX["signed_volume_ratio_1s"]]
    assert ratio.tolist() == [1.0, 7 / 9, -1.0, -1.0]  # at t = 1 s the trade at 0 has left (0, 1 s]
