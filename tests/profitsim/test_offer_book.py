"""The offer book: packets of a full one, steps, the ownership of arrays, and their parser in profitdll."""

from __future__ import annotations

import ctypes
import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange import protocol as wire
from profitdll import prototypes
from profitdll.constants import NL_CODES
from profitdll.offer_book import FULL_BOOK, BadPacket, Offer, OfferBook, read_packet
from tests.profitsim.conftest import Rig
from tests.profitsim.scripted import NOON_NS

LAST = 4
SIDES = ("bid", "ask")


class OfferRig:
    """Subscribes offers and keeps the book that the callbacks tell; frees every array inside its callback."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.dll = rig, rig.library.dll
        self.book = OfferBook()
        self.actions: list[int] = []
        self.packets: list[tuple[int, int, bool]] = []  # offers bought, sold, last
        self.callback = prototypes.OfferBookCallback(self._on_offers)
        self.dll.SetOfferBookCallbackV2(ctypes.cast(self.callback, ctypes.c_void_p))
        assert self.dll.SubscribeOfferBook("WDOFUT", "F") == 0
        rig.settle()

    def _on_offers(self, asset: Any, action: int, position: int, side: int, quantity: int, agent: int, offer_id: int,
                   price: float, has_price: int, has_quantity: int, has_date: int, has_id: int, has_agent: int,
                   date: str, sell: int | None, buy: int | None) -> None:  # fmt: skip
        assert asset.contents.ticker == "WDOFUT" and date == "24/11/2025 12:00:00.000"
        self.actions.append(action)
        if action == FULL_BOOK:
            packets = [read_packet(address) for address in (sell, buy) if address]
            for address, packet in zip((sell, buy), packets, strict=True):
                assert self.dll.FreePointer(address, packet.size) == 0
            self.packets.append((len(packets[1].offers), len(packets[0].offers), packets[0].last))
            self.book.add_packets(*packets)
            return
        known = (bool(has_price), bool(has_quantity), bool(has_date), bool(has_id), bool(has_agent))
        self.book.step(action, position, side, Offer(price, quantity, agent, offer_id, date), known)

    def send(self, bids: list[tuple[float, int, int]], asks: list[tuple[float, int, int]]) -> None:
        """Levels are (price, quantity, orders), best first."""
        body: dict[str, Any] = {"index": 0, "ts_ns": NOON_NS}
        for side, levels in zip(SIDES, (bids, asks), strict=True):
            padded = [*levels, *[(0.0, 0, 0)] * (10 - len(levels))]
            for i, column in enumerate(("price", "quantity", "count")):
                body[f"{side}_{column}"] = [level[i] for level in padded]
        self.rig.server.send(wire.BOOK, **body)
        self.rig.settle()

    def held(self, side: int) -> list[tuple[float, int]]:
        """(price, quantity), best first."""
        return [(offer.price, offer.quantity) for offer in self.book.best_first(side)]

    def close(self) -> None:
        self.dll.SetOfferBookCallbackV2(None)


@pytest.fixture
def offers(rig: Rig) -> Any:
    rig.connect()
    made = OfferRig(rig)
    yield made
    made.close()


def twin(levels: list[tuple[float, int, int]]) -> list[tuple[float, int]]:
    """Each level as its orders: equal parts, and the first takes what is left."""
    out = []
    for price, quantity, orders in levels:
        count = min(max(orders, 1), quantity)
        out += [(price, quantity // count + (quantity % count if n == 0 else 0)) for n in range(count)]
    return out


def test_the_first_book_is_a_full_one_and_what_follows_are_steps(offers: OfferRig) -> None:
    offers.send([(10.0, 5, 2), (9.5, 4, 1)], [(10.5, 7, 3)])
    assert offers.actions == [FULL_BOOK] and offers.book.whole
    assert offers.held(0) == [(10.0, 3), (10.0, 2), (9.5, 4)]
    assert offers.held(1) == [(10.5, 3), (10.5, 2), (10.5, 2)]
    assert [offer.date for offer in offers.book.best_first(0)] == ["24/11/2025 12:00:00.000"] * 3
    offers.send([(10.0, 9, 2)], [(10.25, 1, 1), (10.5, 7, 3)])
    assert FULL_BOOK not in offers.actions[1:] and len(offers.actions) > 1
    assert offers.held(0) == [(10.0, 5), (10.0, 4)]
    assert offers.held(1) == [(10.25, 1), (10.5, 3), (10.5, 2), (10.5, 2)]
    assert offers.dll.profitsim_unfreed() == 0


def test_a_full_book_spans_several_packets(offers: OfferRig) -> None:
    offers.rig.server.send(wire.FAULT, kind=wire.FAULT_OFFERS, value=3)
    bids, asks = [(10.0 - i, 8, 4) for i in range(5)], [(11.0, 4, 2)]
    offers.send(bids, asks)
    assert offers.packets == [(3, 2, False), *[(3, 0, False)] * 5, (2, 0, True)]
    assert offers.book.whole
    assert offers.held(0) == twin(bids) and offers.held(1) == twin(asks)
    offers.rig.server.send(wire.FAULT, kind=wire.FAULT_OFFERS, value=0)
    offers.send(bids, asks)
    assert offers.packets[7:] == [(20, 2, True)]
    assert offers.held(0) == twin(bids)


def test_after_a_lost_connection_the_offer_book_is_full_again(offers: OfferRig) -> None:
    offers.send([(10.0, 5, 2)], [])
    offers.rig.server.drop()
    offers.rig.server.wait_for(wire.SUBSCRIBE, 2)
    assert offers.rig.session is not None
    offers.rig.session.wait_connected(20)
    offers.send([(10.0, 5, 1)], [(12.0, 1, 1)])
    assert offers.actions == [FULL_BOOK, FULL_BOOK]
    assert (offers.held(0), offers.held(1)) == ([(10.0, 5)], [(12.0, 1)])


levels = st.lists(st.tuples(st.integers(1, 14), st.integers(1, 9), st.integers(0, 4)), max_size=10,
                  unique_by=lambda level: level[0])  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(books=st.lists(st.tuples(levels, levels), min_size=1, max_size=5))
def test_steps_rebuild_every_book(connected: Rig, books: list[Any]) -> None:
    offers = OfferRig(connected)
    try:
        for bids, asks in books:
            bids, asks = [sorted(side, reverse=order) for side, order in ((bids, True), (asks, False))]
            offers.send(bids, asks)
            assert offers.held(0) == twin(bids)
            assert offers.held(1) == twin(asks)
    finally:
        connected.library.dll.UnsubscribeOfferBook("WDOFUT", "F")
        offers.close()


def test_offers_and_depth_are_told_apart(offers: OfferRig) -> None:
    subscribed = [(body["depth"], body["on"]) for body in offers.rig.server.wait_for(wire.SUBSCRIBE)]
    assert subscribed == [(1, 1)]
    offers.send([(10.0, 5, 2)], [])
    assert not offers.rig.heard.of("depth"), "nobody asked for price levels"
    asset = prototypes.s.TConnectorAssetIdentifier(0, "WDOFUT", "F", 0)
    assert offers.dll.SubscribePriceDepth(asset) == 0
    assert offers.dll.UnsubscribeOfferBook("WDOFUT", "F") == 0
    offers.rig.settle()
    assert len(offers.rig.server.wait_for(wire.SUBSCRIBE, 2)) == 2, "the depth still needs its books"
    offers.send([(10.0, 6, 2)], [])
    assert offers.actions == [FULL_BOOK]
    assert offers.rig.heard.of("depth")
    assert offers.dll.UnsubscribePriceDepth(asset) == 0
    assert offers.rig.server.wait_for(wire.SUBSCRIBE, 3)[2]["on"] == 0


def test_arrays_are_the_callers_until_they_are_freed_once(rig: Rig) -> None:
    kept: list[tuple[int, int]] = []
    rig.connect()
    dll = rig.library.dll

    @prototypes.OfferBookCallback
    def keep(*arguments: Any) -> None:
        kept.extend((address, 0) for address in arguments[-2:])
        rig.heard.note("offers")

    dll.SetOfferBookCallbackV2(ctypes.cast(keep, ctypes.c_void_p))
    try:
        assert dll.SubscribeOfferBook("NADA11", "F") == 0
        assert rig.heard.wait("invalid_ticker") == [("NADA11", "F")]
        assert dll.SubscribeOfferBook("WDOFUT", "F") == 0
        rig.settle()
        rig.server.send(wire.BOOK, index=0, bid_price=[10.0] + [0.0] * 9, bid_quantity=[3] + [0] * 9)
        rig.heard.wait("offers")
        assert dll.profitsim_unfreed() == 2
        (sell, _), (buy, _) = kept
        assert read_packet(sell).offers == [] and len(read_packet(buy).offers) == 1
        for address in (sell, buy):
            assert dll.FreePointer(address, 65) == 0
            assert dll.FreePointer(address, 65) == NL_CODES["NL_INVALID_ARGS"], "a second time"
        assert dll.FreePointer(None, 0) == NL_CODES["NL_INVALID_ARGS"]
        assert dll.profitsim_unfreed() == 0
    finally:
        dll.SetOfferBookCallbackV2(None)


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<iiI", -1, 12, 0),
        struct.pack("<iiI", 3, 12, 1),
        struct.pack("<iidqiqHI", 1, 8 + 30 + 4, 1.0, 1, 1, 1, 500, 1),
    ],
)
def test_a_packet_whose_lengths_contradict_is_refused(data: bytes) -> None:
    memory = ctypes.create_string_buffer(data, 4096)
    with pytest.raises(BadPacket):
        read_packet(ctypes.addressof(memory))


def test_delete_from_takes_every_better_offer_too() -> None:
    book = OfferBook()
    for price in (1.0, 2.0, 3.0):
        book.step(0, 0, 0, Offer(price, 1, 0, 0, ""), (True,) * 5)
    book.step(1, 1, 0, Offer(9.0, 7, 0, 0, ""), (False, True, False, False, False))
    assert [offer[:2] for offer in book.best_first(0)] == [(3.0, 1), (2.0, 7), (1.0, 1)]
    book.step(3, 1, 0, Offer(0.0, 0, 0, 0, ""), (False,) * 5)
    assert [offer.price for offer in book.best_first(0)] == [1.0]
    with pytest.raises(IndexError):
        book.step(2, 1, 0, Offer(0.0, 0, 0, 0, ""), (False,) * 5)
