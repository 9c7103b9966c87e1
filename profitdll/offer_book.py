"""The offer book as its callback tells it: packets of a full book, and single steps at positions counted from the end.

Pure but for reading a packet's memory; whoever gets an array gives it back with `FreePointer`. The pipeline does not
use offer books (its features rest on price levels); this is for tools and for whoever needs single offers.
"""

from __future__ import annotations

import ctypes
import struct
from typing import NamedTuple

from profitdll.constants import BookSide

ADD, EDIT, DELETE, DELETE_FROM, FULL_BOOK = range(5)
LAST_PACKET = 1
_HEADER = struct.Struct("<ii")  # offers, size of the array in bytes
_OFFER = struct.Struct("<dqiqH")  # price, quantity, agent, offer id, length of the date that follows
_FLAGS = struct.Struct("<I")


class Offer(NamedTuple):
    """One offer: price in points, quantity in contracts, member (0 unknown), the exchange's id, date text."""

    price: float
    quantity: int
    agent: int
    offer_id: int
    date: str


class Packet(NamedTuple):
    """One array of a full book, in the list's order. `size`: its bytes, as `FreePointer` wants them."""

    offers: list[Offer]
    last: bool
    size: int


class BadPacket(ValueError):
    """An array whose lengths contradict each other."""


def read_packet(address: int) -> Packet:
    """The packet at an address that the callback gave. Raises BadPacket."""
    count, size = _HEADER.unpack(ctypes.string_at(address, _HEADER.size))
    if count < 0 or size < _HEADER.size + count * _OFFER.size + _FLAGS.size:
        raise BadPacket(f"{count} offers cannot stand in {size} bytes")
    data = ctypes.string_at(address, size)
    offers: list[Offer] = []
    at = _HEADER.size
    for _ in range(count):
        if at + _OFFER.size > size:
            raise BadPacket(f"offer {len(offers)} lies beyond the end of {size} bytes")
        price, quantity, agent, offer_id, length = _OFFER.unpack_from(data, at)
        at += _OFFER.size + length
        offers.append(Offer(price, quantity, agent, offer_id, data[at - length : at].decode("ascii", "replace")))
    if at + _FLAGS.size > size:
        raise BadPacket(f"the flags lie beyond the end of {size} bytes")
    (flags,) = _FLAGS.unpack_from(data, at)
    return Packet(offers, bool(flags & LAST_PACKET), size)


class OfferBook:
    """Both sides as the DLL's lists: worst first, best last. `whole`: no packet of a full book is still to come."""

    def __init__(self) -> None:
        self.sides: dict[int, list[Offer]] = {int(BookSide.BUY): [], int(BookSide.SELL): []}
        self.whole = False
        self._between_packets = False

    def add_packets(self, sell: Packet | None, buy: Packet | None) -> None:
        """One callback with a full book's arrays: the first replaces what is there, the others go on behind it."""
        if not self._between_packets:
            for side in self.sides.values():
                side.clear()
        for number, packet in ((BookSide.SELL, sell), (BookSide.BUY, buy)):
            if packet is not None:
                self.sides[int(number)] += packet.offers
        self.whole = all(packet is None or packet.last for packet in (sell, buy))
        self._between_packets = not self.whole

    def step(self, action: int, position: int, side: int, offer: Offer, known: tuple[bool, bool, bool, bool, bool]) -> None:
        """One single change. known: which of price, quantity, date, offer id and agent the notice carries.

        Raises IndexError for a position that the list does not have: the book is to be asked for again then.
        """
        offers = self.sides[side]
        if not 0 <= position < len(offers) + (action == ADD):
            raise IndexError(f"position {position} in a list of {len(offers)}")
        place = len(offers) - position - 1
        if action == ADD:
            offers.insert(place + 1, offer)
        elif action == EDIT:
            price, quantity, date, offer_id, agent = known
            old = offers[place]
            offers[place] = Offer(
                offer.price if price else old.price,
                offer.quantity if quantity else old.quantity,
                offer.agent if agent else old.agent,
                offer.offer_id if offer_id else old.offer_id,
                offer.date if date else old.date,
            )
        elif action == DELETE:
            del offers[place]
        elif action == DELETE_FROM:  # that one and every better one
            del offers[place:]

    def best_first(self, side: int) -> list[Offer]:
        return self.sides[side][::-1]
