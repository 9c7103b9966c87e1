"""What a specialist is given each turn, on real rings, against lists: whole, in order, and exactly up to the vector."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import feed as feed_module
from agents.feed import BATCH, RAW, Feed
from config.schema import Config
from shm.layouts import BOOK, FEATURE, TRADE
from tests.market_rings import MarketRings
from tests.streams import instrument

CONFIG = Config(instruments=(instrument(30), instrument(30, symbol="WINFUT")))
DTYPES = {"trades": TRADE, "book": BOOK, "features": FEATURE}
CAPACITY = 1024


class Market:
    """Numbered events on the raw rings, and vectors of chosen ones."""

    def __init__(self, rings: MarketRings) -> None:
        self._writers = {name: rings.writer(name) for name in DTYPES}
        self.now = 0
        self.raw: dict[str, list[int]] = {ring: [] for ring in RAW}

    def event(self, ring: str) -> None:
        self.now += 1
        self._put(ring, self.now)
        self.raw[ring].append(self.now)

    def vector(self, ingest_seq: int, symbol: int = 0) -> None:
        self._put("features", ingest_seq, symbol)

    def _put(self, ring: str, ingest_seq: int, symbol: int = 0) -> None:
        record = np.zeros(1, DTYPES[ring])
        record["ingest_seq"], record["symbol"] = ingest_seq, symbol
        self._writers[ring].publish(record)


@pytest.fixture
def rings() -> Iterator[MarketRings]:
    with MarketRings(CONFIG, CAPACITY) as made:
        yield made


def feed_of(rings: MarketRings, *raw: str) -> Feed:
    return Feed(rings.reader("features"), {ring: rings.reader(ring) for ring in raw}, len(CONFIG.instruments))


def numbers(feed: Feed, which: int) -> list[int]:
    return [int(number) for number in feed.raw(which)["ingest_seq"]]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from(RAW), st.booleans(), st.integers(0, 1), st.booleans()), max_size=120),
    st.sampled_from([(), ("trades",), ("book",), RAW]),
)
def test_each_turn_holds_the_raw_records_up_to_its_newest_vector(
    events: list[tuple[str, bool, int, bool]], read: tuple[str, ...]
) -> None:
    """An event, whether it has a vector, of which symbol, and whether the specialist takes a turn after it."""
    with MarketRings(CONFIG, CAPACITY) as rings:
        market, feed = Market(rings), feed_of(rings, *read)
        waiting: list[tuple[int, int]] = []
        used = dict.fromkeys(RAW, 0)
        for ring, has_vector, symbol, turn in events:
            market.event(ring)
            if has_vector:
                market.vector(market.now, symbol)
                waiting.append((market.now, symbol))
            if not turn:
                continue
            count = feed.hear()
            assert feed.vectors["ingest_seq"][:count].tolist() == [seq for seq, _ in waiting]
            if not waiting:
                assert count == 0
                continue
            rows = {symbol: row for row, (_, symbol) in enumerate(waiting)}
            assert feed.newest_rows() == sorted(rows.items())
            newest = waiting[-1][0]
            for which, name in enumerate(RAW):
                due = [seq for seq in market.raw[name][used[name] :] if seq <= newest] if name in read else []
                assert numbers(feed, which)[: len(due)] == due
                assert len(numbers(feed, which)) - len(due) <= 1  # one record behind the vector may be in hand
                assert all(seq > newest for seq in numbers(feed, which)[len(due) :])
                feed.used[which] = len(due)
                used[name] += len(due)
            waiting.clear()
        assert feed.lost == 0


def test_room_grows_with_what_one_vector_spans(rings: MarketRings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "RAW_ROOM", 4)
    market, feed = Market(rings), feed_of(rings, *RAW)
    for _ in range(3):
        for number in range(100):
            market.event(RAW[number % 2])
        market.vector(market.now)
        assert feed.hear() == 1
        for which, ring in enumerate(RAW):
            assert numbers(feed, which) == market.raw[ring]
            feed.used[which] = len(market.raw[ring])
            market.raw[ring].clear()


def test_part_of_what_is_in_hand_may_be_used(rings: MarketRings) -> None:
    market, feed = Market(rings), feed_of(rings, "trades")
    for _ in range(5):
        market.event("trades")
    market.vector(5)
    feed.hear()
    feed.used[0] = 2
    market.event("trades")
    market.vector(6)
    feed.hear()
    assert numbers(feed, 0) == [3, 4, 5, 6]


def test_more_vectors_than_a_batch_come_in_turns(rings: MarketRings) -> None:
    market, feed = Market(rings), feed_of(rings, "trades")
    for _ in range(BATCH + 3):
        market.event("trades")
        market.vector(market.now)
    assert (feed.hear(), feed.hear(), feed.hear()) == (BATCH, 3, 0)


@pytest.mark.parametrize("lapped", ["features", *RAW])
def test_what_laps_cost_is_counted_over_all_rings(rings: MarketRings, lapped: str) -> None:
    market, feed = Market(rings), feed_of(rings, *RAW)
    for _ in range(CAPACITY + 10):
        if lapped == "features":
            market.vector(1)
        else:
            market.event(lapped)
    market.vector(market.now)
    while feed.hear():
        pass
    assert feed.lost == CAPACITY // 8 + (11 if lapped == "features" else 10)
    feed.forget()
    assert numbers(feed, 0) == numbers(feed, 1) == []


@pytest.mark.parametrize("symbol", [-1, 2, 99])
def test_a_vector_of_no_instrument_is_an_error(rings: MarketRings, symbol: int) -> None:
    market, feed = Market(rings), feed_of(rings)
    market.vector(1)
    market.vector(2, symbol=symbol)
    with pytest.raises(ValueError, match=f"of instrument {symbol}, and there are 2"):
        feed.hear()
