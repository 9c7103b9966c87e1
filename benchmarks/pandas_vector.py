"""The same 65 values by plain pandas, from frames of the session: what a vector costs the usual way.

Only imported when pandas is installed. The frames (session's trades and snapshots in ticks, completed and forming bars) are
made outside the measurement. The result is compared with ours, so that the two are known to compute the same.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import market
from benchmarks.measure import Row, row
from features.offline import compute
from features.registry import NAMES
from shm.layouts import CANDLE

EVENTS = 60_000
SAMPLES = 40
BAR_NS = 60 * market.SECOND_NS


def ratio(a: float, b: float) -> float:
    return 0.0 if a == 0 and b == 0 else a / b


def last(frame: Any, t: int, seconds: int) -> Any:
    """Rows of the last seconds."""
    return frame[frame["t"] > t - seconds * market.SECOND_NS]


def wilder(values: Any) -> float:
    average = values.iloc[:14].mean()
    for value in values.iloc[14:]:
        average = (average * 13 + value) / 14
    return float(average)


def ema(values: Any, period: int) -> Any:
    """Seeded by the mean of the first `period` values."""
    seeded = pd.concat([pd.Series([values.iloc[:period].mean()]), values.iloc[period:]], ignore_index=True)
    return seeded.ewm(alpha=2 / (period + 1), adjust=False).mean()


def bars_of(trades: Any) -> Any:
    """Bars with the forming one, empty ones filled, from a frame of trades."""
    groups = trades.groupby(trades["t"] // BAR_NS)["p"]
    bars = groups.agg(o="first", h="max", l="min", c="last")
    bars["v"] = trades.groupby(trades["t"] // BAR_NS)["q"].sum()
    bars = bars.reindex(range(int(bars.index[0]), int(bars.index[-1]) + 1))
    bars["c"] = bars["c"].ffill()
    for name in "ohl":
        bars[name] = bars[name].fillna(bars["c"])
    return bars.fillna({"v": 0}).iloc[-201:]


def vector(trades: Any, book: Any, bars: Any, t: int) -> dict[str, float]:
    """All 65 as of time t. trades: t, p, q, s, buyer, seller, large; book: t, levels b1..b10, B1.., a1.., A1.."""
    return {**by_bars(bars), **by_trades(trades, t), **by_book(book, trades, t), **by_clock(trades, t)}


def by_bars(bars: Any) -> dict[str, float]:
    c, done = bars["c"], bars.iloc[:-1]
    r = np.log(c / c.shift(1)).dropna()
    price = c.iloc[-1]
    out = {f"volatility_{n}": r.iloc[-n:].std(ddof=0) for n in (10, 20, 50, 100)}
    out["volatility_ratio_10_50"] = ratio(out["volatility_10"], out["volatility_50"])
    out["volatility_ratio_20_100"] = ratio(out["volatility_20"], out["volatility_100"])
    b = bars.iloc[-20:]
    klass = 0.5 * np.log(b["h"] / b["l"]) ** 2 - (2 * np.log(2) - 1) * np.log(b["c"] / b["o"]) ** 2
    out["volatility_garman_klass_20"] = np.sqrt(max(0.0, klass.mean()))
    r20 = r.iloc[-20:]
    out["semivariance_skew_20"] = ratio((r20[r20 > 0] ** 2).sum() - (r20[r20 < 0] ** 2).sum(), (r20**2).sum())
    c20, c21 = c.iloc[-20:], c.iloc[-21:]
    out["bollinger_position_20"] = ratio(price - c20.mean(), 2 * c20.std(ddof=0))
    out |= {f"return_{n}": price / c.iloc[-1 - n] - 1 for n in (2, 5, 10, 20, 50, 100)}
    v = done["v"]
    for n in (20, 100):
        out[f"volume_ratio_{n}"] = ratio(v.iloc[-5:].mean(), v.iloc[-n:].mean())
        out[f"volume_zscore_{n}"] = ratio(v.iloc[-1] - v.iloc[-n:].mean(), v.iloc[-n:].std(ddof=0))
    out["ma_5_20_ratio"] = c.iloc[-5:].mean() / c20.mean() - 1
    out["ma_20_50_ratio"] = c20.mean() / c.iloc[-50:].mean() - 1
    change = c.diff().dropna()
    gain, loss = wilder(change.clip(lower=0)), wilder(-change.clip(upper=0))
    out["rsi_14"] = 100 * gain / (gain + loss) if gain + loss else 50.0
    slow, fast = ema(c, 26), ema(c.iloc[14:].reset_index(drop=True), 12)
    macd = fast - slow
    out["macd_histogram"] = (macd.iloc[-1] - ema(macd, 9).iloc[-1]) / price
    before = bars["c"].shift(1)
    spread = pd.concat([bars["h"], before], axis=1).max(axis=1) - pd.concat([bars["l"], before], axis=1).min(axis=1)
    out["atr_14"] = wilder(spread.iloc[1:]) / price
    low, high = bars["l"].iloc[-14:].min(), bars["h"].iloc[-14:].max()
    out["stochastic_14"] = (price - low) / (high - low) if high > low else 0.5
    out["efficiency_ratio_20"] = ratio(price - c21.iloc[0], c21.diff().abs().sum())
    return out


def by_trades(trades: Any, t: int) -> dict[str, float]:
    out: dict[str, float] = {}
    windows = {s: last(trades, t, s) for s in (1, 5, 30, 60)}
    for s in (1, 5, 30):
        w = windows[s]
        out[f"signed_volume_ratio_{s}s"] = ratio((w["s"] * w["q"]).sum(), w["q"].sum())
    out["trade_flow_50"] = trades["s"].iloc[-50:].mean()
    out["cumulative_delta_ratio"] = (trades["s"] * trades["q"]).sum() / trades["q"].sum()
    out["trade_intensity_5s"] = len(windows[5]) / 5
    out["trade_intensity_ratio"] = ratio(len(windows[5]) / 5, len(windows[60]) / 60)
    out["volume_burst_5s"] = ratio(windows[5]["q"].sum(), windows[60]["q"].sum() / 12)
    known = windows[60][windows[60]["s"] != 0]
    out["buy_share_60s"] = known["q"][known["s"] > 0].sum() / known["q"].sum() if len(known) else 0.5
    price = trades["p"].iloc[-1]
    out["vwap_distance"] = price / ((trades["p"] * trades["q"]).sum() / trades["q"].sum()) - 1
    q = trades["q"]
    out["trade_size_ratio_50"] = q.iloc[-50:].mean() / q.iloc[-1000:].mean()
    hundred = trades.iloc[-100:]
    out["large_trade_ratio_100"] = hundred["q"][hundred["large"]].sum() / hundred["q"].sum()
    sides = trades["s"][trades["s"] != 0]
    run = (sides != sides.shift(1)).cumsum()
    length = int((run == run.iloc[-1]).sum())
    out["aggressor_run"] = float(sides.iloc[-1] * min(length, 50))
    window = trades.iloc[-500:]
    bought, sold = window.groupby("buyer")["q"].sum(), window.groupby("seller")["q"].sum()
    out["buyer_concentration_500"] = ((bought / bought.sum()) ** 2).sum()
    out["seller_concentration_500"] = ((sold / sold.sum()) ** 2).sum()
    net = bought.sub(sold, fill_value=0).sort_index()
    out["top_broker_net_500"] = net[net.abs().idxmax()] / window["q"].sum()
    pair = trades[["buyer", "seller"]].iloc[-101:]
    out["broker_turnover_100"] = (pair != pair.shift(1)).any(axis=1).iloc[1:].mean()
    return out


def by_book(book: Any, trades: Any, t: int) -> dict[str, float]:
    out: dict[str, float] = {}
    now = book.iloc[-1]
    middle = (book["b1"] + book["a1"]) / 2
    minute = book["t"] > t - 60 * market.SECOND_NS
    out["realized_volatility_60s"] = np.sqrt((np.log(middle / middle.shift(1))[minute] ** 2).sum())
    for s in (1, 5, 30, 60):
        older = middle[book["t"] <= t - s * market.SECOND_NS]
        out[f"mid_return_{s}s"] = np.log(middle.iloc[-1] / older.iloc[-1])
    recent = book[minute]
    before = book.shift(1)[minute]
    e = (
        (recent["b1"] >= before["b1"]) * recent["B1"] - (recent["b1"] <= before["b1"]) * before["B1"]
        - (recent["a1"] <= before["a1"]) * recent["A1"] + (recent["a1"] >= before["a1"]) * before["A1"]
    )  # fmt: skip
    for s in (1, 5, 30):
        w = e[recent["t"] > t - s * market.SECOND_NS]
        out[f"order_flow_imbalance_{s}s"] = ratio(w.sum(), w.abs().sum())
    out["spread_ticks"] = now["a1"] - now["b1"]
    half_thousand = book.iloc[-500:]
    out["spread_ratio_500"] = out["spread_ticks"] / (half_thousand["a1"] - half_thousand["b1"]).mean()
    levels = {n: [[f"{side}{i}" for i in range(1, n + 1)] for side in "BA"] for n in (1, 5, 10)}
    for n, (bids, asks) in levels.items():
        bid, ask = now[bids].sum(), now[asks].sum()
        out[f"book_imbalance_{n}"] = (bid - ask) / (bid + ask)
    bids, asks = levels[5]
    bid, ask = now[bids].sum(), now[asks].sum()
    bid_price = (now[bids].to_numpy() * now[[f"b{i}" for i in range(1, 6)]].to_numpy()).sum() / bid
    ask_price = (now[asks].to_numpy() * now[[f"a{i}" for i in range(1, 6)]].to_numpy()).sum() / ask
    out["microprice_offset_5"] = (ask_price * bid + bid_price * ask) / (bid + ask) - (now["b1"] + now["a1"]) / 2
    depth = half_thousand[levels[10][0] + levels[10][1]].sum(axis=1)
    out["depth_ratio_500"] = depth.iloc[-1] / depth.mean()
    used = last(trades, t, 5)
    out["liquidity_consumption_5s"] = used["q"][used["s"] != 0].sum() / (bid + ask)
    return out


def by_clock(trades: Any, t: int) -> dict[str, float]:
    wall = pd.Timestamp(t, tz="UTC")
    passed = (wall - wall.normalize()).total_seconds()
    return {
        "session_elapsed": passed / 86400, "minute": wall.minute / 60, "day_of_week": wall.dayofweek / 4,
        "is_opening_30min": float(passed < 1800), "is_closing_30min": float(passed >= 86400 - 1800),
        "log_seconds_since_trade": np.log1p((t - int(trades["t"].iloc[-1])) / 1e9),
    }  # fmt: skip


def frames() -> tuple[Any, Any, Any]:
    """(trades, book, our table) of a made market of 50 minutes and more."""
    trades, book = market.block(EVENTS, 3, mean_gap_ns=200_000_000)
    table = compute(trades, book, np.zeros(0, CANDLE), market.MADE)
    left = pd.DataFrame({"t": trades["ts_ns"], "p": (trades["price"] * 2).astype(int), "q": trades["quantity"]})
    left["s"], left["buyer"], left["seller"] = trades["aggressor"], trades["buyer"], trades["seller"]
    left["seq"] = trades["ingest_seq"]
    before = left["q"].shift(1).rolling(1000, min_periods=1)
    left["large"] = left["q"] * before.count() >= 4 * before.sum()
    right = {"t": book["ts_ns"], "seq": book["ingest_seq"]}
    for side, letter in (("bid", "b"), ("ask", "a")):
        for i in range(10):
            right[f"{letter}{i + 1}"] = (book[f"{side}_price"][:, i] * 2).astype(int)
            right[f"{letter.upper()}{i + 1}"] = book[f"{side}_quantity"][:, i]
    return left, pd.DataFrame(right), table


def compare() -> tuple[Row, float]:
    """(pandas' row, pandas / ours). Raises RuntimeError when the two differ."""
    left, right, table = frames()
    began = time.perf_counter()
    compute(*market.block(EVENTS, 3, mean_gap_ns=200_000_000), np.zeros(0, CANDLE), market.MADE)
    ours_ns = (time.perf_counter() - began) * 1e9 / EVENTS
    took = []
    for n in np.linspace(len(table) * 0.9, len(table) - 1, SAMPLES).astype(int):
        number, t = int(table.ingest_seq[n]), int(table.ts_ns[n])
        trades, book = left[left["seq"] <= number], right[right["seq"] <= number]
        bars = bars_of(pd.concat([trades, trades.iloc[-1:].assign(t=t, q=0)]))
        start = time.perf_counter_ns()
        found = vector(trades, book, bars, t)
        took.append(time.perf_counter_ns() - start)
        theirs = np.array([found[name] for name in NAMES], float)
        wrong = ~np.isclose(theirs, table.values[n], rtol=1e-6, atol=1e-9, equal_nan=True)
        if wrong.any():
            names = ", ".join(f"{NAMES[i]} {theirs[i]} {table.values[n, i]}" for i in np.flatnonzero(wrong))
            raise RuntimeError(f"pandas and the kernels differ at event {number}: {names}")
    pandas_row = row(
        "one vector with pandas", took, note=f"pandas {pd.__version__}, {SAMPLES} vectors, all equal to ours"
    )
    return pandas_row, pandas_row.p50_ns / ours_ns
