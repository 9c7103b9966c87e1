"""Which rows and columns are learnt from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features.offline import compute
from models.contract import FAMILIES, FEATURE_NAMES, family_of, ready_mask
from models.training.dataset import CALENDAR, Dataset, TrainingError, build, load
from models.training.labels import DOWN, UP
from shm.layouts import CANDLE, KIND_GAP
from tape.reader import Tape
from tests.models.markets import INSTRUMENT, START_NS, STEP_NS, config, leading_flow, write_tape

SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def market() -> tuple[Any, Any, Any]:
    trades, book = leading_flow(3000, 1)
    return trades, book, compute(trades, book, np.zeros(0, CANDLE), INSTRUMENT)


def made(market: tuple[Any, Any, Any], horizon_ms: int = 1000, every_ms: int = 100) -> Dataset:
    trades, book, table = market
    return build(table, trades, book, INSTRUMENT, horizon_ms, every_ms)


def test_rows_are_ready_apart_and_labelled(market: tuple[Any, Any, Any]) -> None:
    data = made(market)
    _, book, table = market
    assert set(data.needs) >= {"returns", "order_flow", "temporal"}
    mask = np.uint64(ready_mask(data.needs))
    ready_at = {int(ts) for ts, ready in zip(table.ts_ns, table.ready, strict=True) if ready & mask == mask}
    assert {int(ts) for ts in data.ts_ns} <= ready_at
    assert np.diff(data.ts_ns).min() >= 100_000_000
    assert data.label_end_ns.max() <= table.ts_ns[-1]
    assert data.fees_ticks == pytest.approx(2 * 0.1 / (10.0 * 0.5))
    mids = (book["bid_price"][:, 0] + book["ask_price"][:, 0]) / 2 / 0.5
    for row in range(0, len(data), 97):
        step = int((data.ts_ns[row] - START_NS) // STEP_NS)
        # the row is a trade's vector, made before the book of the same instant
        expected = mids[step + 10] - mids[step - 1]
        assert data.mark_out_ticks[row] == expected
        cost = data.spread_ticks[row] / 2 + data.fees_ticks
        assert data.label[row] == (UP if expected > cost else DOWN if expected < -cost else 1)


def test_columns_that_are_never_defined_or_never_vary_are_left_out(market: tuple[Any, Any, Any]) -> None:
    data = made(market)
    names = {FEATURE_NAMES[column] for column in data.columns}
    assert {"order_flow_imbalance_1s", "signed_volume_ratio_5s", "mid_return_1s", "return_2"} <= names
    assert "log_seconds_since_trade" not in names, "a trade at every vector: always 0 or constant"
    for column, may_be_missing in zip(data.columns, data.may_be_missing, strict=True):
        values = data.values[:, column]
        assert np.isfinite(values).any()
        assert may_be_missing == np.isnan(values).any()
    for column, name in enumerate(FEATURE_NAMES):
        if not np.isfinite(data.values[:, column]).any():
            assert name not in names


def test_one_session_teaches_no_calendar(market: tuple[Any, Any, Any]) -> None:
    data = made(market)
    assert data.sessions == 1
    assert not {FEATURE_NAMES[column] for column in data.columns} & set(CALENDAR)


def test_rows_before_a_gap_are_not_labelled_over_it(market: tuple[Any, Any, Any]) -> None:
    trades, book, _ = market
    trades = trades.copy()
    gap = trades[1500:1501]
    gap["kind"], gap["cause"], gap["gap_trades_missing"] = KIND_GAP, 2, 0
    gap["gap_from_ns"], gap["gap_to_ns"] = gap["ts_ns"] - 2 * SECOND, gap["ts_ns"]
    table = compute(trades, book, np.zeros(0, CANDLE), INSTRUMENT)
    data = build(table, trades, book, INSTRUMENT, 1000, 100)
    begin, end = int(gap["gap_from_ns"][0]), int(gap["gap_to_ns"][0])
    touched = (data.ts_ns < end) & (data.label_end_ns > begin)
    assert not touched.any()
    assert (data.ts_ns < begin).any()
    assert (data.ts_ns > end).any()


def test_a_family_that_is_never_whole_is_not_needed(market: tuple[Any, Any, Any]) -> None:
    trades, book, table = market
    never = FAMILIES.index("microstructure")
    without = replace(table, ready=table.ready & ~np.uint64(1 << never))
    data = build(without, trades, book, INSTRUMENT, 1000, 100)
    assert "order_flow" in data.needs
    assert "microstructure" not in data.needs


def test_every_family_can_be_learnt_from(market: tuple[Any, Any, Any]) -> None:
    """Of each family but the calendar's some column is chosen, and most of the 65 are."""
    data = made(market)
    assert {family_of(column) for column in data.columns} >= set(FAMILIES) - {"temporal"}
    assert len(data.columns) >= 50


def test_infinite_features_are_named(market: tuple[Any, Any, Any]) -> None:
    trades, book, table = market
    table.values[2000:2100, 23] = np.inf
    try:
        with pytest.raises(TrainingError, match=r"signed_volume_ratio_1s \(order_flow\) is infinite"):
            build(table, trades, book, INSTRUMENT, 1000, 100)
    finally:
        table.values[2000:2100, 23] = 0.0


def test_tapes_that_teach_nothing(tmp_path: Path) -> None:
    trades, book = leading_flow(400, 2)
    with pytest.raises(TrainingError, match="the tape has no book"):
        load(Tape.open(write_tape(tmp_path / "nobook", trades, book[:0])), config())
    with pytest.raises(TrainingError, match=r"the tape has OTHER, the configuration LEAD; .*choose with --config"):
        load(Tape.open(write_tape(tmp_path / "other", trades, book, symbol="OTHER")), config())
    with pytest.raises(TrainingError, match=r"LEAD has tick 0\.25, the configuration 0\.5"):
        load(Tape.open(write_tape(tmp_path / "tick", trades, book, tick=0.25)), config())
    with pytest.raises(TrainingError, match="no row of the tape has a label 90000 ms later"):
        load(Tape.open(write_tape(tmp_path / "short", trades, book)), config(horizon_ms=90_000))
