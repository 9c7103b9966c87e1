"""One instrument's real book with its trading state: clients' and background orders, calls, and what is told of them.

It stands under every market whose orders truly match (generated, mixed, and the bare one of `book_market`). A source
that brings background traders makes them act on `book` by the kernels of `book` while trading is continuous, and
through `collect` while a call lasts, then says `told`. Whatever clients or a call do is queued in `pending` as batches
of wire frames. No clock, no files, no accounts: `owner` is the exchange's number of a client order, 0 a background one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from config.schema import Instrument
from exchange import auction, frames
from exchange.auction import CallAuction, slots_of_owners
from exchange.book import (
    DEPTH_ORDERS,
    DEPTH_QUANTITY,
    DEPTH_TICKS,
    LEAVES,
    MARKET_ROW_BUY,
    MARKET_ROW_SELL,
    OrderBook,
    book_add,
    book_available,
    book_match,
    book_queue_ahead,
    book_reduce,
    book_remove,
    book_show,
)
from exchange.market import BUY, KIND_BOOK, KIND_TRADE, Array, Batch, Fill
from exchange.phases import in_call
from profitdll.constants import PRICE_GROUP_THEORETICAL, TickerState, TradeType

LEVELS = frames.BOOK_LEVELS


class Venue:
    """See `exchange.market.MarketSource` for the contract of the client methods; prices are ticks.

    spec, index: the instrument and its number. The ladder holds `span` prices from `base_ticks`, at most `capacity`
    orders. start_ticks: the reference before the first trade.
    """

    def __init__(
        self, spec: Instrument, index: int, *, base_ticks: int, span: int, capacity: int, start_ticks: int
    ) -> None:
        self.spec, self.index = spec, index
        self.book = OrderBook(base_ticks, span, capacity)
        self.state = TickerState.OPENED
        self.slots: dict[int, int] = {}  # client order -> slot, in the ladder of its side
        self.pending: list[Batch] = []  # what nobody was told yet
        self.last_ticks = start_ticks  # price of the last trade, the reference before the first
        self.trade_number = 0
        self.order_number = 0
        self._call: CallAuction | None = None
        self._sides: dict[int, int] = {}  # client order -> side
        self._shown = np.zeros((2, LEVELS, 3), np.int64)
        self._seen = np.zeros((2, LEVELS, 3), np.int64)
        self._theoretical = auction.Theoretical(0, 0, 0)
        self._played: list[Array] = []

    @property
    def calling(self) -> bool:
        """Whether a call lasts: orders are collected, nothing trades."""
        return self._call is not None and self._call.opened

    # -- states

    def set_state(self, state: int, now_ns: int) -> list[Fill]:
        """A trading state begins (`phases`): a call opens, or ends with its trades, which are told and printed.

        Returns the executions of client orders, each side its own. What a call leaves of orders at market is
        eliminated: those client orders are no longer in `slots`.
        """
        was, self.state = self.calling, TickerState(state)
        if in_call(state) and not was:
            self._open_call()
            self.told(now_ns)
        elif was and not in_call(state):
            return self._end_call(now_ns)
        return []

    def _open_call(self) -> None:
        if self._call is None:
            self._call = CallAuction(self.book)
        self._call.open()
        self._find_slots()

    def _end_call(self, now_ns: int) -> list[Fill]:
        call = self._call
        assert call is not None
        found, pairs = call.uncross(self.last_ticks)
        rows = []
        fills: list[Fill] = []
        for pair in pairs.tolist():
            buyer, seller = pair[auction.PAIR_BUY_BROKER], pair[auction.PAIR_SELL_BROKER]
            quantity = pair[auction.PAIR_QUANTITY]
            rows.append((found.price_ticks, quantity, buyer, seller, TradeType.AUCTION))
            for column in (auction.PAIR_BUY_OWNER, auction.PAIR_SELL_OWNER):
                if pair[column] > 0:
                    fills.append(Fill(pair[column], found.price_ticks, quantity, now_ns))
        call.close()
        self._find_slots()
        self.print_trades(rows, now_ns)
        self.told(now_ns)
        return fills

    def _find_slots(self) -> None:
        """After orders moved between ladders."""
        self.slots = slots_of_owners(self.book)
        if self._call is not None and self._call.opened:
            self.slots |= slots_of_owners(self._call.asks)
        self._sides = {owner: side for owner, side in self._sides.items() if owner in self.slots}

    def theoretical(self) -> auction.Theoretical:
        """What the call would trade now; all 0 when there is none."""
        if not self.calling or self._call is None:
            return auction.Theoretical(0, 0, 0)
        return self._call.theoretical(self.last_ticks)

    def ladder(self, side: int) -> OrderBook:
        """Where orders of that side stand now."""
        return self._call.ladder(side) if self.calling and self._call is not None else self.book

    # -- orders

    def holds(self, price_ticks: int) -> bool:
        """Whether a limit may have this price: the outermost prices are for orders at market in a call."""
        return self.book.holds(price_ticks - 1) and self.book.holds(price_ticks + 1)

    def limit_row(self, side: int, limit_ticks: int | None) -> int:
        """The ladder row of a limit, or beyond every row."""
        if limit_ticks is None:
            return int(MARKET_ROW_BUY if side == BUY else MARKET_ROW_SELL)
        return self.book.row(limit_ticks)

    def collect(self, side: int, price_ticks: int | None, quantity: int, broker: int, owner: int = 0) -> int:
        """Put an order that is not to trade now at the end of its queue; None: at market, in a call only.

        Returns its slot in `ladder(side)`. Raises OverflowError when the book is full. Say `told` afterwards.
        """
        ladder = self.ladder(side)
        if price_ticks is None:
            if not self.calling or self._call is None:
                raise ValueError("an order at market can only be collected in a call")
            row = self._call.market_row(side)
        else:
            row = ladder.row(price_ticks)
        self.order_number += 1
        slot = int(book_add(*ladder.arrays, self.order_number, side, row, quantity, broker, owner))
        if slot < 0:
            raise OverflowError(f"the book of {self.spec.symbol} has no room for another order")
        return slot

    def available(self, side: int, limit_ticks: int | None, wanted: int) -> int:
        row = self.limit_row(side, limit_ticks)
        return int(book_available(self.book.levels, self.book.state, side, row, wanted))

    def take(self, side: int, limit_ticks: int | None, quantity: int, broker: int, now_ns: int) -> list[Fill]:
        """Match an incoming order; its trades are printed with both brokers."""
        count = book_match(*self.book.arrays, self.book.fills, side, self.limit_row(side, limit_ticks), quantity)
        fills, rows = [], []
        kind = TradeType.BUY_AGGRESSOR if side == BUY else TradeType.SELL_AGGRESSOR
        for i in range(count):
            slot, _, row, traded, other, owner = self.book.fills[i].tolist()
            ticks = self.book.base_ticks + row
            fills.append(Fill(owner, ticks, traded, now_ns))
            if owner and (i < count - 1 or self.book.orders[slot, LEAVES] == 0):
                self.forget(owner)
            rows.append((ticks, traded, *((broker, other) if side == BUY else (other, broker)), kind))
        self.print_trades(rows, now_ns)
        self.told(now_ns)
        return fills

    def rest(self, owner: int, side: int, ticks: int | None, quantity: int, broker: int, now_ns: int) -> None:
        self.slots[owner] = self.collect(side, ticks, quantity, broker, owner)
        self._sides[owner] = side
        self.told(now_ns)

    def withdraw(self, owner: int, now_ns: int) -> None:
        ladder = self.ladder(self._sides[owner])
        book_remove(*ladder.arrays, self.slots[owner])
        self.forget(owner)
        self.told(now_ns)

    def reduce(self, owner: int, leaves: int, now_ns: int) -> None:
        ladder = self.ladder(self._sides[owner])
        book_reduce(ladder.levels, ladder.orders, self.slots[owner], leaves)
        self.told(now_ns)

    def queue_ahead(self, owner: int) -> int:
        return int(book_queue_ahead(self.ladder(self._sides[owner]).orders, self.slots[owner]))

    def forget(self, owner: int) -> None:
        """A client order left the book."""
        del self.slots[owner], self._sides[owner]

    # -- told

    def print_trades(self, rows: Sequence[tuple[int, int, int, int, int]], now_ns: int) -> None:
        """Queue trades (price ticks, quantity, buyer, seller, type) of one moment; the last is the last price."""
        if not rows:
            return
        trade = frames.trade_frames(len(rows))
        body = trade["body"]
        for name, column in zip(("quantity", "buyer", "seller", "trade_type"), range(1, 5), strict=True):
            body[name] = [row[column] for row in rows]
        ticks = np.array([row[0] for row in rows], np.int64)
        body["price"] = np.round(ticks * self.spec.tick, frames.PRICE_DIGITS)
        body["index"], body["ts_ns"] = self.index, now_ns
        body["number"] = self.trade_number + np.arange(1, len(rows) + 1)
        self.trade_number += len(rows)
        self.last_ticks = rows[-1][0]
        self._played.append(body.copy())
        self._queue(np.full(len(rows), KIND_TRADE, np.uint8), trade, frames.book_frames(0), now_ns)

    def told(self, now_ns: int) -> None:
        """Queue a book message when the first ten levels, or in a call the theoretical price, changed."""
        call = self._call
        if call is None or not call.opened:
            theoretical = auction.Theoretical(0, 0, 0)
            changed = book_show(self.book.levels, self.book.state, self._shown, self._seen)
        else:
            self._seen[0], self._seen[1], theoretical = call.depth(self.last_ticks, LEVELS)
            changed = not np.array_equal(self._seen, self._shown)
            self._shown[:] = self._seen
        if changed or theoretical != self._theoretical:
            self._theoretical = theoretical
            book = self._encode(self._seen, theoretical, now_ns)
            self._queue(np.full(1, KIND_BOOK, np.uint8), frames.trade_frames(0), book, now_ns)

    def _encode(self, shown: Array, theoretical: auction.Theoretical, now_ns: int) -> Array:
        book = frames.book_frames(1)
        body = book["body"]
        body["index"], body["ts_ns"] = self.index, now_ns
        for at, side in enumerate(("bid", "ask")):
            # what is not there is 0 in `shown`, and 0 ticks are 0 points
            body[f"{side}_price"][0] = np.round(shown[at, :, DEPTH_TICKS] * self.spec.tick, frames.PRICE_DIGITS)
            body[f"{side}_quantity"][0] = shown[at, :, DEPTH_QUANTITY]
            body[f"{side}_count"][0] = shown[at, :, DEPTH_ORDERS]
            if shown[at, 0, DEPTH_QUANTITY] and shown[at, 0, DEPTH_TICKS] == auction.AT_MARKET_TICKS:
                body[f"{side}_price"][0, 0] = -np.inf  # as the DLL shows orders at market
        if theoretical.quantity:
            body["flags"] = PRICE_GROUP_THEORETICAL
            body["theoretical_price"] = round(theoretical.price_ticks * self.spec.tick, frames.PRICE_DIGITS)
            body["theoretical_quantity"] = theoretical.quantity
        return book

    def _queue(self, kinds: Array, trades: Array, books: Array, now_ns: int) -> None:
        self.pending.append(Batch(kinds, np.full(len(kinds), self.index, np.int32), trades, books, (), now_ns))

    def history(self, from_ns: int, to_ns: int) -> Array:
        """Trades with from <= time <= to, oldest first: (n,) TRADE_BODY."""
        if not self._played:
            return frames.trade_frames(0)["body"]
        if len(self._played) > 1:
            self._played = [np.concatenate(self._played)]
        times = self._played[0]["ts_ns"]
        start, end = np.searchsorted(times, from_ns, "left"), np.searchsorted(times, to_ns, "right")
        return self._played[0][start:end]
