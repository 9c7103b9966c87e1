"""The figures of the day against a list that is summed up by hand, and their way to a client."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange import protocol
from exchange.daily import DailyFigures
from exchange.frames import book_frames, trade_frames
from exchange.market import Batch
from tests.exchange.kit import instrument

SPECS = [instrument(), instrument(symbol="WINFUT", point_value=0.2)]
trades = st.tuples(st.integers(0, 1), st.integers(1, 99), st.integers(1, 9), st.sampled_from([1, 2, 3, 4, 13]))


def batch_of(rows: list[tuple[int, int, int, int]]) -> Batch:
    frames = trade_frames(len(rows))
    for body, (index, price, quantity, kind) in zip(frames["body"], rows, strict=True):
        body["index"], body["price"], body["quantity"], body["trade_type"] = index, price * 0.5, quantity, kind
    symbols = np.array([row[0] for row in rows], np.int32)
    return Batch(np.zeros(len(rows), np.uint8), symbols, frames, book_frames(0), (), 0)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(trades, max_size=8), max_size=5))
def test_the_figures_are_those_of_the_whole_day(batches):
    daily, told = DailyFigures(SPECS), {}
    for rows in batches:
        daily.see(batch_of(rows))
        told |= dict(daily.news())
    everything = [row for rows in batches for row in rows]
    for index, spec in enumerate(SPECS):
        mine = [row[1:] for row in everything if row[0] == index]
        if not mine:
            assert index not in told
            continue
        figures, prices = told[index], [price * 0.5 for price, _, _ in mine]
        assert [figures[name] for name in ("open", "high", "low", "close")] == [
            prices[0], max(prices), min(prices), prices[-1],
        ]  # fmt: skip
        assert (figures["quantity"], figures["trades"]) == (sum(row[1] for row in mine), len(mine))
        for side, kind in (("buyer", 2), ("seller", 3)):
            of_side = [row for row in mine if row[2] == kind]
            assert figures[f"trades_{side}"] == len(of_side)
            assert figures[f"quantity_{side}"] == sum(row[1] for row in of_side)
        money = sum(price * 0.5 * quantity for price, quantity, _ in mine) * spec.point_value
        assert abs(figures["volume"] - money) < 1e-6
    assert daily.news() == []


def test_a_closed_day_ends_with_the_next_trade():
    daily = DailyFigures(SPECS)
    daily.see(batch_of([(0, 10, 1, 2)]))
    daily.end(0)
    assert daily.news()[0][1]["open"] == 5.0
    daily.see(batch_of([(0, 30, 2, 3)]))
    figures = daily.news()[0][1]
    assert (figures["open"], figures["low"], figures["quantity"], figures["trades_buyer"]) == (15.0, 15.0, 2, 0)


def test_a_client_is_told_once_a_second(open_exchange):
    exchange = open_exchange()
    exchange.started = True
    client = exchange.client(full=False)
    client.subscribe()
    exchange.step()
    for _ in range(4):
        exchange.step(1.0)
    exchange.until(lambda: client.has(protocol.DAILY, 2), "the day's figures")
    last = client.of(protocol.DAILY)[-1]
    assert 0 < last["trades"] <= exchange.counters["trades"] and last["low"] <= last["close"] <= last["high"]
    assert 2 <= len(client.of(protocol.DAILY)) <= 4
