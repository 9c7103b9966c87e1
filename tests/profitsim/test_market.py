"""Trades, the price depth and its accessors, history, states of tickers."""

from __future__ import annotations

import ctypes
import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange import protocol as wire
from profitdll import prototypes
from profitdll.constants import NL_CODES, BookSide, DepthUpdate
from profitdll.errors import DllError
from profitdll.market import Market, PriceGroup
from profitdll.market_time import utc_ns
from profitdll.structs import TConnectorAssetIdentifier, TConnectorPriceGroup, TConnectorTrade
from tests.profitsim.conftest import Rig
from tests.profitsim.scripted import NOON_NS

PREPARE, FLUSH, FULL = DepthUpdate.PREPARE, DepthUpdate.FLUSH, DepthUpdate.FULL_BOOK
DAY_NS = 86_400_000_000_000


def trade(**fields: Any) -> dict[str, Any]:
    usual = {"index": 0, "ts_ns": NOON_NS, "number": 1, "price": 5000.5, "quantity": 3, "buyer": 3, "seller": 8}
    return usual | {"trade_type": 2} | fields


def book(bids: list[tuple[float, int, int]], asks: list[tuple[float, int, int]], **fields: Any) -> dict[str, Any]:
    """Levels are (price, quantity, count), best first."""
    body: dict[str, Any] = {"index": 0, "ts_ns": NOON_NS}
    for side, levels in (("bid", bids), ("ask", asks)):
        padded = levels + [(0.0, 0, 0)] * (10 - len(levels))
        for i, column in enumerate(("price", "quantity", "count")):
            body[f"{side}_{column}"] = [level[i] for level in padded]
    return body | fields


def test_a_trade_is_translated_whole(rig: Rig) -> None:
    rig.connect()
    Market(rig.library).subscribe("WDOFUT", "F")
    rig.server.wait_for(wire.SUBSCRIBE)
    rig.server.send(wire.TRADE, **trade(ts_ns=NOON_NS + 123_456_789, number=4_000_000_000, flags=0))
    ticker, exchange, flags, code, out, _ = rig.heard.wait("trade")[0]
    assert (ticker, exchange, flags, code) == ("WDOFUT", "F", 0, 0)
    assert utc_ns(out.trade_date) == NOON_NS + 123_000_000
    assert out.trade_date.day_of_week == 1, "a Monday; Sunday is 0"
    assert (out.trade_number, out.price, out.quantity, out.volume) == (4_000_000_000, 5000.5, 3, 5000.5 * 3 * 10.0)
    assert (out.buy_agent, out.sell_agent, out.trade_type) == (3, 8, 2)


def test_edits_keep_their_flag_and_empty_trades_come_through(rig: Rig) -> None:
    rig.connect()
    Market(rig.library).subscribe("WDOFUT", "F")
    rig.server.wait_for(wire.SUBSCRIBE)
    rig.server.send(wire.TRADE, **trade(flags=1))
    rig.server.send(wire.TRADE, **trade(ts_ns=0, price=0.0))
    edited, empty = rig.heard.wait("trade", 2)
    assert edited[2] == 1
    assert empty[3] == 0, "the real library also calls this a success"
    assert (empty[4].trade_date.year, empty[4].price) == (0, 0.0)


def test_the_trade_pointer_dies_with_its_callback(rig: Rig) -> None:
    rig.connect()
    Market(rig.library).subscribe("WDOFUT", "F")
    rig.server.wait_for(wire.SUBSCRIBE)
    rig.server.send(wire.TRADE, **trade())
    opaque = rig.heard.wait("trade")[0][-1]
    assert opaque != 0
    assert rig.library.dll.TranslateTrade(opaque, TConnectorTrade()) == NL_CODES["NL_INVALID_ARGS"]

    @prototypes.StateCallback
    def late(_kind: int, _value: int) -> None:
        rig.heard.note("late", rig.library.dll.TranslateTrade(opaque, TConnectorTrade()))

    rig.library.dll.SetStateCallback(ctypes.cast(late, ctypes.c_void_p))
    rig.server.send(wire.STATE, type=42, value=0)
    assert rig.heard.wait("late") == [(NL_CODES["NL_INVALID_ARGS"],)], (
        "also on the ConnectorThread, in another callback"
    )
    rig.library.dll.SetStateCallback(None)


def test_the_figures_of_the_day_come_in_the_order_of_the_callback(rig: Rig) -> None:
    rig.connect()
    names = [name for name in wire.DAILY_BODY.names or () if name not in ("index", "pad", "pad_2", "ts_ns")]
    fields = {name: float(n) if n <= 10 else n for n, name in enumerate(names, 1)}
    rig.server.send(wire.DAILY, index=0, ts_ns=NOON_NS, **fields)
    rig.settle()
    Market(rig.library).subscribe("WDOFUT", "F")
    rig.server.wait_for(wire.SUBSCRIBE)
    rig.server.send(wire.DAILY, index=0, ts_ns=NOON_NS, **fields)
    rig.server.send(wire.DAILY, index=63)
    rig.settle()
    numbers = (*map(float, range(1, 11)), *range(11, 18))
    assert rig.heard.of("daily") == [("WDOFUT", "F", "24/11/2025 12:00:00.000", numbers)]


def test_only_what_is_subscribed_is_heard(rig: Rig) -> None:
    rig.connect()
    market = Market(rig.library)
    market.subscribe("WDOFUT", "F")
    rig.server.wait_for(wire.SUBSCRIBE)
    rig.server.send(wire.TRADE, **trade(index=1))
    rig.server.send(wire.BOOK, **book([(1.0, 1, 1)], []))
    rig.server.send(wire.TRADE, **trade(index=63))
    rig.server.send(wire.TRADE, **trade(number=2))
    rig.settle()
    assert [event[4].trade_number for event in rig.heard.of("trade")] == [2]
    assert not rig.heard.of("depth")
    market.unsubscribe("WDOFUT", "F")
    body = rig.server.wait_for(wire.SUBSCRIBE, 2)[1]
    assert (body["ticker"], body["trades"], body["depth"], body["on"]) == (b"WDOFUT", 1, 0, 0)
    rig.server.send(wire.TRADE, **trade(number=3))
    rig.settle()
    assert len(rig.heard.of("trade")) == 1


def test_a_burst_comes_whole_and_in_order(rig: Rig) -> None:
    rig.connect()
    Market(rig.library).subscribe("WDOFUT", "F")
    rig.server.wait_for(wire.SUBSCRIBE)
    count = 5_000
    data = b"".join(wire.frame(wire.TRADE, **trade(number=n)) for n in range(count))
    for start in range(0, len(data), 1_001):  # cut anywhere, also inside headers
        rig.server.send_bytes(data[start : start + 1_001])
    assert [event[4].trade_number for event in rig.heard.wait("trade", count)] == list(range(count))


def test_an_unknown_ticker_is_told_by_callback(rig: Rig) -> None:
    rig.connect()
    market = Market(rig.library)
    market.subscribe("NADA11", "F")
    market.subscribe_depth("NADA12", "B")
    assert sorted(rig.heard.wait("invalid_ticker", 2)) == [("NADA11", "F"), ("NADA12", "B")]
    with pytest.raises(DllError) as error:
        market.depth("NADA11", "F", BookSide.BUY)
    assert error.value.name == "NL_INVALID_TICKER"


def test_ticker_states_are_told_at_once_and_at_each_change(rig: Rig) -> None:
    rig.server.instruments[0]["state"] = 4
    rig.connect()
    Market(rig.library).subscribe("WDOFUT", "F")
    assert rig.heard.wait("ticker_state")[0] == ("WDOFUT", "F", "24/11/2025 12:00:00.000", 4)
    rig.server.send(wire.TICKER_STATE, index=0, state=0, ts_ns=NOON_NS + 61_007_000_000)
    rig.server.send(wire.TICKER_STATE, index=1, state=6, ts_ns=NOON_NS)
    rig.settle()
    assert rig.heard.of("ticker_state")[1:] == [("WDOFUT", "F", "24/11/2025 12:01:01.007", 0)]


def test_the_first_book_is_full_and_the_next_are_changes(rig: Rig) -> None:
    rig.connect()
    market = Market(rig.library)
    market.subscribe_depth("WDOFUT", "F")
    rig.server.wait_for(wire.SUBSCRIBE)
    rig.server.send(wire.BOOK, **book([(10.0, 5, 2), (9.5, 1, 1)], [(10.5, 7, 3)]))
    rig.server.send(wire.BOOK, **book([(10.0, 4, 2), (9.0, 8, 1)], [(10.5, 7, 3), (11.0, 1, 1)]))
    rig.server.send(wire.BOOK, **book([(10.0, 4, 2), (9.0, 8, 1)], [(10.5, 7, 3), (11.0, 1, 1)]))
    rig.settle()
    said = [event[1:4] for event in rig.heard.of("depth")]
    assert said == [
        (255, -1, PREPARE), (254, 0, FULL), (255, -1, FLUSH),
        (255, -1, PREPARE), (0, 0, DepthUpdate.EDIT), (0, 1, DepthUpdate.DELETE), (0, 1, DepthUpdate.INSERT),
        (1, 1, DepthUpdate.INSERT), (255, -1, FLUSH),
        (255, -1, PREPARE), (255, -1, FLUSH),
    ]  # fmt: skip
    levels = rig.heard.of("depth")[4][-1]
    assert levels == [[(10.0, 4, 2, 0), (9.0, 8, 1, 0)], [(10.5, 7, 3, 0), (11.0, 1, 1, 0)]]
    assert market.depth("WDOFUT", "F", BookSide.SELL) == [PriceGroup(10.5, 7, 3, 0), PriceGroup(11.0, 1, 1, 0)]


def test_an_auction_is_flagged_and_has_theoretical_values(rig: Rig) -> None:
    rig.connect()
    market = Market(rig.library)
    market.subscribe_depth("WDOFUT", "F")
    rig.server.wait_for(wire.SUBSCRIBE)
    minus_infinity = float("-inf")
    rig.server.send(wire.BOOK, **book([(10.0, 5, 2)], [(10.5, 7, 3)]))
    rig.server.send(
        wire.BOOK,
        **book(
            [(minus_infinity, 9, 1), (10.0, 5, 2)],
            [(10.5, 7, 3)],
            flags=1,
            theoretical_price=10.25,
            theoretical_quantity=12,
        ),
    )
    rig.settle()
    assert market.theoretical("WDOFUT", "F") == (10.25, 12)
    assert market.depth("WDOFUT", "F", BookSide.BUY)[0] == PriceGroup(minus_infinity, 9, 1, 1)
    assert market.depth("WDOFUT", "F", BookSide.SELL)[0] == PriceGroup(10.5, 7, 3, 1)
    assert (255, -1, DepthUpdate.THEORETICAL_PRICE) in [event[1:4] for event in rig.heard.of("depth")]
    rig.server.send(wire.BOOK, **book([(10.0, 5, 2)], [(10.5, 7, 3)]))
    rig.settle()
    last = [event[1:4] for event in rig.heard.of("depth")][-6:]
    assert (1, 0, DepthUpdate.EDIT) in last, "the flag left the best ask"
    assert market.depth("WDOFUT", "F", BookSide.SELL)[0].flags == 0


def test_after_a_lost_connection_the_book_is_full_again(rig: Rig) -> None:
    session = rig.connect()
    Market(rig.library).subscribe_depth("WDOFUT", "F")
    rig.server.wait_for(wire.SUBSCRIBE)
    rig.server.send(wire.BOOK, **book([(10.0, 5, 2)], []))
    rig.settle()
    rig.server.drop()
    rig.server.wait_for(wire.SUBSCRIBE, 2)
    session.wait_connected(20)
    rig.server.send(wire.BOOK, **book([(10.0, 5, 2)], []))
    rig.settle()
    assert [event[3] for event in rig.heard.of("depth")] == [PREPARE, FULL, FLUSH] * 2


levels = st.lists(st.tuples(st.integers(1, 14), st.integers(1, 3), st.integers(1, 2)), max_size=10,
                  unique_by=lambda level: level[0])  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(books=st.lists(st.tuples(levels, levels), min_size=1, max_size=6))
def test_applying_the_notices_one_by_one_rebuilds_every_book(connected: Rig, books: list[Any]) -> None:
    """The obvious twin: a list for each side, changed as the notices say, levels read from the accessors."""
    rig, heard = connected, connected.heard
    market = Market(rig.library)
    market.subscribe_depth("WDOFUT", "F")
    rig.settle()
    start = len(heard.of("depth"))
    expected = []
    for bids, asks in books:
        bids, asks = sorted(bids, reverse=True), sorted(asks)
        rig.server.send(wire.BOOK, **book(bids, asks))
        expected.append([[(float(p), q, n, 0) for p, q, n in side] for side in (bids, asks)])
    rig.settle()
    mine: list[list[Any]] = [[], []]
    flushed = []
    for _, side, position, update, now in heard.of("depth")[start:]:
        if update == FULL:
            mine = [list(now[0]), list(now[1])]
        elif update == DepthUpdate.DELETE:
            del mine[side][position]
        elif update == DepthUpdate.INSERT:
            mine[side].insert(position, now[side][position])
        elif update == DepthUpdate.EDIT:
            mine[side][position] = now[side][position]
        elif update == FLUSH:
            flushed.append([list(mine[0]), list(mine[1])])
    assert flushed == expected


def answer_history(rig: Rig, stamps: list[int], code: int = 0) -> None:
    request = int(rig.server.wait_for(wire.HISTORY)[-1]["request"])
    for n, ts_ns in enumerate(stamps):
        flags = 2 if n == len(stamps) - 1 else 0
        rig.server.send(wire.HISTORY_TRADE, **trade(request=request, ts_ns=ts_ns, number=n, flags=flags))
    rig.server.send(wire.HISTORY_END, request=request, code=code, trades=len(stamps))
    rig.settle()


def test_history_runs_on_its_own_callback_with_rising_progress(rig: Rig) -> None:
    rig.connect()
    market = Market(rig.library)
    market.subscribe("WDOFUT", "F")
    market.request_history("WDOFUT", "F", NOON_NS - 3_600_000_000_000, NOON_NS)
    body = rig.server.wait_for(wire.HISTORY)[0]
    assert (body["ticker"], body["from_ns"], body["to_ns"]) == (b"WDOFUT", NOON_NS - 3_600_000_000_000, NOON_NS)
    answer_history(rig, [NOON_NS - 3_600_000_000_000, NOON_NS - 1_800_000_000_000, NOON_NS])
    assert [(event[2], event[4].trade_number) for event in rig.heard.of("history")] == [(0, 0), (0, 1), (2, 2)]
    assert not rig.heard.of("trade")
    assert [event[2] for event in rig.heard.of("progress")] == list(range(1, 101))


def test_history_without_trades_ends_well(rig: Rig) -> None:
    rig.connect()
    Market(rig.library).request_history("WDOFUT", "F", NOON_NS - DAY_NS, NOON_NS)
    answer_history(rig, [])
    assert rig.heard.of("progress")[-1] == ("WDOFUT", "F", 100)
    assert not rig.heard.of("history")


def test_who_asks_again_at_the_end_hears_nothing_more_of_the_request_before(rig: Rig) -> None:
    """Ingest does so on its own thread, while the callback that said 100 still runs."""
    market, again = Market(rig.library), []
    note = rig.heard.note

    def note_and_ask_again(kind: str, *event: Any) -> None:
        note(kind, *event)
        if kind == "progress" and event[-1] == 100 and not again:
            again.append(threading.Thread(target=market.request_history, args=("WDOFUT", "F", NOON_NS - DAY_NS, NOON_NS)))
            again[0].start()
            again[0].join()

    rig.heard.note = note_and_ask_again  # type: ignore[method-assign]
    rig.connect()
    market.request_history("WDOFUT", "F", NOON_NS - DAY_NS, NOON_NS)
    answer_history(rig, [])
    assert [event[2] for event in rig.heard.of("progress")] == list(range(1, 101))
    assert len(rig.server.wait_for(wire.HISTORY, 2)) == 2
    answer_history(rig, [])
    assert [event[2] for event in rig.heard.of("progress")] == [*range(1, 101), *range(1, 101)]


def test_history_that_fails_at_the_server_sticks_at_99(rig: Rig) -> None:
    rig.connect()
    Market(rig.library).request_history("WDOFUT", "F", NOON_NS - DAY_NS, NOON_NS)
    answer_history(rig, [], code=NL_CODES["NL_SERIE_NO_DATA"])
    assert rig.heard.of("progress")[-1] == ("WDOFUT", "F", 99)


@pytest.mark.parametrize(("ticker", "span_ns", "name"), [
    ("WDOFUT", 11 * DAY_NS, "NL_OUT_OF_RANGE"), ("WINFUT", 11 * DAY_NS, "NL_OUT_OF_RANGE"),
    ("NADA11", DAY_NS, "NL_INVALID_TICKER"), ("WDOFUT", -1_000_000_000, "NL_INVALID_ARGS"),
])  # fmt: skip
def test_history_that_cannot_be_asked_is_refused(rig: Rig, ticker: str, span_ns: int, name: str) -> None:
    rig.connect()
    with pytest.raises(DllError) as error:
        Market(rig.library).request_history(ticker, "F", NOON_NS - span_ns, NOON_NS)
    assert error.value.name == name


@pytest.mark.parametrize(
    "text", ["", "24/11/2025", "32/01/2025 00:00:00", "24/13/2025 00:00:00", "24/11/2025 24:00:00"]
)
def test_a_malformed_date_is_refused(rig: Rig, text: str) -> None:
    rig.connect()
    code = rig.library.dll.GetHistoryTrades("WDOFUT", "F", text, "24/11/2025 12:00:00")
    assert code == NL_CODES["NL_INVALID_ARGS"]


def test_a_struct_of_a_later_version_is_refused(rig: Rig) -> None:
    rig.connect()
    Market(rig.library).subscribe_depth("WDOFUT", "F")
    rig.server.send(wire.BOOK, **book([(10.0, 5, 2)], []))
    rig.settle()
    asset = TConnectorAssetIdentifier(0, "WDOFUT", "F", 0)
    group = TConnectorPriceGroup(version=1)
    assert rig.library.dll.GetPriceGroup(asset, 0, 0, group) == NL_CODES["NL_VERSION_NOT_SUPPORTED"]
    assert rig.library.dll.GetPriceGroup(asset, 0, 0, TConnectorPriceGroup()) == 0


def test_members_have_names(rig: Rig) -> None:
    rig.connect()
    market = Market(rig.library)
    assert market.agent_name(120) == "Member 120"
    assert market.agent_name(3, short=True) == "M3"
    with pytest.raises(DllError) as error:
        market.agent_name(-1)
    assert error.value.name == "NL_NOT_FOUND"


# from the first table entry of the library on; the repeated hour at a summer's end has no inverse
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ts_ns=st.integers(1_206_000_000_000_000_000, 2_208_988_800_000_000_000))
def test_time_goes_out_and_comes_back(connected: Rig, ts_ns: int) -> None:
    rig = connected
    Market(rig.library).subscribe("WDOFUT", "F")
    before = len(rig.heard.of("trade"))
    rig.server.send(wire.TRADE, **trade(ts_ns=ts_ns))
    out = rig.heard.wait("trade", before + 1)[-1][4]
    expected = ts_ns // 1_000_000 * 1_000_000
    back = utc_ns(out.trade_date)
    assert back == expected or (out.trade_date.hour == 23 and back == expected - 3_600_000_000_000)


@pytest.mark.parametrize(("ts_s", "wall"), [
    (1_541_300_399, (2018, 11, 3, 23, 59, 59)), (1_541_300_400, (2018, 11, 4, 1, 0, 0)),
    (1_550_368_799, (2019, 2, 16, 23, 59, 59)), (1_550_368_800, (2019, 2, 16, 23, 0, 0)),
    (1_550_372_400, (2019, 2, 17, 0, 0, 0)), (1_763_949_600, (2025, 11, 23, 23, 0, 0)),
])  # fmt: skip
def test_wall_times_around_the_changes_of_the_clock(connected: Rig, ts_s: int, wall: tuple[int, ...]) -> None:
    rig = connected
    Market(rig.library).subscribe("WDOFUT", "F")
    before = len(rig.heard.of("trade"))
    rig.server.send(wire.TRADE, **trade(ts_ns=ts_s * 1_000_000_000))
    t = rig.heard.wait("trade", before + 1)[-1][4].trade_date
    assert (t.year, t.month, t.day, t.hour, t.minute, t.second) == wall
