"""The generated market: the same seed gives the same market, it is always sound, and our orders live in it as equals."""

from __future__ import annotations

import numpy as np
import pytest

from exchange import intraday
from exchange.generated_market import GeneratedMarket
from exchange.market import KIND_TRADE, Batch
from tests.exchange.kit import SECOND_NS, START_NS, TICK, instrument

BUY, SELL = 1, 2
MINUTE_NS = 60 * SECOND_NS


def market(*specs, seed: int = 1, price: float = 5400.0, rate: float = 20.0, hours: float = 8) -> GeneratedMarket:
    chosen = specs or (instrument(),)
    close = [START_NS + int(hours * 3600) * SECOND_NS] * len(chosen)
    return GeneratedMarket(chosen, start_ns=START_NS, close_ns=close, seed=seed, start_price=price, trades_per_s=rate)


def play(source: GeneratedMarket, to_ns: int, limit: int = 700) -> list[Batch]:
    out = []
    while (batch := source.advance(to_ns, limit)) is not None:
        out.append(batch)
    return out


def joined(batches: list[Batch], name: str) -> np.ndarray:
    return np.concatenate([getattr(batch, name) for batch in batches])


def test_same_seed_same_bytes_whatever_the_steps():
    whole = play(market(), START_NS + MINUTE_NS)
    stepped_market = market()
    stepped: list[Batch] = []
    for second in np.arange(0.25, 60.25, 0.25):
        stepped += play(stepped_market, START_NS + int(second * SECOND_NS), limit=3)
    for name in ("kinds", "trades", "books"):
        assert joined(whole, name).tobytes() == joined(stepped, name).tobytes()
    other = play(market(seed=2), START_NS + MINUTE_NS)
    assert joined(whole, "trades").tobytes() != joined(other, "trades").tobytes()


def test_book_is_always_two_sided_ten_deep_and_never_crossed():
    book = joined(play(market(), START_NS + 10 * MINUTE_NS), "books")["body"]
    assert len(book) > 10_000
    for side, sign in (("bid", -1), ("ask", 1)):
        assert (book[f"{side}_quantity"] > 0).all()
        assert (book[f"{side}_count"] > 0).all()
        assert (book[f"{side}_quantity"] >= book[f"{side}_count"]).all()
        assert (np.diff(book[f"{side}_price"], axis=1) * sign >= TICK).all()
    assert (book["bid_price"][:, 0] < book["ask_price"][:, 0]).all()
    assert book["ts_ns"][0] == START_NS
    assert (np.diff(book["ts_ns"]) >= 0).all()


def test_trades_take_the_touch_that_stood_before_them():
    source = market()
    bid = ask = 0.0
    checked = 0
    for batch in play(source, START_NS + 3 * MINUTE_NS):
        trades, books = iter(batch.trades["body"]), iter(batch.books["body"])
        previous_ns = 0
        for kind in batch.kinds:
            if kind == KIND_TRADE:
                trade = next(trades)
                if trade["ts_ns"] != previous_ns:  # the first trade of a sweep
                    assert trade["price"] == (ask if trade["trade_type"] == 2 else bid)
                    checked += 1
                previous_ns = int(trade["ts_ns"])
            else:
                book = next(books)
                bid, ask = book["bid_price"][0], book["ask_price"][0]
    assert checked > 1000


@pytest.mark.parametrize("rate", [5.0, 60.0])
def test_trade_rate_and_prices_are_what_was_asked_for(rate):
    trades = joined(play(market(rate=rate), START_NS + 20 * MINUTE_NS), "trades")["body"]
    expected = rate * intraday.curve(540)[60:80].mean()  # eight of the session's nine hours are left
    assert len(trades) / 1200 == pytest.approx(expected, rel=0.15)
    assert trades["number"].tolist() == list(range(trades["number"][0], trades["number"][0] + len(trades)))
    assert (np.round(trades["price"] / TICK) * TICK == trades["price"]).all()
    assert abs(trades["price"] - 5400).max() < 100
    assert set(np.unique(trades["trade_type"])) == {2, 3}
    assert len(np.unique(trades["buyer"])) > 10
    assert (trades["quantity"] > 0).all()


def test_history_fills_two_hundred_bars_before_the_start_and_joins_the_live_trades():
    spec = instrument(bar_seconds=60)
    source = market(spec)
    past = source.history(0, 0, START_NS - 1)
    bars = np.unique(past["ts_ns"] // MINUTE_NS)
    first_bar = START_NS // MINUTE_NS - 200
    assert set(range(first_bar, START_NS // MINUTE_NS)) <= set(bars.tolist())
    assert past["price"][-1] == 5400.0
    assert (past["ts_ns"] < START_NS).all()
    live = joined(play(source, START_NS + MINUTE_NS), "trades")["body"]
    assert past["number"].max() < live["number"].min()
    both = source.history(0, int(past["ts_ns"][-5]), START_NS + MINUTE_NS)
    assert len(both) == 5 + len(live)
    assert (np.diff(both["ts_ns"]) >= 0).all()
    assert len(source.history(0, START_NS + 2 * MINUTE_NS, START_NS + 3 * MINUTE_NS)) == 0


def test_start_price_is_on_tick_and_defaults_to_ten_thousand_ticks():
    assert market(price=0.0).last_ticks(0) == 10_000
    assert market(price=5400.3).last_ticks(0) == 10_801


def test_our_resting_order_waits_for_its_turn_and_prints_our_broker():
    source = market()
    play(source, START_NS + SECOND_NS)
    best = int(source.streams[0].book.depth(BUY, 1)[0, 0])
    source.rest(0, 5, BUY, best, 3, 77, START_NS + SECOND_NS)
    ahead = source.queue_ahead(0, 5)
    assert ahead > 0
    batches = play(source, START_NS + 30 * MINUTE_NS)
    fills = [fill for batch in batches for fill in batch.fills]
    assert sum(fill.quantity for fill in fills) == 3
    assert {(fill.order, fill.price_ticks) for fill in fills} == {(5, best)}
    trades = joined(batches, "trades")["body"]
    ours = trades[trades["buyer"] == 77]
    assert ours["quantity"].sum() == 3
    before = trades[(trades["number"] < ours["number"][0]) & (trades["price"] == best * TICK)]
    assert before["quantity"].sum() <= ahead


def test_our_incoming_order_moves_the_market_and_is_told_in_order():
    source = market()
    play(source, START_NS + SECOND_NS)
    depth = source.streams[0].book.depth(SELL, 3)
    wanted = int(depth[:2, 1].sum()) + 1
    assert source.available(0, BUY, int(depth[2, 0]), wanted) == wanted
    now = START_NS + SECOND_NS + 5
    fills = source.take(0, 9, BUY, None, wanted, 77, now)
    assert sum(fill.quantity for fill in fills) == wanted
    assert source.next_due_ns() == now
    told = play(source, now)
    trades = joined(told, "trades")["body"]
    assert trades["quantity"].sum() == wanted
    assert (trades["buyer"] == 77).all()
    assert (trades["trade_type"] == 2).all()
    assert joined(told, "books")["body"]["ask_price"][-1][0] == depth[2, 0] * TICK
    assert source.last_ticks(0) == depth[2, 0]


def test_a_swept_book_recovers():
    source = market()
    play(source, START_NS + SECOND_NS)
    source.take(0, 9, SELL, None, 1 << 30, 77, START_NS + SECOND_NS)
    assert len(source.streams[0].book.depth(BUY, 1)) == 0
    batches = play(source, START_NS + 10 * SECOND_NS)
    book = batches[-1].books["body"][-1]
    assert (book["bid_quantity"] > 0).all()
    assert 0 < book["bid_price"][0] < book["ask_price"][0]


def test_instruments_are_independent_and_come_in_order_of_time():
    pair = market(instrument(), instrument(symbol="WINFUT", tick=5.0))
    batches = play(pair, START_NS + 20 * SECOND_NS)
    times = [
        int(time)
        for batch in batches
        for time in np.sort(np.concatenate([batch.trades["body"]["ts_ns"], batch.books["body"]["ts_ns"]]))
    ]
    assert times == sorted(times)
    alone = play(market(), START_NS + 20 * SECOND_NS)
    first = np.concatenate([batch.trades[batch.trades["body"]["index"] == 0] for batch in batches])
    assert first.tobytes() == joined(alone, "trades").tobytes()
    assert {int(symbol) for batch in batches for symbol in batch.symbols} == {0, 1}


def test_session_end_ends_the_market():
    source = market(hours=0.01)
    batches = play(source, START_NS + MINUTE_NS)
    assert source.next_due_ns() is None
    assert max(batch.last_ns for batch in batches) <= START_NS + 36 * SECOND_NS
